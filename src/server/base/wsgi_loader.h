#ifndef WSGI_LOADER_H
#define WSGI_LOADER_H

#include "base/wsgi_bridge.h"
#include "base/wsgi_log.h"

/**
 * Find and open the bridge for a Python installation or virtual environment. Opening happens below Apache's
 * parent, which never maps libpython: in a worker or a child, or in the keeper of a group with another root directory.
 *
 * Searched, in this order, for a wsgi_bridge.<SOABI>.so of the version of python_home:
 *   1. <python_home>/lib/pythonX.Y[t]/site-packages/mod_wsgi/server/, and the same below lib64
 *   2. the folder of mod_wsgi.so itself
 * Without python_home: in the second place only, for WSGI_DEFAULT_SOABI, the first Python given at build time; when
 * there was none, for the only bridge there is.
 */

/**
 * @param out         receives the table; never unloaded
 * @param why         receives, on failure, one line that names the version wanted and the places searched; else NULL
 * @param python_home NULL: the default Python. PREFIX:EXEC_PREFIX uses PREFIX
 * @return APR_SUCCESS; APR_ENOENT none found; APR_EGENERAL it cannot be opened or has another ABI number
 */
apr_status_t wsgi_loader_open(const wsgi_bridge_t **out, const char **why, const char *python_home, apr_pool_t *pool);

/**
 * The search of the above, without opening what it finds.
 * @param path     receives the path of the bridge
 * @param beside   the folder searched last
 * @param preferred SOABI of the default Python, "" if there is none; it also wins where several versions or files fit
 * @return as above; APR_EGENERAL when several files fit and none is preferred
 */
apr_status_t wsgi_loader_find(const char **path, const char **why, const char *python_home, const char *beside,
                              const char *preferred, apr_pool_t *pool);

/**
 * The version of the Python in `home`: of a virtual environment from pyvenv.cfg, else the folder lib/pythonX.Y[t] or
 * lib64/pythonX.Y[t]. Of several folders the default Python's wins, else the latest, free-threaded ones last.
 * @return 0 if none is found there
 */
int wsgi_loader_version(int *major, int *minor, int *free_threaded, const char *home, apr_pool_t *pool);

/** The version that the bridge is for which wsgi_loader_open() would open. @return 0 if it would find none */
int wsgi_loader_bridge_version(int *major, int *minor, int *free_threaded, const char *python_home, apr_pool_t *pool);

/** Whether wsgi_loader_open() would find one bridge. `why` receives, if not, what that would say; else NULL. */
int wsgi_loader_has_bridge(const char **why, const char *python_home, apr_pool_t *pool);

/** Whether a file name is that of a bridge for this version; major 0: for any. */
int wsgi_loader_fits(const char *file, int major, int minor, int free_threaded);

#endif
