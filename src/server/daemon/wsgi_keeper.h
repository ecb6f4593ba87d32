#ifndef WSGI_KEEPER_H
#define WSGI_KEEPER_H

#include "daemon/wsgi_handover.h"

/**
 * Be the keeper of one group in one generation until the end of the process: take the group's identity, then fork,
 * watch, replace and retire workers. Knows neither Apache nor Python. Never returns.
 */
void wsgi_keeper_run(const wsgi_keeper_start_t *start) __attribute__((noreturn));

#endif
