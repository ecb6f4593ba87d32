#ifndef WSGI_REVIEWHOMES_H
#define WSGI_REVIEWHOMES_H

#include "config/wsgi_config.h"

/**
 * Warn of each Python home that its processes will not be able to use (WSGI0297 to 0304): what is wrong with it, for
 * whom, where it is written, and the remedy. Only warnings: a group is broken, not the server.
 * @param setup after wsgi_groups_resolve()
 */
void wsgi_reviewhomes(const wsgi_setup_t *setup, server_rec *main_server, apr_pool_t *ptemp);

#endif
