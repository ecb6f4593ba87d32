#ifndef WSGI_HOSTFORK_H
#define WSGI_HOSTFORK_H

#include "bridge/wsgi_runtime.h"

/** See wsgi_bridge_t.fork. Applications that fork are the subject of wsgi_forked.h. */
pid_t wsgi_hostfork(wsgi_runtime_t *runtime, pid_t (*make)(void *context), void *context);

#endif
