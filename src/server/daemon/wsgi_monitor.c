#include "daemon/wsgi_monitor.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/wsgi_clock.h"

enum { WATCH_PAUSE = 1000000 }; /* microseconds; nothing here needs a finer clock */

/* An overdue request that was interrupted; the watcher writes, the main thread reads. */
typedef struct {
    _Atomic apr_int64_t serial; /* of the request, 0 none */
    _Atomic apr_int64_t when;
} interrupted_t;

struct wsgi_monitor_t {
    const wsgi_group_t *group; /* constant */
    wsgi_log_sink_t log;       /* constant */
    const wsgi_peer_t *peer;   /* constant once the threads run */
    int events;                /* constant once the threads run */
    apr_time_t started;        /* constant once the threads run */
    _Atomic(wsgi_threadpool_t *) pool;
    interrupted_t *interrupted; /* group->threads */
    _Atomic apr_int64_t last_activity, startup_begun, last_probe;
    _Atomic int script_available, cpu_limit, asked_to_leave;
    int replacing, told_to_end;/* main thread only */
};

wsgi_monitor_t *wsgi_monitor_create(const wsgi_group_t *group, const wsgi_log_sink_t *log, apr_pool_t *pprocess)
{
    wsgi_monitor_t *monitor = apr_pcalloc(pprocess, sizeof(*monitor));

    monitor->group = group;
    monitor->log = *log;
    monitor->started = wsgi_clock_now();
    monitor->interrupted = apr_pcalloc(pprocess, (apr_size_t)(group->threads + 1) * sizeof(interrupted_t));
    return monitor;
}

void wsgi_monitor_begin(wsgi_monitor_t *monitor)
{
    apr_int64_t never = 0;

    if (monitor->group->startup_timeout > 0 && !atomic_load(&monitor->script_available)) {
        (void)atomic_compare_exchange_strong(&monitor->startup_begun, &never, wsgi_clock_now());
    }
}

void wsgi_monitor_script_available(wsgi_monitor_t *monitor)
{
    if (!atomic_load_explicit(&monitor->script_available, memory_order_relaxed)) {
        atomic_store(&monitor->script_available, 1);
    }
}

void wsgi_monitor_activity(wsgi_monitor_t *monitor)
{
    atomic_store_explicit(&monitor->last_activity, wsgi_clock_now(), memory_order_relaxed);
}

void wsgi_monitor_cpu_limit(wsgi_monitor_t *monitor)
{
    atomic_store(&monitor->cpu_limit, 1);
}

void wsgi_monitor_asked_to_leave(wsgi_monitor_t *monitor)
{
    atomic_store(&monitor->asked_to_leave, 1);
}

void wsgi_monitor_told_to_end(wsgi_monitor_t *monitor)
{
    monitor->told_to_end = 1;
}

void wsgi_monitor_replacing(wsgi_monitor_t *monitor)
{
    monitor->replacing = 1;
}

void wsgi_monitor_watch(wsgi_monitor_t *monitor, wsgi_threadpool_t *pool)
{
    atomic_store(&monitor->pool, pool);
}

/* ---- watcher thread ---- */

/* Raise RequestTimeout in the first thread whose request is overdue and was not yet interrupted. */
static void interrupt_overdue(wsgi_monitor_t *monitor, const wsgi_threadpool_t *pool)
{
    apr_interval_time_t limit = wsgi_policy_request_limit(monitor->group);

    for (int i = 0; i < monitor->group->threads; i++) {
        pthread_t handle;
        apr_int64_t serial;
        apr_time_t begun = wsgi_threadpool_request(pool, i, &serial, &handle), now = wsgi_clock_now();
        if (begun == 0 || now - begun <= limit || atomic_load(&monitor->interrupted[i].serial) == serial) {
            continue;
        }
        wsgi_log(&monitor->log, WSGI_HERE, WSGI_LOG_INFO, 0,
                 "A request on thread %d of daemon process group '%s' runs longer than request-timeout allows and is "
                 "interrupted.",
                 i, monitor->group->name);
        atomic_store(&monitor->interrupted[i].when, now);
        atomic_store(&monitor->interrupted[i].serial, serial);
        (void)monitor->peer->bridge->interrupt(monitor->peer->runtime, (unsigned long)handle);
        return;
    }
}

static void *watch(void *arg)
{
    wsgi_monitor_t *monitor = arg;
    const wsgi_group_t *group = monitor->group;

    for (;;) {
        wsgi_threadpool_t *pool = atomic_load(&monitor->pool);
        if (pool != NULL && group->request_timeout > 0 && group->interrupt_timeout > 0) {
            interrupt_overdue(monitor, pool);
        }
        if (group->deadlock_timeout > 0) {
            monitor->peer->bridge->probe(monitor->peer->runtime);
            atomic_store(&monitor->last_probe, wsgi_clock_now());
        }
        apr_sleep(WATCH_PAUSE);
    }
    return NULL;
}

