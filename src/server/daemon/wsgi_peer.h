#ifndef WSGI_PEER_H
#define WSGI_PEER_H

#include "base/wsgi_bridge.h"
#include "daemon/wsgi_handover.h"
#include "daemon/wsgi_inprogress.h"

/**
 * The worker's end of a conversation with an Apache child: reads one request from an accepted connection, runs it
 * through the bridge as an exchange over that connection, and answers. Conversation and frames: wire/README.md.
 */

/** What all request threads of a worker share. Constant after start, but for what the functions guard. */
typedef struct {
    const wsgi_endpoint_t *endpoint;
    const wsgi_bridge_t *bridge;
    wsgi_runtime_t *runtime; /* NULL: Python could not be started; every request gets 500 */
    apr_interval_time_t socket_timeout;
    wsgi_log_sink_t log;
    wsgi_origin_sink_t request_log;
    wsgi_inprogress_t *progress; /* what the request threads are doing */
    int slot;                /* of this worker on the board */
    apr_time_t as_of;        /* no script was loaded before: monotonic */
    /**
     * A loaded script is out of date. Blocks until a replacement of this process is ready, or answers at once
     * when another request already waits for it. See wsgi_exchange_ops_t.script_changed.
     */
    wsgi_change_t (*script_changed)(void *context, const char *script, const char *application_group);
    /**
     * A request will run here with this script, which may have to be loaded now. And: it is loaded and about to
     * answer, so that others of the group may have to know that this code is served, and what replaces this process
     * should load it before it serves. NULL: nobody asks.
     */
    void (*loading)(void *context, const char *script, const char *application_group);
    void (*answering)(void *context, const char *script, const char *application_group);
    /** A request waits for its turn, or waits no longer. See wsgi_exchange_ops_t.waiting. NULL: nobody asks. */
    void (*waiting)(void *context, int is_waiting);
    /** The connection that this thread serves may bring the next request; END has told the child so. */
    void (*keep)(void *context, int thread);
    /** Data moved for a request: inactivity timer. NULL: no such timer. */
    void (*activity)(void *context);
    void *context;
} wsgi_peer_t;

/** A connection as its next request is expected. */
typedef struct {
    int fd;
    int may_keep;        /* wsgi_peer_t.keep may be called */
    int thread;          /* number of the calling request thread, 0 to threads - 1 */
    apr_time_t accepted; /* when this thread took the connection (microseconds since the epoch) */
    apr_time_t taken;    /* the same moment on the monotonic clock */
} wsgi_visit_t;

/**
 * Serve the next request of a connection, without closing it. If it may be kept and nothing has come, it is kept.
 * @param pcall cleared by the caller afterwards
 * @return whether there was a request, be it one that was refused
 */
int wsgi_peer_serve(const wsgi_peer_t *peer, const wsgi_visit_t *visit, apr_pool_t *pcall);

/** A path as Apache sees it, as it is seen inside the root directory `root`. @return NULL when it lies outside */
const char *wsgi_peer_inside_root(const char *root, const char *path);

#endif
