#ifndef WSGI_THREADPOOL_H
#define WSGI_THREADPOOL_H

#include <apr_pools.h>
#include <pthread.h>

#include "base/wsgi_log.h"

/**
 * The request threads of a worker. A few of them wait for the next request (wsgi_arrivals.h), here called accepting;
 * the others are parked on a stack, so that the one that ran last, whose memory is warm, is woken first. Whoever takes
 * a request and leaves nobody to accept wakes the next, but not while a request waits for its turn: another one would
 * only wait behind it, while a process of the group that has nothing to do could run it. In a steady state no thread is
 * woken and no lock is taken, and none is ever shared with another process: the kernel's queue is the only one.
 */
typedef struct wsgi_threadpool_t wsgi_threadpool_t;

typedef struct {
    int listener;           /* non-blocking if `may_keep`, else blocking */
    int may_keep;           /* connections may outlive a request: wsgi_arrivals_may_keep() */
    int threads;            /* > 0 */
    size_t stack_size;      /* bytes, raised to what is needed at least; 0: system default */
    const char *group;      /* for messages */
    wsgi_log_sink_t log;
    /**
     * Serve the next request of a connection, without closing it. If `may_keep`, wsgi_threadpool_keep() may be called.
     * `begun` is the monotonic moment when the thread took it. `pcall` is cleared afterwards. On a request thread.
     * @return whether there was a request; else there was nothing to read, or the other side has gone
     */
    int (*serve)(void *context, int fd, int may_keep, int thread, apr_time_t begun, apr_pool_t *pcall);
    /** A request has been served and is counted. On a request thread. */
    void (*served)(void *context);
    /** Accepting failed for good. On a request thread. */
    void (*broken)(void *context);
    void *context;
} wsgi_threadpool_settings_t;

/**
 * Start the threads; they accept nothing yet. What fails is logged (WSGI0020 to 0022).
 * @return APR_SUCCESS when all run
 */
apr_status_t wsgi_threadpool_start(wsgi_threadpool_t **out, const wsgi_threadpool_settings_t *settings,
                                   apr_pool_t *pprocess);

/** Begin to accept. */
void wsgi_threadpool_open(wsgi_threadpool_t *pool);

/**
 * The connection that the calling thread serves may bring the next request, to any thread; the caller does not use it
 * any more, whatever else it has to do for its request.
 */
void wsgi_threadpool_keep(wsgi_threadpool_t *pool, int thread);

/**
 * A request waits for its turn to run Python, or waits no longer. On a request thread, once each; takes a lock that is
 * held for a few instructions.
 */
void wsgi_threadpool_waiting(wsgi_threadpool_t *pool, int is_waiting);

/**
 * Take nothing more: returns when no thread will take another request, and connections that were kept are closed. Any
 * thread, any number of times.
 */
void wsgi_threadpool_stop_accepting(wsgi_threadpool_t *pool);

/** Requests in progress. Any thread. */
int wsgi_threadpool_active(const wsgi_threadpool_t *pool);

/** Requests served since the start. Any thread. */
apr_int64_t wsgi_threadpool_served(const wsgi_threadpool_t *pool);

/**
 * What thread number `thread` is doing. Any thread.
 * @param serial receives a number that is another for every request
 * @param handle receives the thread
 * @return start of its request on the monotonic clock, 0 when it has none
 */
apr_time_t wsgi_threadpool_request(const wsgi_threadpool_t *pool, int thread, apr_int64_t *serial, pthread_t *handle);

/** The number of the calling thread, -1 when it is none of the pool. May be called in a signal handler. */
int wsgi_threadpool_self(const wsgi_threadpool_t *pool);

/** Wait until no request is in progress. @param deadline monotonic, 0: none. @return whether that came true */
int wsgi_threadpool_wait_idle(wsgi_threadpool_t *pool, apr_time_t deadline);

#endif
