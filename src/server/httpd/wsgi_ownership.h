#ifndef WSGI_OWNERSHIP_H
#define WSGI_OWNERSHIP_H

#include <httpd.h>

#include "base/wsgi_model.h"

/**
 * The options script-user and script-group of a process group: only scripts of that owner, in folders of that owner,
 * which nobody else can replace, are run under the group's identity.
 * @return OK, or HTTP_FORBIDDEN after logging why
 */
int wsgi_ownership_check(request_rec *r, const wsgi_group_t *group);

#endif
