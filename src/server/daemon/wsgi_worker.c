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
#include "base/wsgi_loader.h"
#include "base/wsgi_pyhome.h"
#include "daemon/wsgi_child.h"
#include "daemon/wsgi_control.h"
#include "daemon/wsgi_heirs.h"
#include "daemon/wsgi_monitor.h"
#include "daemon/wsgi_overheard.h"
#include "daemon/wsgi_peer.h"
#include "daemon/wsgi_reload.h"
#include "daemon/wsgi_shutdown.h"
#include "daemon/wsgi_signals.h"
#include "daemon/wsgi_threadpool.h"

enum {
    LOOK_PAUSE = 1000, /* milliseconds */
    INIT_FAILURE = 1 /* exit status; the keeper starts another, with growing pauses */
};

typedef struct {
    const wsgi_worker_start_t *start;
    const wsgi_group_t *group;
    const wsgi_log_sink_t *log;
    wsgi_signals_t signals;
    wsgi_control_t keeper;
    wsgi_host_t host;
    wsgi_overheard_t overheard;
    wsgi_group_t limits; /* of the group, but those that vary from worker to worker */
    wsgi_runtime_settings_t settings; /* of the plan, but for join_timeout, which the end of the process sets */
    wsgi_peer_t peer;
    wsgi_threadpool_t *pool;
    wsgi_monitor_t *monitor;
    wsgi_reload_t *reload;
    char retire_reason[64];    /* main thread only; empty while it accepts */
    apr_time_t retired;        /* main thread only */
    _Atomic int wants_wake;    /* the main thread waits for requests to end */
} worker_t;

/* ---- called on request threads ---- */

static void on_serve(void *context, int fd, int thread, apr_time_t accepted, apr_pool_t *pcall)
{
    worker_t *w = context;

    wsgi_monitor_begin(w->monitor);
    (void)wsgi_peer_serve(&w->peer, fd, thread, accepted, pcall); /* its outcome went to the Apache child */
}

