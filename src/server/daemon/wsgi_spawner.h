#ifndef WSGI_SPAWNER_H
#define WSGI_SPAWNER_H

#include "daemon/wsgi_keeperstate.h"

/**
 * Fork one worker and enter it in the table. What fails is logged (WSGI0024), and no other is started for a while. In
 * the new process this does not return.
 */
void wsgi_spawner_start(wsgi_keeper_t *k);

#endif
