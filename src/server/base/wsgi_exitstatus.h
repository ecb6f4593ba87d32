#ifndef WSGI_EXITSTATUS_H
#define WSGI_EXITSTATUS_H

#include <apr_pools.h>

/**
 * How a process ended, for people: "exited with status 3", "was killed by signal 11 (SIGSEGV)".
 * @param status as filled in by waitpid
 */
const char *wsgi_exit_describe(int status, apr_pool_t *pool);

#endif
