#ifndef WSGI_LOSTWORKER_H
#define WSGI_LOSTWORKER_H

#include <apr_pools.h>

#include "daemon/wsgi_supervisor.h"

/**
 * Why the worker that took a request went away, as a clause for a message: "process 123 was killed by signal 11
 * (SIGSEGV)". Waits up to a second for the group's keeper to record it.
 * @param token of the request
 */
const char *wsgi_lostworker_explain(const wsgi_endpoint_t *endpoint, apr_uint64_t token, apr_pool_t *pool);

#endif
