#ifndef WSGI_HOMECHECK_H
#define WSGI_HOMECHECK_H

#include "base/wsgi_model.h"
#include "base/wsgi_pyhome.h"

/**
 * Look at a Python home as the processes of a group will: in a process forked for this, which takes their root
 * directory and identity. No other answer about permissions holds: groups, access lists and capabilities count.
 *
 * In Apache's parent, which has one thread; waits up to some seconds, for the home may lie on a file system that hangs.
 * @param out   receives the finding
 * @param group whose account counts; only its identity and root directory are looked at
 * @param pool  of the texts
 * @return another status when nothing could be found out; APR_TIMEUP when it took too long
 */
apr_status_t wsgi_homecheck_run(wsgi_pyhome_t *out, const char *home, const wsgi_group_t *group, apr_pool_t *pool);

#endif
