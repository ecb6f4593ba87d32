#ifndef WSGI_SPAWNER_H
#define WSGI_SPAWNER_H

#include "daemon/wsgi_keeperstate.h"

/*
 * What fails is logged (WSGI0024), and nothing else is started for a while. In a new process these do not return.
 */

/** Make one worker and enter it in the table: by a fork, or, with preload=On, by the template, which has to exist. */
void wsgi_spawner_start(wsgi_keeper_t *k);

/** Fork one template and enter it in the table. */
void wsgi_spawner_start_template(wsgi_keeper_t *k);

#endif
