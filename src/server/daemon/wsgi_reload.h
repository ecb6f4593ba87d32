#ifndef WSGI_RELOAD_H
#define WSGI_RELOAD_H

#include "base/wsgi_exchange.h"
#include "daemon/wsgi_handover.h"
#include "daemon/wsgi_threadpool.h"

/**
 * What a worker does about scripts that change on disk: the first request that notices has the process replaced and
 * waits for that; others go on with the code that is loaded, until a worker with the new one is ready. From then on
 * no request is served with old code.
 */
typedef struct wsgi_reload_t wsgi_reload_t;

/**
 * @param socket_timeout how long the Apache child waits for a word from us, microseconds: a request waits less
 * @return NULL when there is no memory
 */
wsgi_reload_t *wsgi_reload_create(const wsgi_worker_start_t *start, apr_interval_time_t socket_timeout);

/** Decide for one request. On its thread, without the GIL; may block. Never WSGI_CHANGE_RELOAD. */
wsgi_change_t wsgi_reload_script_changed(wsgi_reload_t *reload, wsgi_threadpool_t *pool, const char *script,
                                         const char *application_group);

/** The process accepts nothing more: a younger one serves. Main thread. */
void wsgi_reload_retired(wsgi_reload_t *reload);

/**
 * The replacement died before it was ready: the request that waits is served with old code. Main thread.
 * @param for_good the script cannot be loaded: no other replacement is asked for until it changes again
 */
void wsgi_reload_failed(wsgi_reload_t *reload, int for_good);

/** A script will be loaded if it is not yet: notes the version of its file. Any thread. */
void wsgi_reload_loading(wsgi_reload_t *reload, const char *script, const char *application_group);

/**
 * A script was loaded before any request, after wsgi_reload_loading(). If its file changed meanwhile, the keeper is
 * asked for a replacement of the workers. Any thread.
 */
void wsgi_reload_loaded(wsgi_reload_t *reload, const char *script, const char *application_group);

/**
 * A script is loaded here and about to answer. The keeper is told of each (application group, script) once, and the
 * board which version of the file it is. Any request thread.
 */
void wsgi_reload_answering(wsgi_reload_t *reload, const char *script, const char *application_group);

#endif
