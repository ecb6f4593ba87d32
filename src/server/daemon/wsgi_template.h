#ifndef WSGI_TEMPLATE_H
#define WSGI_TEMPLATE_H

#include "daemon/wsgi_handover.h"

/**
 * The template of a group with preload=On: a process that has loaded what the main interpreter of its workers needs,
 * serves nothing, and makes workers, which share that memory with it, on the word of its keeper.
 */

/** What the keeper sends over the control socket, as one block with the worker's end of its own control socket. */
typedef struct {
    apr_time_t birth;        /* as in wsgi_worker_start_t */
    apr_int32_t slot;
    apr_int32_t may_refuse;
} wsgi_template_order_t;

/** Be a template until the keeper closes the control socket or says SIGTERM. Never returns. */
void wsgi_template_run(wsgi_worker_start_t *start) __attribute__((noreturn));

#endif
