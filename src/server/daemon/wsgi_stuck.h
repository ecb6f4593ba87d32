#ifndef WSGI_STUCK_H
#define WSGI_STUCK_H

#include "daemon/wsgi_inprogress.h"
#include "daemon/wsgi_peer.h"
#include "daemon/wsgi_threadpool.h"

/** What a process that ends because something is stuck says about its threads. Constant. */
typedef struct {
    const wsgi_group_t *group;
    const wsgi_log_sink_t *log;
    const wsgi_peer_t *peer;
    wsgi_threadpool_t *pool; /* NULL: the process had no request threads */
} wsgi_stuck_t;

/** Log at info, for each request thread that has a request: which one and for how long. Any thread. */
void wsgi_stuck_log_requests(const wsgi_stuck_t *stuck);

/**
 * Log where in native code the threads are that serve requests, hold the GIL, or belong to the application; who holds
 * the GIL is also named in a warning (WSGI0264). Needs no GIL and waits for none; about half a second at most. Once in
 * the life of a process that ends: see wsgi_nativestack.h.
 */
void wsgi_stuck_log_native(const wsgi_stuck_t *stuck);

#endif
