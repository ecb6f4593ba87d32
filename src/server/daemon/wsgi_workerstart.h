#ifndef WSGI_WORKERSTART_H
#define WSGI_WORKERSTART_H

#include "daemon/wsgi_workerstate.h"

/**
 * The first part of a worker's life, on its one thread: from a bare fork to loaded scripts. Whatever makes that
 * impossible is logged and ends the process; a Python that does not start does not (WSGI0028): requests are answered,
 * with 500.
 */

/** Which scripts. Only the main interpreter survives a fork: Python takes all others down in the new process. */
typedef enum { WSGI_SCRIPTS_ALL, WSGI_SCRIPTS_MAIN, WSGI_SCRIPTS_OTHERS } wsgi_scripts_which_t;

/** Title, working directory, signals, limits, log, Python. @return memory of start->pprocess */
wsgi_workerstate_t *wsgi_workerstart_prepare(wsgi_worker_start_t *start);

/**
 * Load the import scripts of the group and those that its workers have answered with. Ends the process with
 * WSGI_WORKER_REFUSED when one of the latter cannot be loaded and start->may_refuse.
 */
void wsgi_workerstart_load(wsgi_workerstate_t *w, wsgi_scripts_which_t which);

/** Log that the process cannot go on (WSGI0025), and end it; the keeper starts another, with growing pauses. */
void wsgi_workerstart_give_up(const wsgi_workerstate_t *w) __attribute__((noreturn));

#endif
