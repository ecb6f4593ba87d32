#ifndef WSGI_REAPER_H
#define WSGI_REAPER_H

#include "daemon/wsgi_keeperstate.h"

/**
 * Take note of every worker that has ended: on the board, in the log, and for when the next one may start (WSGI0252
 * when they keep dying young). Does not wait.
 */
void wsgi_reaper_collect(wsgi_keeper_t *k);

#endif
