#include "daemon/wsgi_nativestack.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <apr_time.h>

#include "base/wsgi_clock.h"

#if defined(__linux__) && defined(__GLIBC__)

#include <dirent.h>
#include <execinfo.h>
#include <sys/syscall.h>

enum {
    ANSWER_TIME = 100000, /* microseconds for a thread to answer: it only has to be scheduled */
    WALK_TIME = 500000,   /* for all of them: less than a keeper waits beyond shutdown-timeout */
    LOOK_PAUSE = 500
};

enum { ASKED, ANSWERING, ANSWERED, GIVEN_UP };

/* One question to one thread. Never freed: a handler may come late. */
typedef struct question_t {
    struct question_t *previous;
    wsgi_nativestack_t stack;
    atomic_int state;
    int (*note)(void *context);
    void *context;
} question_t;

static _Atomic(question_t *) question; /* what a handler can reach */

static long own_tid(void)
{
    return (long)syscall(SYS_gettid);
}

static void on_question(int signum)
{
    question_t *q = atomic_load(&question);
    int saved = errno, asked = ASKED;

    (void)signum;
    if (q != NULL && q->stack.tid == own_tid() && atomic_compare_exchange_strong(&q->state, &asked, ANSWERING)) {
        q->stack.handle = pthread_self();
        q->stack.depth = backtrace(q->stack.frames, WSGI_NATIVESTACK_DEPTH);
        q->stack.noted = q->note(q->context);
        atomic_store(&q->state, ANSWERED);
    }
    errno = saved;
}

/* The first backtrace() of a process loads a library, which a signal handler must not. */
static int install(void)
{
    struct sigaction action = { .sa_handler = on_question, .sa_flags = SA_RESTART };
    void *frame[1];

    (void)backtrace(frame, 1);
    sigemptyset(&action.sa_mask);
    return sigaction(SIGURG, &action, NULL);
}

/* @return the answer, or NULL when there is none in time */
static const wsgi_nativestack_t *ask(long tid, int (*note)(void *context), void *context, apr_time_t deadline)
{
    question_t *q = calloc(1, sizeof(*q));
    int asked = ASKED;

    if (q == NULL) {
        return NULL;
    }
    q->previous = atomic_load(&question);
    q->stack.tid = tid;
    q->note = note;
    q->context = context;
    atomic_store(&q->state, ASKED);
    atomic_store(&question, q);
    if (syscall(SYS_tgkill, (long)getpid(), tid, SIGURG) != 0) {
        return NULL; /* it has ended */
    }
    while (atomic_load(&q->state) != ANSWERED && wsgi_clock_now() < deadline) {
        apr_sleep(LOOK_PAUSE);
    }
    if (atomic_compare_exchange_strong(&q->state, &asked, GIVEN_UP)) {
        return NULL; /* the signal is blocked there */
    }
    return atomic_load(&q->state) == ANSWERED ? &q->stack : NULL;
}

int wsgi_nativestack_walk(int (*note)(void *context), void (*report)(void *context, const wsgi_nativestack_t *stack),
                          void *context)
{
    apr_time_t end = wsgi_clock_now() + WALK_TIME;
    DIR *folder = opendir("/proc/self/task");
    const struct dirent *entry;
    int silent = 0;

    if (folder == NULL) {
        return -1;
    }
    if (install() != 0) {
        int error = errno;
        closedir(folder);
        errno = error;
        return -1;
    }
    while ((entry = readdir(folder)) != NULL) {
        long tid = strtol(entry->d_name, NULL, 10); /* 0: "." and ".." */
        apr_time_t deadline = wsgi_clock_now() + ANSWER_TIME;
        const wsgi_nativestack_t *stack;
        if (tid <= 0 || tid == own_tid()) {
            continue;
        }
        stack = ask(tid, note, context, deadline < end ? deadline : end);
        if (stack != NULL) {
            report(context, stack);
        } else {
            silent++;
        }
    }
    closedir(folder);
    return silent;
}

char **wsgi_nativestack_names(const wsgi_nativestack_t *stack)
{
    return backtrace_symbols(stack->frames, stack->depth);
}

#else

int wsgi_nativestack_walk(int (*note)(void *context), void (*report)(void *context, const wsgi_nativestack_t *stack),
                          void *context)
{
    (void)note;
    (void)report;
    (void)context;
    errno = ENOSYS;
    return -1;
}

char **wsgi_nativestack_names(const wsgi_nativestack_t *stack)
{
    (void)stack;
    return NULL;
}

#endif
