#ifndef FUZZ_H
#define FUZZ_H

#include <apr_general.h>
#include <apr_pools.h>
#include <apr_strings.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** What libFuzzer calls; replay.c calls it too. One harness per program. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** A property that must hold whatever the input is. */
#define FUZZ_CHECK(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: property does not hold: %s\n", __FILE__, __LINE__, #condition); \
            abort(); \
        } \
    } while (0)

/** A pool for one input; initialises APR the first time. */
static inline apr_pool_t *fuzz_pool(void)
{
    static int is_ready;
    apr_pool_t *pool = NULL;

    if (!is_ready) {
        FUZZ_CHECK(apr_initialize() == APR_SUCCESS);
        is_ready = 1;
    }
    FUZZ_CHECK(apr_pool_create(&pool, NULL) == APR_SUCCESS);
    return pool;
}

/** A block of exactly `size` bytes, to be freed: sanitizers see an overrun of it, which they cannot inside a pool. */
static inline char *fuzz_copy(const void *data, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1);

    FUZZ_CHECK(copy != NULL);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    return copy;
}

/** As above with a NUL behind it; the input's own NULs cut it for whoever reads a text. */
static inline char *fuzz_text(const void *data, size_t size)
{
    char *copy = malloc(size + 1);

    FUZZ_CHECK(copy != NULL);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    copy[size] = '\0';
    return copy;
}

/** Cut the next line off a text. @return it, or NULL at the end */
static inline char *fuzz_line(char **rest)
{
    char *line = *rest, *end;

    if (line == NULL || *line == '\0') {
        return NULL;
    }
    end = strchr(line, '\n');
    *rest = end != NULL ? end + 1 : line + strlen(line);
    if (end != NULL) {
        *end = '\0';
    }
    return line;
}

/** Read every byte of `text`, so that a dangling or overlong one is noticed. */
static inline void fuzz_read(const char *text, size_t len)
{
    static volatile unsigned sum;

    for (size_t i = 0; i < len; i++) {
        sum += (unsigned char)text[i];
    }
}

#endif
