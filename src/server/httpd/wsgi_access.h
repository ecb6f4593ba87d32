#ifndef WSGI_ACCESS_H
#define WSGI_ACCESS_H

#include <apr_pools.h>

/**
 * Scripts that decide about access: WSGIAccessScript as a check of its own, WSGIAuthUserScript as the authentication
 * provider `wsgi` of mod_auth_basic and mod_auth_digest, WSGIAuthGroupScript as `Require wsgi-group`. Whatever goes
 * wrong in one of them, nobody is let in by it.
 */
void wsgi_access_register(apr_pool_t *pconf);

#endif
