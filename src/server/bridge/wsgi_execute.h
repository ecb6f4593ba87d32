#ifndef WSGI_EXECUTE_H
#define WSGI_EXECUTE_H

#include "bridge/wsgi_runtime.h"

/** Run one request: the only way in for requests. See wsgi_bridge_t.execute. */
wsgi_outcome_t wsgi_execute(wsgi_runtime_t *runtime, const wsgi_request_t *request, wsgi_exchange_t *exchange);

/** Load a script before any request needs it. See wsgi_bridge_t.preload. */
wsgi_outcome_t wsgi_execute_preload(wsgi_runtime_t *runtime, const char *script, const char *application_group);

#endif
