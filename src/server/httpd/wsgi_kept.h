#ifndef WSGI_KEPT_H
#define WSGI_KEPT_H

#include <apr_pools.h>

/**
 * Connections of this Apache child to daemon processes that are ready for another request. The last one that was put
 * is not always the first one taken, but those that are seldom needed are left alone. No locks. Any thread.
 */
typedef struct wsgi_kept_t wsgi_kept_t;

/**
 * @param groups  number of process groups
 * @param threads of this child: it never needs more connections to a group at once
 */
wsgi_kept_t *wsgi_kept_create(int groups, int threads, apr_pool_t *pchild);

/** @param group its position, from 0. @return a connection, the caller's now; -1: there is none */
int wsgi_kept_take(wsgi_kept_t *kept, int group);

/** Keep a connection, or close it where that would be one too many. */
void wsgi_kept_put(wsgi_kept_t *kept, int group, int fd);

#endif
