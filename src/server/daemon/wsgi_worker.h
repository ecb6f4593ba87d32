#ifndef WSGI_WORKER_H
#define WSGI_WORKER_H

#include "daemon/wsgi_handover.h"

/** Be a worker until the end of the process. Never returns. */
void wsgi_worker_run(const wsgi_worker_start_t *start) __attribute__((noreturn));

#endif
