#ifndef WSGI_SHUTDOWN_H
#define WSGI_SHUTDOWN_H

#include "daemon/wsgi_peer.h"
#include "daemon/wsgi_threadpool.h"

/** What the end of a worker needs. */
typedef struct {
    const wsgi_group_t *group;
    const wsgi_log_sink_t *log;
    const wsgi_peer_t *peer;
    wsgi_threadpool_t *pool; /* NULL: none was started */
    const char *reason;      /* a value of shutdown_reason */
    apr_interval_time_t *join_timeout; /* of Python's settings: how long its threads may take, set when that is known */
} wsgi_shutdown_t;

/**
 * End the process: accept nothing more, tell subscribers, give requests time, end Python, exit with status 0. All of
 * that within shutdown-timeout (0: however long it takes), after which the process exits with status 255.
 * On the main thread; never returns.
 */
void wsgi_shutdown_run(const wsgi_shutdown_t *down) __attribute__((noreturn));

#endif
