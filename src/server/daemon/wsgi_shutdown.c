#include "daemon/wsgi_shutdown.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/wsgi_clock.h"
#include "daemon/wsgi_signals.h"
#include "daemon/wsgi_stuck.h"

enum {
    KILLED_STATUS = 255,
    STACKS_TIME = APR_USEC_PER_SEC / 2 /* for Python's stacks */
};

static int is_because_of(const wsgi_shutdown_t *down, const char *reason)
{
    return strcmp(down->reason, reason) == 0;
}

/*
 * What is stuck, before anything waits for it. While nobody gets the GIL Python's frames cannot be read: they change
 * under our eyes if it is let go after all.
 */
static void say_what_is_stuck(const wsgi_shutdown_t *down)
{
    wsgi_stuck_t stuck = { down->group, down->log, down->peer, down->pool };

    if (is_because_of(down, "deadlock_timeout")) {
        wsgi_stuck_log_native(&stuck);
    } else if (is_because_of(down, "request_timeout")) {
        wsgi_stuck_log_requests(&stuck);
        down->peer->bridge->dump_stacks(down->peer->runtime, STACKS_TIME);
    }
}

/* At the end of shutdown-timeout. After a deadlock it has been said. */
static void say_what_held_up_the_end(const wsgi_shutdown_t *down)
{
    wsgi_stuck_t stuck = { down->group, down->log, down->peer, down->pool };

    if (!is_because_of(down, "deadlock_timeout")) {
        wsgi_stuck_log_native(&stuck);
    }
}

static void *kill_at_deadline(void *arg)
{
    const wsgi_shutdown_t *down = arg;
    apr_time_t deadline = wsgi_clock_now() + down->group->shutdown_timeout;

    while (wsgi_clock_now() < deadline) {
        apr_sleep(deadline - wsgi_clock_now());
    }
    wsgi_log(down->log, WSGI_HERE, WSGI_LOG_INFO, 0,
             "A process of daemon process group '%s' did not end within shutdown-timeout and is ended by force.",
             down->group->name);
    say_what_held_up_the_end(down);
    _exit(KILLED_STATUS);
}

static void start_killer(const wsgi_shutdown_t *down)
{
    pthread_t killer;
    int error;

    if (down->group->shutdown_timeout == 0) {
        return;
    }
    error = pthread_create(&killer, NULL, kill_at_deadline, (void *)(uintptr_t)down);
    if (error != 0) {
        wsgi_log(down->log, WSGI_HERE, WSGI_LOG_WARNING, error,
                 WSGI_LOGNO(0070) "Unable to start the thread that enforces shutdown-timeout in daemon process group "
                                  "'%s'; it may take longer to end.",
                 down->group->name);
        return;
    }
    pthread_detach(killer);
}

/*
 * Requests may use two thirds of the time: the rest is for atexit functions, which run also when a request cannot
 * be waited for.
 */
static void wait_for_requests(const wsgi_shutdown_t *down, apr_time_t begun)
{
    apr_interval_time_t limit = down->group->shutdown_timeout;

    wsgi_threadpool_wait_idle(down->pool, limit > 0 ? begun + limit * 2 / 3 : 0);
}

/* Threads of the application get half of what is left, so that some remains for atexit functions. 0: for ever. */
static apr_interval_time_t time_for_threads(const wsgi_shutdown_t *down, apr_time_t begun)
{
    apr_interval_time_t left = begun + down->group->shutdown_timeout - wsgi_clock_now();

    if (down->group->shutdown_timeout == 0) {
        return 0;
    }
    return left > 2 ? left / 2 : 1;
}

void wsgi_shutdown_run(const wsgi_shutdown_t *down)
{
    const wsgi_peer_t *peer = down->peer;
    int has_python = peer->runtime != NULL;
    apr_time_t begun = wsgi_clock_now();

    wsgi_log(down->log, WSGI_HERE, WSGI_LOG_INFO, 0, "Shutting down a process of daemon process group '%s' (%s).",
             down->group->name, down->reason);
    start_killer(down);
    wsgi_signals_close_events();
    if (down->pool != NULL) {
        wsgi_threadpool_stop_accepting(down->pool);
        if (has_python) {
            say_what_is_stuck(down);
            peer->bridge->stopping(peer->runtime, down->reason);
        }
        wait_for_requests(down, begun);
    }
    wsgi_log(down->log, WSGI_HERE, WSGI_LOG_INFO, 0, "Stopping a process of daemon process group '%s'.",
             down->group->name);
    if (has_python) {
        *down->join_timeout = time_for_threads(down, begun);
        peer->bridge->stop(peer->runtime);
    }
    wsgi_log(down->log, WSGI_HERE, WSGI_LOG_INFO, 0, "A process of daemon process group '%s' exits.",
             down->group->name);
    _exit(0);
}
