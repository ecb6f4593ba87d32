#ifndef WSGI_REVIEWGROUPS_H
#define WSGI_REVIEWGROUPS_H

#include "config/wsgi_config.h"

/**
 * The part of wsgi_review() about process groups: directives that name a group which does not exist or may not be used
 * there, groups that nothing names, and those that no request gets to. A name that is known only when a request is
 * there (a variable, the answer of a dispatch script) may come to any group that may be used in its place.
 */
void wsgi_reviewgroups(const wsgi_setup_t *setup, server_rec *main_server, apr_pool_t *ptemp);

#endif
