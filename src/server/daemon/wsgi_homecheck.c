#include "daemon/wsgi_homecheck.h"

#include <apr_strings.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/wsgi_clock.h"
#include "daemon/wsgi_identity.h"

enum {
    PATIENCE = 10000000, /* microseconds */
    ANSWER_BYTES = 16384 /* less than any pipe holds, so that who answers never waits for us */
};

/* ---- in the process made for it ---- */

static int keeps_nothing(void *context, wsgi_log_level_t level)
{
    (void)context;
    (void)level;
    return 0;
}

static void write_nothing(void *context, const wsgi_record_t *record)
{
    (void)context;
    (void)record;
}

/* Answer: the fault as one byte, what, NUL, remedy, NUL. Never returns. */
static void look(int fd, const char *home, const wsgi_group_t *group, apr_pool_t *pool)
{
    const wsgi_log_sink_t silent = { write_nothing, keeps_nothing, NULL }; /* who serves the group will complain */
    char answer[ANSWER_BYTES];
    wsgi_pyhome_t found;
    int len;

    if (geteuid() == 0 && !wsgi_identity_take(group, &silent)) {
        _exit(1);
    }
    found = wsgi_pyhome_examine(home, pool);
    len = apr_snprintf(answer, sizeof(answer), "%c%.7000s%c%.7000s", (char)found.fault, found.what, '\0', found.remedy);
    _exit(write(fd, answer, (size_t)len + 1) == len + 1 ? 0 : 1);
}

/* ---- in Apache's parent ---- */

/* Until end of file. @return the number of bytes, -1 after a failure or when time is up, see errno */
static int read_answer(char *answer, int size, int fd)
{
    apr_time_t deadline = wsgi_clock_now() + PATIENCE;
    int len = 0;

    while (len < size) {
        struct pollfd readable = { .fd = fd, .events = POLLIN };
        int ready = poll(&readable, 1, wsgi_clock_poll_ms(deadline));
        ssize_t got;

        if (ready == 0) {
            errno = ETIMEDOUT;
            return -1;
        }
        got = ready > 0 ? read(fd, answer + len, (size_t)(size - len)) : -1;
        if (got < 0 && errno != EINTR) {
            return -1;
        }
        if (got == 0) {
            return len;
        }
        len += got > 0 ? (int)got : 0;
    }
    errno = EMSGSIZE;
    return -1;
}

static apr_status_t decode(wsgi_pyhome_t *out, const char *answer, int len, apr_pool_t *pool)
{
    const char *end = len > 2 ? memchr(answer + 1, '\0', (size_t)len - 1) : NULL;

    if (end == NULL || answer[0] < 0 || answer[0] >= WSGI_PYHOME_FAULTS
        || memchr(end + 1, '\0', (size_t)(answer + len - end - 1)) != answer + len - 1) {
        return APR_EGENERAL;
    }
    *out = (wsgi_pyhome_t){ (wsgi_pyhome_fault_t)answer[0], apr_pstrdup(pool, answer + 1),
                            apr_pstrdup(pool, end + 1) };
    return APR_SUCCESS;
}

/* One that hangs in a file system cannot be waited for; whoever waits for children next will find it. */
static void end_process(pid_t pid, int is_late)
{
    if (is_late) {
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, WNOHANG);
        return;
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
}

apr_status_t wsgi_homecheck_run(wsgi_pyhome_t *out, const char *home, const wsgi_group_t *group, apr_pool_t *pool)
{
    char answer[ANSWER_BYTES];
    int ends[2], len, error;
    pid_t pid;

    *out = (wsgi_pyhome_t){ WSGI_PYHOME_GOOD, "", "" };
    if (pipe(ends) < 0) {
        return errno;
    }
    pid = fork();
    if (pid == 0) {
        close(ends[0]);
        look(ends[1], home, group, pool);
    }
    error = errno;
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return error;
    }
    len = read_answer(answer, sizeof(answer), ends[0]);
    error = errno;
    close(ends[0]);
    end_process(pid, len < 0);
    if (len < 0) {
        return error == ETIMEDOUT ? APR_TIMEUP : error;
    }
    return decode(out, answer, len, pool);
}
