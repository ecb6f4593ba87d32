#ifndef WSGI_FORKED_H
#define WSGI_FORKED_H

#include "bridge/wsgi_runtime.h"

/**
 * Processes that application code forks: a copy of the thread that forked, in the middle of a request or of loading a
 * script. Whatever it does there, it must not come back to us and answer that request a second time, or serve others.
 */

/** Notice forks from now on. Once per process. `runtime` is kept. @return 0, or an error number */
int wsgi_forked_watch(wsgi_runtime_t *runtime);

/** In a new process that the host made, to serve like its parent: it is no such process. */
void wsgi_forked_by_host(void);

/** Whether this is such a process. Any thread, GIL: either. */
int wsgi_forked(void);

/**
 * Python code has returned to us: if this is such a process it ends here, with the status of a SystemExit, with 1 after
 * any other exception, which is printed, or with 0. Neither exit functions nor finalizers run: they are the parent's.
 * GIL: held.
 */
void wsgi_forked_end(void);

#endif
