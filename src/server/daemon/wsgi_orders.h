#ifndef WSGI_ORDERS_H
#define WSGI_ORDERS_H

#include <poll.h>

#include "daemon/wsgi_keeperstate.h"

/**
 * Orders of the administrator to a keeper, over a UNIX socket that only root and the group's user can reach. A client
 * sends one line and reads until the end of file. Lines of text may come first; the last line is "OK", or "ERROR " and
 * why not.
 *
 *   status   one line of JSON: the group and its workers
 *   reload   load the scripts as they are now in a new worker, then let nobody serve with what was loaded before; when
 *            they cannot be loaded, all stays as it is, and the lines before the last one show what was logged
 *   restart  replace all workers one after the other, with the same care
 *
 * The answer to reload and restart comes when the group is complete again. One order is carried out at a time.
 */

enum { WSGI_ORDERS_FDS = 1 + WSGI_ORDER_CLIENTS };

void wsgi_orders_init(wsgi_keeper_t *k);

/** In a new worker: close what it has nothing to do with. */
void wsgi_orders_leave(wsgi_keeper_t *k);

/** Fill in WSGI_ORDERS_FDS entries to wait for. */
void wsgi_orders_poll(const wsgi_keeper_t *k, struct pollfd *fds);

/** Look at what poll() said about them. */
void wsgi_orders_serve(wsgi_keeper_t *k, const struct pollfd *fds);

/** Answer whoever waits for something that is done, or will not be done any more. */
void wsgi_orders_look(wsgi_keeper_t *k);

/** A worker is ready. If it loaded scripts before an order was given, it is replaced like those that served then. */
void wsgi_orders_on_ready(wsgi_keeper_t *k, wsgi_proc_t *proc);

/** What a worker that starts tells about a script that it cannot load; kept for whoever gave an order. */
void wsgi_orders_note_trouble(wsgi_keeper_t *k, const char *text);

/** A worker ended before it was ready: an order that it was started for has failed. @param status as of waitpid */
void wsgi_orders_on_failure(wsgi_keeper_t *k, int status);

#endif
