#ifndef WSGI_WORKER_H
#define WSGI_WORKER_H

#include "daemon/wsgi_handover.h"

/** Exit status of a worker that refused to be ready because a script cannot be loaded; see may_refuse. */
enum { WSGI_WORKER_REFUSED = 65 };

/** Be a worker until the end of the process. Never returns. */
void wsgi_worker_run(const wsgi_worker_start_t *start) __attribute__((noreturn));

#endif
