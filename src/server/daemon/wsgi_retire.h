#ifndef WSGI_RETIRE_H
#define WSGI_RETIRE_H

#include "daemon/wsgi_keeperstate.h"

/** How a keeper ends its workers: asks them to finish, orders them to end, kills those that do not. */

/** Send a signal to a worker or template, once it is known which process that is. */
void wsgi_retire_signal(const wsgi_proc_t *proc, int signum);

/** A worker is to accept nothing more, finish what it has, and end. Nothing happens when it already is. */
void wsgi_retire_proc(wsgi_keeper_t *k, wsgi_proc_t *proc, const char *reason);

/** A template makes what it was asked for and ends. */
void wsgi_retire_template(wsgi_keeper_t *k, wsgi_proc_t *template);

/** Retire replaced workers as long as the group is complete without them. */
void wsgi_retire_replaced(wsgi_keeper_t *k);

/** Kill the workers that are overdue (WSGI0253). */
void wsgi_retire_kill_overdue(wsgi_keeper_t *k, apr_time_t now);

/** The group ends: its workers finish what they have. A service, which knows no such thing, is ended at once. */
void wsgi_retire_drain(wsgi_keeper_t *k);

/** The group ends now. */
void wsgi_retire_terminate(wsgi_keeper_t *k);

#endif
