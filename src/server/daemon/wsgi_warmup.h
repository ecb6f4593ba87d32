#ifndef WSGI_WARMUP_H
#define WSGI_WARMUP_H

#include "daemon/wsgi_workerstate.h"

/**
 * Load a script that another worker of the group has answered with, on a thread of its own while requests run, so that
 * the first of them for it need not wait here, nor meet a file that was broken meanwhile. What goes wrong is logged,
 * and the first request tries again. Main thread.
 */
void wsgi_warmup_load(wsgi_workerstate_t *w, const char *script, const char *application_group);

#endif
