#ifndef WSGI_WORKERSTATE_H
#define WSGI_WORKERSTATE_H

#include <stdatomic.h>

#include "daemon/wsgi_control.h"
#include "daemon/wsgi_handover.h"
#include "daemon/wsgi_monitor.h"
#include "daemon/wsgi_overheard.h"
#include "daemon/wsgi_peer.h"
#include "daemon/wsgi_reload.h"
#include "daemon/wsgi_signals.h"
#include "daemon/wsgi_threadpool.h"

/**
 * What a worker knows, for the files that make one up: wsgi_workerstart (up to loaded scripts), wsgi_worker (from then
 * on), and wsgi_template, which has it copied by fork. Nobody else includes this.
 */
typedef struct {
    wsgi_worker_start_t *start; /* written before the threads start only */
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
} wsgi_workerstate_t;

#endif
