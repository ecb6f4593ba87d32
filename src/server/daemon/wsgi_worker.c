#include "daemon/wsgi_worker.h"

#include <apr_strings.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/wsgi_clock.h"
#include "daemon/wsgi_arrivals.h"
#include "daemon/wsgi_shutdown.h"
#include "daemon/wsgi_warm.h"
#include "daemon/wsgi_warmup.h"
#include "daemon/wsgi_workerstart.h"

enum { LOOK_PAUSE = 1000 }; /* milliseconds */

/* ---- called on request threads ---- */

static int on_serve(void *context, int fd, int may_keep, int thread, apr_time_t begun, apr_pool_t *pcall)
{
    wsgi_workerstate_t *w = context;
    wsgi_visit_t visit = { .fd = fd,
                           .may_keep = may_keep,
                           .thread = thread,
                           .accepted = apr_time_now(),
                           .taken = begun };

    wsgi_monitor_begin(w->monitor);
    return wsgi_peer_serve(&w->peer, &visit, pcall);
}

static void on_served(void *context)
{
    wsgi_workerstate_t *w = context;
    apr_int64_t limit = w->limits.maximum_requests;

    if (w->group->threads == 1 && limit == 1) {
        wsgi_threadpool_stop_accepting(w->pool); /* wsgi.run_once is true: the application counts on it */
    }
    if (atomic_load(&w->wants_wake) || (limit > 0 && wsgi_threadpool_served(w->pool) >= limit)) {
        wsgi_signals_wake();
    }
}

static void on_broken(void *context)
{
    (void)context;
    (void)raise(SIGTERM); /* handled by the main thread like any other order to end */
}

static void start_threads(wsgi_workerstate_t *w)
{
    wsgi_threadpool_settings_t settings = {
        .listener = w->start->listener,
        .may_keep = wsgi_arrivals_may_keep(w->group),
        .threads = w->group->threads,
        .stack_size = w->group->stack_size,
        .group = w->group->name,
        .log = *w->log,
        .serve = on_serve,
        .served = on_served,
        .broken = on_broken,
        .context = w,
    };

    /* The pool's address is stored before its threads run. */
    if (wsgi_threadpool_start(&w->pool, &settings, w->start->pprocess) != APR_SUCCESS) {
        wsgi_workerstart_give_up(w);
    }
}

/* ---- life ---- */

static void retire(wsgi_workerstate_t *w, const char *reason)
{
    if (w->retire_reason[0] == '\0') {
        wsgi_log(w->log, WSGI_HERE, WSGI_LOG_INFO, 0,
                 "A process of daemon process group '%s' retires (%s); %d requests are in progress.", w->group->name,
                 reason, wsgi_threadpool_active(w->pool));
        apr_cpystrn(w->retire_reason, reason, sizeof(w->retire_reason));
        atomic_store(&w->wants_wake, 1);
        wsgi_threadpool_stop_accepting(w->pool);
        wsgi_reload_retired(w->reload);
        w->retired = wsgi_clock_now();
        if (w->keeper.fd >= 0) { /* a failure shows to both sides */
            (void)wsgi_control_send(w->keeper.fd, WSGI_CONTROL_CLOSED, "", 0);
        }
    }
}

static void read_signals(wsgi_workerstate_t *w)
{
    int signum;

    while ((signum = wsgi_signals_next(&w->signals)) >= 0) {
        if (signum == SIGTERM || signum == SIGINT) {
            wsgi_monitor_told_to_end(w->monitor);
        } else if (signum == SIGUSR1) {
            wsgi_monitor_asked_to_leave(w->monitor);
        } else if (signum == SIGXCPU) {
            wsgi_monitor_cpu_limit(w->monitor);
        }
    }
}

static void read_keeper(wsgi_workerstate_t *w)
{
    wsgi_control_message_t message;
    wsgi_report_t report;
    int got;

    while ((got = wsgi_control_next(&w->keeper, &message)) > 0) {
        if (message.type == WSGI_CONTROL_SERVE) {
            wsgi_threadpool_open(w->pool);
        } else if (message.type == WSGI_CONTROL_RETIRE) {
            retire(w, message.text);
        } else if (message.type == WSGI_CONTROL_LOAD && wsgi_warm_decode(&report, &message)) {
            wsgi_warmup_load(w, report.script, report.application_group);
        } else if (message.type == WSGI_CONTROL_NO_SUCCESSOR) {
            wsgi_reload_failed(w->reload, message.len > 0);
        }
    }
    if (got < 0) {
        w->keeper.fd = -1; /* nobody watches us any more: finish and go */
        retire(w, "graceful_signal");
    }
}

