#ifndef WSGI_VARS_H
#define WSGI_VARS_H

#include <httpd.h>

#include "base/wsgi_fields.h"

/**
 * The CGI variables of a request (RFC 3875 section 4.1, PEP 3333 "environ Variables") as far as they need no Python.
 * Made without sub-requests and without looking anything up in the network.
 */

/** How the path of a URL divides, runs of slashes collapsed. */
typedef struct {
    const char *script_name; /* "" at the root */
    const char *path_info;   /* "" for none */
} wsgi_paths_t;

wsgi_paths_t wsgi_vars_paths(request_rec *r);

/**
 * @param resource           the file the request was mapped to
 * @param pass_authorization whether Authorization is passed although Apache does not
 * @param is_https           receives what wsgi.url_scheme is to say
 */
void wsgi_vars_build(wsgi_fields_t *variables, int *is_https, request_rec *r, const wsgi_paths_t *paths,
                     const char *resource, int pass_authorization);

/**
 * The variables of a request that is not admitted yet, for the scripts that decide about that. Nothing in them comes
 * from SetEnv and its like, which .htaccess could use to influence the decision; no credentials; and the request is
 * left as it is, since it may be for something else than a script.
 */
void wsgi_vars_build_early(wsgi_fields_t *variables, request_rec *r);

#endif