static void on_served(void *context)
{
    worker_t *w = context;
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

static wsgi_change_t on_script_changed(void *context, const char *script, const char *application_group)
{
    worker_t *w = context;

    return wsgi_reload_script_changed(w->reload, w->pool, script, application_group);
}

static void on_loading(void *context, const char *script, const char *application_group)
{
    wsgi_reload_loading(((worker_t *)context)->reload, script, application_group);
}

static void on_answering(void *context, const char *script, const char *application_group)
{
    worker_t *w = context;

    wsgi_monitor_script_available(w->monitor);
    wsgi_reload_answering(w->reload, script, application_group);
}

static void on_activity(void *context)
{
    wsgi_monitor_activity(((worker_t *)context)->monitor);
}

/* The bridge only calls applications that it has. */
static void on_application(void *context)
{
    wsgi_monitor_script_available(((worker_t *)context)->monitor);
    on_activity(context);
}

/* In a signal handler. */
static void on_crash(void *context)
{
    const worker_t *w = context;

    if (w->pool != NULL) {
        wsgi_board_slot_crashed(w->start->endpoint->board, w->start->slot, wsgi_threadpool_self(w->pool));
    }
}

/* ---- start ---- */

static void end_early(const worker_t *w)
{
    wsgi_log(w->log, WSGI_HERE, WSGI_LOG_ALERT, 0,
             WSGI_LOGNO(0025) "A process of daemon process group '%s' could not be set up and ends; another will be "
                              "started later.",
             w->group->name);
    _exit(INIT_FAILURE);
}

static void open_signals(worker_t *w)
{
    wsgi_signals_reset();
    if (wsgi_signals_open_worker(&w->signals, w->group->threads == 0) < 0 || wsgi_signals_on_crash(on_crash, w) < 0) {
        wsgi_log(w->log, WSGI_HERE, WSGI_LOG_ALERT, errno,
                 WSGI_LOGNO(0027) "Unable to create the pipes for signals in daemon process group '%s'.",
                 w->group->name);
        end_early(w);
    }
}

static void start_python(worker_t *w)
{
    const wsgi_bridge_t *bridge = w->start->bridge;
    wsgi_runtime_t *runtime = NULL;
    const char *why = NULL;
    apr_status_t rv = APR_SUCCESS;

    if (bridge == NULL) {
        rv = wsgi_loader_open(&bridge, &why, w->settings.python_home, w->start->pprocess);
    }
    w->host.log = wsgi_overheard_sink(&w->overheard, w->log);
    if (w->group->startup_timeout > 0 || w->group->inactivity_timeout > 0) {
        w->host.activity = on_application;
        w->host.context = w;
    }
    if (rv == APR_SUCCESS) {
        rv = bridge->start(&runtime, &w->settings, &w->host);
    }
    if (rv != APR_SUCCESS) {
        const char *wrong = wsgi_pyhome_explain(w->settings.python_home, w->start->pprocess);
        why = wrong != NULL ? wrong : why;
        wsgi_log(w->log, WSGI_HERE, WSGI_LOG_CRIT, 0,
                 WSGI_LOGNO(0028) "Python cannot be started in daemon process group '%s'; its requests will fail: %s.",
                 w->group->name, why != NULL ? why : "see the messages above");
        return;
    }
    w->peer.bridge = bridge;
    w->peer.runtime = runtime;
}

/* A signal has arrived that the main thread has not looked at. */
static int is_signalled(const worker_t *w)
{
    struct pollfd fd = { .fd = w->signals.control, .events = POLLIN };

    return poll(&fd, 1, 0) > 0;
}

/* What was logged about a script that cannot be loaded, for somebody who waits for that. */
static void tell_trouble(worker_t *w)
{
    const char *text = wsgi_overheard_end(&w->overheard);

    (void)wsgi_control_send(w->keeper.fd, WSGI_CONTROL_FAILED, text, (int)strlen(text));
}

/* @return 0 when the script is not to be had */
static int preload(worker_t *w, const char *script, const char *application_group)
{
    if (is_signalled(w)) {
        return 1;
    }
    wsgi_reload_loading(w->reload, script, application_group);
    wsgi_overheard_begin(&w->overheard);
    if (w->peer.bridge->preload(w->peer.runtime, script, application_group) != WSGI_DONE) {
        tell_trouble(w);
        return 0;
    }
    wsgi_overheard_end(&w->overheard);
    wsgi_monitor_script_available(w->monitor);
    return 1;
}

/* Import scripts are named as Apache sees them, or as this process does. */
static void preload_import(worker_t *w, const wsgi_import_t *import)
{
    const char *script = w->group->chroot ? wsgi_peer_inside_root(w->group->chroot, import->script) : NULL;

    (void)preload(w, script != NULL ? script : import->script, import->application_group); /* logs */
}

static void preload_all(worker_t *w)
{
    const wsgi_worker_start_t *start = w->start;

    if (w->peer.runtime == NULL) {
        return;
    }
    for (int i = 0; i < start->plan->import_count; i++) {
        preload_import(w, &start->plan->imports[i]);
    }
    for (int i = 0; i < start->warm_count && w->group->threads > 0; i++) {
        if (access(start->warm[i].script, R_OK) == 0 /* it may have been removed since it ran */
            && !preload(w, start->warm[i].script, start->warm[i].application_group) && start->may_refuse) {
            _exit(WSGI_WORKER_REFUSED);
        }
    }
}

static void fill_peer(worker_t *w)
{
    const wsgi_apache_t *apache = w->start->apache;

    w->peer.endpoint = w->start->endpoint;
    w->peer.socket_timeout = w->group->socket_timeout > 0 ? w->group->socket_timeout : apache->timeout;
    w->peer.log = *w->log;
    w->peer.request_log = apache->request_log;
    w->peer.slot = w->start->slot;
    w->peer.progress = wsgi_inprogress_create(w->group->threads, w->start->pprocess);
    if (w->peer.progress == NULL) {
        end_early(w);
    }
    w->peer.born = apr_time_now();
    w->peer.script_changed = on_script_changed;
    w->peer.loading = on_loading;
    w->peer.answering = on_answering;
    w->peer.activity = w->group->inactivity_timeout > 0 ? on_activity : NULL;
    w->peer.context = w;
}

static void start_threads(worker_t *w)
{
    wsgi_threadpool_settings_t settings = {
        .listener = w->start->listener,
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
        end_early(w);
    }
}

/* ---- life ---- */

static void retire(worker_t *w, const char *reason)
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
    }
}

/* @return a reason to shut down at once, NULL to go on */
static const char *read_signals(worker_t *w)
{
    const char *stop = NULL;
    int signum;

    while ((signum = wsgi_signals_next(&w->signals)) >= 0) {
        if (signum == SIGTERM || signum == SIGINT) {
            stop = "shutdown_signal";
        } else if (signum == SIGUSR1) {
            wsgi_monitor_asked_to_leave(w->monitor);
        } else if (signum == SIGXCPU) {
            wsgi_monitor_cpu_limit(w->monitor);
        }
    }
    return stop;
}

static void read_keeper(worker_t *w)
{
    wsgi_control_message_t message;
    int got;

    while ((got = wsgi_control_next(&w->keeper, &message)) > 0) {
        if (message.type == WSGI_CONTROL_SERVE) {
            wsgi_threadpool_open(w->pool);
        } else if (message.type == WSGI_CONTROL_RETIRE) {
            retire(w, message.text);
        } else if (message.type == WSGI_CONTROL_NO_SUCCESSOR) {
            wsgi_reload_failed(w->reload, message.len > 0);
        }
    }
    if (got < 0) {
        w->keeper.fd = -1; /* nobody watches us any more: finish and go */
        retire(w, "graceful_signal");
    }
}