static wsgi_decision_t decide(wsgi_workerstate_t *w)
{
    wsgi_activity_t seen = wsgi_monitor_look(w->monitor, w->pool);

    seen.retired = w->retired;
    seen.reason = w->retire_reason;
    return wsgi_policy_decide(&w->limits, &seen, wsgi_clock_now());
}

static void ask_for_replacement(wsgi_workerstate_t *w, const char *reason)
{
    wsgi_log(w->log, WSGI_HERE, WSGI_LOG_INFO, 0,
             "A process of daemon process group '%s' asks to be replaced (%s).", w->group->name, reason);
    wsgi_monitor_replacing(w->monitor);
    if (w->keeper.fd < 0
        || wsgi_control_send(w->keeper.fd, WSGI_CONTROL_REPLACE, reason, (int)strlen(reason)) != APR_SUCCESS) {
        retire(w, reason);
    }
}

/* What request threads change without a word is looked at once a second; all else says itself when it is due. */
static int pause_until(const wsgi_workerstate_t *w, apr_time_t next)
{
    int ms = next > 0 ? wsgi_clock_poll_ms(next) : -1;
    int must_look = w->group->request_timeout > 0 || w->group->inactivity_timeout > 0 || w->group->startup_timeout > 0;

    return must_look && (ms < 0 || ms > LOOK_PAUSE) ? LOOK_PAUSE : ms;
}

/* Until there is a reason to shut down. */
static const char *serve_until_told(wsgi_workerstate_t *w)
{
    for (;;) {
        struct pollfd fds[2] = { { .fd = w->signals.control, .events = POLLIN },
                                 { .fd = w->keeper.fd, .events = POLLIN } };
        wsgi_decision_t decided = decide(w);

        if (decided.action == WSGI_STOP) {
            return decided.reason;
        }
        if (decided.action == WSGI_REPLACE) {
            ask_for_replacement(w, decided.reason);
            continue;
        }
        if (poll(fds, 2, pause_until(w, decided.next)) < 0 && errno != EINTR) {
            return "signal_pipe_error";
        }
        read_signals(w);
        if (w->keeper.fd >= 0) {
            read_keeper(w);
        }
    }
}

/* A group without request threads: its scripts are its purpose, and have run when we get here. */
static void end_service(wsgi_workerstate_t *w)
{
    wsgi_shutdown_t down = { .group = w->group,
                             .log = w->log,
                             .peer = &w->peer,
                             .join_timeout = &w->settings.join_timeout,
                             .reason = "shutdown_signal" };

    wsgi_shutdown_run(&down);
}

static void scatter_limits(wsgi_workerstate_t *w)
{
    unsigned short seed[3] = { (unsigned short)getpid(), (unsigned short)w->start->birth,
                               (unsigned short)(w->start->birth >> 16) };
    double chance[2] = { erand48(seed), erand48(seed) };

    w->limits = *w->group;
    wsgi_policy_scatter(&w->limits, chance);
}

void wsgi_worker_announce(const wsgi_workerstate_t *w)
{
    (void)wsgi_control_send(w->keeper.fd, WSGI_CONTROL_READY, "", 0); /* a keeper that is gone shows as end of file */
}

static void run_service(wsgi_workerstate_t *w)
{
    wsgi_worker_announce(w);
    wsgi_workerstart_load(w, WSGI_SCRIPTS_ALL);
    end_service(w);
}

void wsgi_worker_serve(wsgi_workerstate_t *w)
{
    wsgi_shutdown_t down = { .group = w->group,
                             .log = w->log,
                             .peer = &w->peer,
                             .join_timeout = &w->settings.join_timeout };

    scatter_limits(w);
    wsgi_monitor_start(w->monitor, &w->peer, w->signals.events);
    start_threads(w);
    wsgi_monitor_watch(w->monitor, w->pool);
    wsgi_worker_announce(w);
    down.reason = serve_until_told(w);
    wsgi_reload_retired(w->reload); /* a request that waits for a replacement waits no longer */
    if (w->keeper.fd >= 0 && w->retired == 0) { /* the next one may start while this one ends */
        (void)wsgi_control_send(w->keeper.fd, WSGI_CONTROL_REPLACE, down.reason, (int)strlen(down.reason));
    }
    down.pool = w->pool;
    wsgi_shutdown_run(&down);
}

void wsgi_worker_run(wsgi_worker_start_t *start)
{
    wsgi_workerstate_t *w = wsgi_workerstart_prepare(start);

    if (w->group->threads == 0) {
        run_service(w);
    }
    wsgi_workerstart_load(w, WSGI_SCRIPTS_ALL);
    wsgi_worker_serve(w);
}
