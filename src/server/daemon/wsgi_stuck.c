#include "daemon/wsgi_stuck.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/wsgi_clock.h"
#include "daemon/wsgi_nativestack.h"

enum { DESCRIPTION = WSGI_INPROGRESS_TEXT + 128 };

/* What a thread is, packed into the one number that a signal handler returns. */
enum { HOLDS_GIL = 1 << 20, NOT_OF_POOL = (1 << 20) - 1, MAIN_THREAD = NOT_OF_POOL - 1 };

/* Time that the request of a thread takes already, -1 when it has none. */
static apr_interval_time_t elapsed(const wsgi_stuck_t *stuck, int thread)
{
    apr_int64_t serial;
    pthread_t handle;
    apr_time_t begun = wsgi_threadpool_request(stuck->pool, thread, &serial, &handle);

    return begun != 0 ? wsgi_clock_now() - begun : -1;
}

static int is_of_pool(int thread)
{
    return thread < MAIN_THREAD;
}

static void describe(char text[DESCRIPTION], const wsgi_stuck_t *stuck, int thread)
{
    apr_interval_time_t time = is_of_pool(thread) ? elapsed(stuck, thread) : -1;
    char request[WSGI_INPROGRESS_TEXT];

    if (!is_of_pool(thread)) {
        snprintf(text, DESCRIPTION, thread == MAIN_THREAD ? "main thread" : "not a request thread");
    } else if (time < 0) {
        snprintf(text, DESCRIPTION, "request thread %d, idle", thread);
    } else {
        wsgi_inprogress_read(stuck->peer->progress, thread, request);
        snprintf(text, DESCRIPTION, "request thread %d, running '%s' for %.1f seconds", thread, request,
                 (double)time / APR_USEC_PER_SEC);
    }
}

void wsgi_stuck_log_requests(const wsgi_stuck_t *stuck)
{
    for (int i = 0; stuck->pool != NULL && i < stuck->group->threads; i++) {
        char text[DESCRIPTION];
        apr_int64_t serial;
        pthread_t handle;
        if (wsgi_threadpool_request(stuck->pool, i, &serial, &handle) != 0) {
            describe(text, stuck, i);
            wsgi_log(stuck->log, WSGI_HERE, WSGI_LOG_INFO, 0, "Thread %lu of daemon process group '%s': %s.",
                     (unsigned long)handle, stuck->group->name, text);
        }
    }
}

/* On each thread, in a signal handler. */
static int note(void *context)
{
    const wsgi_stuck_t *stuck = context;
    int thread = stuck->pool != NULL ? wsgi_threadpool_self(stuck->pool) : -1;
    int holds = stuck->peer->runtime != NULL && stuck->peer->bridge->holds_gil(stuck->peer->runtime);

    return (thread >= 0 ? thread : NOT_OF_POOL) | (holds ? HOLDS_GIL : 0);
}

static void log_frames(const wsgi_stuck_t *stuck, const wsgi_nativestack_t *stack)
{
    char **names = wsgi_nativestack_names(stack);

    for (int i = 0; i < stack->depth; i++) {
        wsgi_log(stuck->log, WSGI_HERE, WSGI_LOG_INFO, 0, "  #%d %s", i, names != NULL ? names[i] : "?");
    }
    free(names);
}

static void report(void *context, const wsgi_nativestack_t *stack)
{
    const wsgi_stuck_t *stuck = context;
    int thread = stack->noted & NOT_OF_POOL, holds = (stack->noted & HOLDS_GIL) != 0;
    char text[DESCRIPTION];

    if (thread == NOT_OF_POOL && stack->tid == (long)getpid()) {
        thread = MAIN_THREAD;
    }
    describe(text, stuck, thread);
    if (holds) {
        wsgi_log(stuck->log, WSGI_HERE, WSGI_LOG_WARNING, 0,
                 WSGI_LOGNO(0264) "Thread %lu (%ld) of daemon process group '%s' holds the GIL and does not give it "
                                  "away: %s.",
                 (unsigned long)stack->handle, stack->tid, stuck->group->name, text);
    } else if (is_of_pool(thread) && elapsed(stuck, thread) < 0) {
        return; /* it waits for work */
    }
    wsgi_log(stuck->log, WSGI_HERE, WSGI_LOG_INFO, 0, "Native stack of thread %lu (%ld), %s:",
             (unsigned long)stack->handle, stack->tid, text);
    log_frames(stuck, stack);
}

void wsgi_stuck_log_native(const wsgi_stuck_t *stuck)
{
    int silent = wsgi_nativestack_walk(note, report, (void *)stuck);

    if (silent < 0) {
        wsgi_log(stuck->log, WSGI_HERE, WSGI_LOG_INFO, errno,
                 "The native stacks of the threads of daemon process group '%s' are not available.",
                 stuck->group->name);
    } else if (silent > 0) {
        wsgi_log(stuck->log, WSGI_HERE, WSGI_LOG_INFO, 0,
                 "%d threads of daemon process group '%s' do not say where they are.", silent, stuck->group->name);
    }
}
