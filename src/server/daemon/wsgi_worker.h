#ifndef WSGI_WORKER_H
#define WSGI_WORKER_H

#include "daemon/wsgi_workerstate.h"

/** Be a worker until the end of the process. Never returns. */
void wsgi_worker_run(wsgi_worker_start_t *start) __attribute__((noreturn));

/** Tell the keeper that everything is loaded. */
void wsgi_worker_announce(const wsgi_workerstate_t *w);

/** The rest of its life, once its scripts are loaded. Never returns. */
void wsgi_worker_serve(wsgi_workerstate_t *w) __attribute__((noreturn));

#endif
