#ifndef WSGI_MONITOR_H
#define WSGI_MONITOR_H

#include "daemon/wsgi_peer.h"
#include "daemon/wsgi_policy.h"
#include "daemon/wsgi_threadpool.h"

/**
 * What a worker notices about itself, gathered for wsgi_policy_decide(). Request threads and signal handling report
 * to it; a thread of its own tries whether the GIL can be had and interrupts requests that take too long, so that
 * the main thread, which decides, never waits for Python.
 */
typedef struct wsgi_monitor_t wsgi_monitor_t;

wsgi_monitor_t *wsgi_monitor_create(const wsgi_group_t *group, const wsgi_log_sink_t *log, apr_pool_t *pprocess);

/**
 * Start the watcher, if the group's limits need one, and the thread that hands SIGHUP and SIGUSR2, read from
 * `events`, to Python. What fails is logged (WSGI0068, 0069, 0207) and goes without.
 */
void wsgi_monitor_start(wsgi_monitor_t *monitor, const wsgi_peer_t *peer, int events);

/* Reports, from any thread. */
void wsgi_monitor_begin(wsgi_monitor_t *monitor);            /* a request was accepted */
void wsgi_monitor_script_available(wsgi_monitor_t *monitor); /* a script was loaded or has run */
void wsgi_monitor_activity(wsgi_monitor_t *monitor);         /* data moved */
void wsgi_monitor_cpu_limit(wsgi_monitor_t *monitor);        /* SIGXCPU */
void wsgi_monitor_asked_to_leave(wsgi_monitor_t *monitor);   /* SIGUSR1 */
void wsgi_monitor_told_to_end(wsgi_monitor_t *monitor);      /* SIGTERM, SIGINT; main thread */
void wsgi_monitor_replacing(wsgi_monitor_t *monitor);        /* the keeper was asked for a replacement */

/** Let the watcher look at the threads of `pool`, NULL while there is none. */
void wsgi_monitor_watch(wsgi_monitor_t *monitor, wsgi_threadpool_t *pool);

/** All of it at this moment; `retired` and `reason` are left to the caller. Main thread. */
wsgi_activity_t wsgi_monitor_look(wsgi_monitor_t *monitor, const wsgi_threadpool_t *pool);

#endif
