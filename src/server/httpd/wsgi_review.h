#ifndef WSGI_REVIEW_H
#define WSGI_REVIEW_H

#include "config/wsgi_config.h"

/**
 * Look over a complete configuration and log what is allowed but hardly meant: groups that nobody defines or uses,
 * directives without effect, Pythons that their users cannot run, sockets in a folder that Apache's children cannot
 * reach. At start and for `apachectl configtest`. After wsgi_groups_resolve().
 */
void wsgi_review(const wsgi_setup_t *setup, server_rec *main_server, const char *socket_prefix, apr_pool_t *ptemp);

#endif
