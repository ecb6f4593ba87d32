#ifndef WSGI_LOADER_H
#define WSGI_LOADER_H

#include "base/wsgi_bridge.h"
#include "base/wsgi_log.h"

/**
 * Find and open the bridge for a Python installation or virtual environment. Runs after the last fork, so that
 * Apache's parent never maps libpython.
 *
 * Searched, in this order, for wsgi_bridge.<SOABI>.so whose version fits python_home (from pyvenv.cfg, else from
 * lib/pythonX.Y; without python_home: WSGI_DEFAULT_SOABI, the first Python given at build time):
 *   1. <python_home>/lib/pythonX.Y[t]/site-packages/mod_wsgi/server/
 *   2. the folder of mod_wsgi.so itself
 */

/**
 * @param out         receives the table; never unloaded
 * @param python_home NULL: the default Python. PREFIX:EXEC_PREFIX uses PREFIX
 * @param why         receives, on failure, one line that names the version wanted and the places searched
 * @return APR_SUCCESS; APR_ENOENT none found; APR_EGENERAL it cannot be opened or has another ABI number
 */
apr_status_t wsgi_loader_open(const wsgi_bridge_t **out, const char **why, const char *python_home, apr_pool_t *pool);

/**
 * The version of the Python in `home` (a virtual environment or an installation prefix). @return 0 if none is found
 * there. Separate for its tests and for checks at configuration time.
 */
int wsgi_loader_version(int *major, int *minor, int *free_threaded, const char *home, apr_pool_t *pool);

/** Whether a file name is that of a bridge for this version; major 0: for any. */
int wsgi_loader_fits(const char *file, int major, int minor, int free_threaded);

#endif
