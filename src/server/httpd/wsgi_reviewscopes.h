#ifndef WSGI_REVIEWSCOPES_H
#define WSGI_REVIEWSCOPES_H

#include "config/wsgi_config.h"

/**
 * The part of wsgi_review() about settings of interpreters: those that the Python of a process group does not know
 * (WSGI0198, WSGI0200), that cannot be made for one interpreter (WSGI0201), and sections that choose a process group
 * which nobody defines (WSGI0214).
 */
void wsgi_reviewscopes(const wsgi_setup_t *setup, server_rec *main_server, apr_pool_t *ptemp);

#endif
