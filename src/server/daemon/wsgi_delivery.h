#ifndef WSGI_DELIVERY_H
#define WSGI_DELIVERY_H

#include "daemon/wsgi_keeperstate.h"
#include "daemon/wsgi_template.h"

/** Workers that a template makes, from the word of the keeper until it knows which process they are. */

/**
 * Have a template make a worker.
 * @param control the keeper's end of the control socket of the worker, which will say WSGI_CONTROL_BORN first
 * @return 0, or -1 and errno
 */
int wsgi_delivery_ask(const wsgi_proc_t *template, const wsgi_template_order_t *order, int *control);

/** A worker says which process it is. The message is untrusted. */
void wsgi_delivery_on_born(wsgi_keeper_t *k, wsgi_proc_t *proc, const wsgi_control_message_t *message);

/** A worker that was asked for will not come. */
void wsgi_delivery_on_unborn(wsgi_keeper_t *k, wsgi_proc_t *proc);

/** A child has died that is not in the table: is it one that nobody had heard of yet? @return NULL when it is not */
wsgi_proc_t *wsgi_delivery_find(wsgi_keeper_t *k, pid_t pid);

#endif