static wsgi_decision_t decide(worker_t *w)
{
    wsgi_activity_t seen = wsgi_monitor_look(w->monitor, w->pool);

    seen.retired = w->retired;
    seen.reason = w->retire_reason;
    return wsgi_policy_decide(&w->limits, &seen, wsgi_clock_now());
}

static void ask_for_replacement(worker_t *w, const char *reason)
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
static int pause_until(const worker_t *w, apr_time_t next)
{
    int ms = next > 0 ? wsgi_clock_poll_ms(next) : -1;
    int must_look = w->group->request_timeout > 0 || w->group->inactivity_timeout > 0 || w->group->startup_timeout > 0;

    return must_look && (ms < 0 || ms > LOOK_PAUSE) ? LOOK_PAUSE : ms;
}

/* Until there is a reason to shut down. */
static const char *serve_until_told(worker_t *w)
{
    for (;;) {
        struct pollfd fds[2] = { { .fd = w->signals.control, .events = POLLIN },
                                 { .fd = w->keeper.fd, .events = POLLIN } };
        wsgi_decision_t decided = decide(w);
        const char *stop;

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
        stop = read_signals(w);
        if (stop != NULL) {
            return stop;
        }
        if (w->keeper.fd >= 0) {
            read_keeper(w);
        }
    }
}

/* A group without request threads: its scripts are its purpose, and have run when we get here. */
static void end_service(worker_t *w)
{
    wsgi_shutdown_t down = { .group = w->group,
                             .log = w->log,
                             .peer = &w->peer,
                             .join_timeout = &w->settings.join_timeout,
                             .reason = "shutdown_signal" };

    wsgi_shutdown_run(&down);
}

static void scatter_limits(worker_t *w)
{
    unsigned short seed[3] = { (unsigned short)getpid(), (unsigned short)w->start->birth,
                               (unsigned short)(w->start->birth >> 16) };
    double chance[2] = { erand48(seed), erand48(seed) };

    w->limits = *w->group;
    wsgi_policy_scatter(&w->limits, chance);
}

static void announce(const worker_t *w)
{
    (void)wsgi_control_send(w->keeper.fd, WSGI_CONTROL_READY, "", 0); /* a keeper that is gone shows as end of file */
}

static void set_up(worker_t *w)
{
    const wsgi_apache_t *apache = w->start->apache;

    wsgi_log(w->log, WSGI_HERE, WSGI_LOG_INFO, 0,
             "Starting a process of daemon process group '%s' as user id %ld, group id %ld, with %d threads.",
             w->group->name, (long)geteuid(), (long)getegid(), w->group->threads);
    if (w->group->display_name != NULL) {
        wsgi_child_set_title(w->group->display_name, apache);
    }
    if (!wsgi_child_enter_home(w->group, apache)) {
        end_early(w);
    }
    open_signals(w);
    wsgi_child_apply_limits(w->group, apache);
    apache->adopt_log(apache->context, w->group);
}

void wsgi_worker_run(const wsgi_worker_start_t *start)
{
    worker_t *w = apr_pcalloc(start->pprocess, sizeof(*w));
    wsgi_shutdown_t down = { .group = start->plan->group,
                             .log = &start->apache->log,
                             .peer = &w->peer,
                             .join_timeout = &w->settings.join_timeout };

    w->start = start;
    w->settings = *start->plan->settings;
    w->group = start->plan->group;
    w->log = &start->apache->log;
    scatter_limits(w);
    wsgi_control_init(&w->keeper, start->keeper);
    set_up(w);
    fill_peer(w);
    w->monitor = wsgi_monitor_create(w->group, w->log, start->pprocess);
    w->reload = wsgi_reload_create(start, w->peer.socket_timeout);
    if (w->reload == NULL) {
        end_early(w);
    }
    if (wsgi_heirs_get_nothing(start->listener, start->keeper) != 0) {
        end_early(w);
    }
    start_python(w);
    if (w->group->threads == 0) {
        announce(w);
        preload_all(w);
        end_service(w);
    }
    preload_all(w);
    wsgi_monitor_start(w->monitor, &w->peer, w->signals.events);
    start_threads(w);
    wsgi_monitor_watch(w->monitor, w->pool);
    announce(w);
    down.reason = serve_until_told(w);
    wsgi_reload_retired(w->reload); /* a request that waits for a replacement waits no longer */
    if (w->keeper.fd >= 0 && w->retired == 0) { /* the next one may start while this one ends */
        (void)wsgi_control_send(w->keeper.fd, WSGI_CONTROL_REPLACE, down.reason, (int)strlen(down.reason));
    }
    down.pool = w->pool;
    wsgi_shutdown_run(&down);
}
