#ifndef WSGI_INPROGRESS_H
#define WSGI_INPROGRESS_H

#include <apr_pools.h>

/**
 * What each request thread of a worker is doing, as a text for people: method and URI. One leaf lock per thread, held
 * while a few bytes are copied.
 */
typedef struct wsgi_inprogress_t wsgi_inprogress_t;

enum { WSGI_INPROGRESS_TEXT = 256 }; /* bytes with the NUL; what is longer is cut */

/** @return NULL when a lock cannot be made */
wsgi_inprogress_t *wsgi_inprogress_create(int threads, apr_pool_t *pprocess);

/**
 * The thread `thread` begins with a request. Control characters are replaced: the text goes to a log.
 * @param method, uri NULL: unknown
 */
void wsgi_inprogress_begin(wsgi_inprogress_t *progress, int thread, const char *method, const char *uri);

/** The thread `thread` is done with it. */
void wsgi_inprogress_end(wsgi_inprogress_t *progress, int thread);

/** Any thread. @param text receives "GET /path", or "a request" when that is not known (yet) */
void wsgi_inprogress_read(wsgi_inprogress_t *progress, int thread, char text[WSGI_INPROGRESS_TEXT]);

#endif
