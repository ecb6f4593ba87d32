#ifndef WSGI_TAP_H
#define WSGI_TAP_H

#include <apr_general.h>
#include <apr_pools.h>
#include <apr_time.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/**
 * The unit test framework: checks, cases, and their result in the Test Anything Protocol. All of it is in this header,
 * so that adding a test touches one file. One thread, the main one, uses it.
 *
 *     static void refuses_an_empty_word(void)
 *     {
 *         CHECK_INT(wsgi_parse_flag(&flag, ""), 0);
 *     }
 *
 *     int main(void)
 *     {
 *         TAP_RUN(refuses_an_empty_word);
 *         return tap_done();
 *     }
 *
 * A failed check is reported with both values and the case goes on; CHECK_OR_RETURN leaves the case, for conditions
 * without which the rest cannot run. A check evaluates its arguments once.
 */
static struct {
    apr_pool_t *pool;  /* of the running case */
    void *copies[1024]; /* of tap_copy(), freed after the case */
    int copy_count;
    void (*before)(void), (*after)(void); /* called around every case when set, with its pool */
    int cases, failed_cases, failed_checks;
} tap;

static inline int tap_report(int is_good, const char *file, int line, const char *text)
{
    if (!is_good) {
        tap.failed_checks++;
        printf("# %s:%d: %s\n", file, line, text);
    }
    return is_good;
}

static inline int tap_check_int(long long got, long long want, const char *file, int line, const char *text)
{
    int is_good = tap_report(got == want, file, line, text);

    if (!is_good) {
        printf("#    got %lld, want %lld\n", got, want);
    }
    return is_good;
}

/* Show bytes on one line, so that a diagnostic never breaks the protocol. */
static inline void tap_show(const char *label, const char *bytes, size_t len)
{
    printf("#    %s ", label);
    if (bytes == NULL) {
        printf("NULL\n");
        return;
    }
    putchar('"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c < 0x20 || c > 0x7e || c == '"' || c == '\\') {
            printf("\\x%02x", c);
        } else {
            putchar(c);
        }
    }
    printf("\"\n");
}

static inline int tap_check_bytes(const char *got, size_t got_len, const char *want, size_t want_len, const char *file,
                                  int line, const char *text)
{
    int is_same = got == NULL || want == NULL ? got == want : got_len == want_len && memcmp(got, want, want_len) == 0;

    if (!tap_report(is_same, file, line, text)) {
        tap_show("got ", got, got_len);
        tap_show("want", want, want_len);
    }
    return is_same;
}

static inline int tap_check_str(const char *got, const char *want, const char *file, int line, const char *text)
{
    return tap_check_bytes(got, got ? strlen(got) : 0, want, want ? strlen(want) : 0, file, line, text);
}

static inline int tap_check_contains(const char *got, const char *part, const char *file, int line, const char *text)
{
    int is_good = tap_report(got != NULL && strstr(got, part) != NULL, file, line, text);

    if (!is_good) {
        tap_show("got ", got, got ? strlen(got) : 0);
        tap_show("must contain", part, strlen(part));
    }
    return is_good;
}

#define CHECK(condition) tap_report((condition) != 0, __FILE__, __LINE__, #condition)
#define CHECK_INT(got, want) tap_check_int((long long)(got), (long long)(want), __FILE__, __LINE__, #got)
#define CHECK_STR(got, want) tap_check_str((got), (want), __FILE__, __LINE__, #got)
#define CHECK_BYTES(got, got_len, want, want_len) \
    tap_check_bytes((got), (got_len), (want), (want_len), __FILE__, __LINE__, #got)
#define CHECK_CONTAINS(got, part) tap_check_contains((got), (part), __FILE__, __LINE__, #got)
/* Times and durations, microseconds. */
#define CHECK_TIME(got, want) CHECK_INT((apr_time_t)(got), (apr_time_t)(want))
#define CHECK_OR_RETURN(condition) \
    do { \
        if (!CHECK(condition)) { \
            return; \
        } \
    } while (0)

/**
 * A copy of `len` bytes in a block of exactly that size, without a NUL behind them, freed after the case: the address
 * sanitizer then sees a function that reads one byte too many, which it cannot see inside a pool.
 */
static inline char *tap_copy(const void *bytes, size_t len)
{
    char *copy = malloc(len > 0 ? len : 1);

    if (copy == NULL || tap.copy_count == (int)(sizeof(tap.copies) / sizeof(tap.copies[0]))) {
        printf("Bail out! no memory for copies\n");
        exit(2);
    }
    memcpy(copy, bytes, len);
    tap.copies[tap.copy_count++] = copy;
    return copy;
}

/* As above for a text with its NUL, to be changed in place. */
static inline char *tap_text(const char *text)
{
    return tap_copy(text, strlen(text) + 1);
}

static inline void tap_run(void (*run)(void), const char *name)
{
    int failed_before = tap.failed_checks;

    if (tap.cases == 0 && apr_initialize() != APR_SUCCESS) {
        printf("Bail out! apr_initialize failed\n");
        exit(2);
    }
    apr_pool_create(&tap.pool, NULL);
    if (tap.before != NULL) {
        tap.before();
    }
    run();
    if (tap.after != NULL) {
        tap.after();
    }
    apr_pool_destroy(tap.pool);
    while (tap.copy_count > 0) {
        free(tap.copies[--tap.copy_count]);
    }
    tap.cases++;
    tap.failed_cases += tap.failed_checks != failed_before;
    printf("%s %d - %s\n", tap.failed_checks == failed_before ? "ok" : "not ok", tap.cases, name);
    fflush(stdout);
}

#define TAP_RUN(function) tap_run(function, #function)

/* Print the plan. @return the exit status for main() */
static inline int tap_done(void)
{
    printf("1..%d\n", tap.cases);
    apr_terminate();
    return tap.failed_cases == 0 && tap.cases > 0 ? 0 : 1;
}

/** What the thread sanitizer leaves out: lines such as "race:function". Once in a program, outside of functions. */
#define TAP_THREAD_SANITIZER_IGNORES(lines) \
    const char *__tsan_default_suppressions(void); \
    const char *__tsan_default_suppressions(void) \
    { \
        return lines; \
    } \
    struct tap_needs_semicolon

#endif
