#ifndef WSGI_JANITOR_H
#define WSGI_JANITOR_H

#include "daemon/wsgi_supervisorstate.h"

/**
 * When Apache runs as one process (httpd -X) and was started as root, that process has become Apache's account by the
 * time it stops, which may not remove the sockets that root made. So a process is forked first that stays root, does
 * nothing but wait, and removes them: when it is told, or when nobody is left who could tell.
 */

/** Start it, after all groups. Without it, what fails is logged (WSGI0262), and sockets stay behind. */
void wsgi_janitor_start(wsgi_current_t *current);

/** Have it remove the sockets and wait until it has; nothing happens when there is none. */
void wsgi_janitor_finish(wsgi_current_t *current);

#endif
