#ifndef WSGI_ARRIVALS_H
#define WSGI_ARRIVALS_H

#include <apr_errno.h>
#include <apr_pools.h>

#include "base/wsgi_model.h"

/**
 * Where the next request of a worker comes from: a new connection of the group's listener, or one that was kept after
 * the request before. Threads wait here side by side, and the one that came last is served first.
 */
typedef struct wsgi_arrivals_t wsgi_arrivals_t;

/** A connection; the caller's until it is kept or dropped. */
typedef struct {
    int fd;
    int place; /* it may be kept; -1: it may not */
} wsgi_arrival_t;

/**
 * Whether connections to workers of the group may outlive a request. Only where there is one worker: a connection leads
 * to one process, and a request must not wait for a busy one while another is idle. And only where the system tells one
 * of many threads of one of many connections (epoll).
 */
int wsgi_arrivals_may_keep(const wsgi_group_t *group);

/** @param may_keep then `listener` must be non-blocking, else blocking. @return APR_SUCCESS or what failed */
apr_status_t wsgi_arrivals_open(wsgi_arrivals_t **out, int listener, int may_keep, apr_pool_t *pprocess);

/**
 * Wait for a new connection, or for one that was kept and has something to read. Any thread.
 * @return 0; EINTR or EAGAIN when there was nothing for the caller, who may ask again; another errno of accept
 */
int wsgi_arrivals_next(wsgi_arrivals_t *arrivals, wsgi_arrival_t *arrival);

/** The other side may send another request, or has done so already: whoever waits here next gets the connection. */
void wsgi_arrivals_keep(wsgi_arrivals_t *arrivals, const wsgi_arrival_t *arrival);

/** Close a connection. */
void wsgi_arrivals_drop(wsgi_arrivals_t *arrivals, const wsgi_arrival_t *arrival);

/**
 * Close what is kept, also if a request has come that nobody has taken: the system tells its sender, who turns to
 * another worker. What is kept from now on is closed at once. For when nobody waits here any more; any number of times.
 */
void wsgi_arrivals_end(wsgi_arrivals_t *arrivals);

#endif