/* ---- thread for SIGHUP and SIGUSR2 ---- */

static void *dispatch_signals(void *arg)
{
    wsgi_monitor_t *monitor = arg;
    unsigned char signum;
    ssize_t n;

    while ((n = read(monitor->events, &signum, 1)) != 0) {
        if (n == 1) {
            monitor->peer->bridge->signalled(monitor->peer->runtime, signum);
        } else if (errno != EINTR) {
            wsgi_log(&monitor->log, WSGI_HERE, WSGI_LOG_ALERT, errno,
                     WSGI_LOGNO(0208) "The pipe for SIGHUP and SIGUSR2 of daemon process group '%s' cannot be read.",
                     monitor->group->name);
            break;
        }
    }
    return NULL;
}

static int start_thread(void *(*run)(void *), wsgi_monitor_t *monitor)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, run, monitor);

    if (error == 0) {
        pthread_detach(thread);
    }
    return error;
}

void wsgi_monitor_start(wsgi_monitor_t *monitor, const wsgi_peer_t *peer, int events)
{
    const wsgi_group_t *group = monitor->group;
    int error;

    monitor->peer = peer;
    monitor->events = events;
    monitor->started = wsgi_clock_now();
    if (peer->runtime == NULL) {
        return;
    }
    if (group->deadlock_timeout > 0 || (group->request_timeout > 0 && group->interrupt_timeout > 0)) {
        error = start_thread(watch, monitor);
        if (error != 0) {
            wsgi_log(&monitor->log, WSGI_HERE, WSGI_LOG_ERR, error,
                     WSGI_LOGNO(0069) "Unable to start the watcher of daemon process group '%s': deadlock-timeout and "
                                      "interrupt-timeout are not enforced.",
                     group->name);
        } else if (group->deadlock_timeout > 0) {
            atomic_store(&monitor->last_probe, wsgi_clock_now());
        }
    }
    error = start_thread(dispatch_signals, monitor);
    if (error != 0) {
        wsgi_log(&monitor->log, WSGI_HERE, WSGI_LOG_ERR, error,
                 WSGI_LOGNO(0207) "Unable to start the thread that delivers SIGHUP and SIGUSR2 in daemon process group "
                                  "'%s'.",
                 group->name);
    }
}

/* ---- main thread ---- */

static int is_wedged(const wsgi_monitor_t *monitor, int thread, apr_int64_t serial, apr_interval_time_t elapsed,
                     apr_time_t now)
{
    const wsgi_group_t *group = monitor->group;
    const interrupted_t *interrupted = &monitor->interrupted[thread];

    if (elapsed <= wsgi_policy_request_limit(group)) {
        return 0;
    }
    return group->interrupt_timeout == 0
           || (atomic_load(&interrupted->serial) == serial
               && now - atomic_load(&interrupted->when) > group->interrupt_timeout);
}

static void look_at_requests(const wsgi_monitor_t *monitor, const wsgi_threadpool_t *pool, wsgi_activity_t *seen)
{
    const wsgi_group_t *group = monitor->group;
    apr_time_t now = wsgi_clock_now();

    for (int i = 0; i < group->threads; i++) {
        pthread_t handle;
        apr_int64_t serial;
        apr_time_t begun = wsgi_threadpool_request(pool, i, &serial, &handle);
        if (begun == 0) {
            continue;
        }
        if (is_wedged(monitor, i, serial, now - begun, now)) {
            seen->has_wedged_request = 1;
        }
        if (now - begun > group->request_timeout + group->interrupt_timeout) {
            seen->stale++;
        } else if (seen->oldest == 0 || begun < seen->oldest) {
            seen->oldest = begun;
        }
    }
}

wsgi_activity_t wsgi_monitor_look(wsgi_monitor_t *monitor, const wsgi_threadpool_t *pool)
{
    wsgi_activity_t seen = {
        .started = monitor->started,
        .served = wsgi_threadpool_served(pool),
        .active = wsgi_threadpool_active(pool),
        .last_activity = atomic_load(&monitor->last_activity),
        .startup_begun = atomic_load(&monitor->startup_begun),
        .script_available = atomic_load(&monitor->script_available),
        .last_probe = atomic_load(&monitor->last_probe),
        .cpu_limit_reached = atomic_load(&monitor->cpu_limit),
        .asked_to_leave = atomic_load(&monitor->asked_to_leave),
        .told_to_end = monitor->told_to_end,
        .replacing = monitor->replacing,
    };

    if (monitor->group->request_timeout > 0) {
        look_at_requests(monitor, pool, &seen);
    }
    return seen;
}
