#ifndef WSGI_PROXY_H
#define WSGI_PROXY_H

#include <apr_pools.h>

#include "base/wsgi_fields.h"

/**
 * Trusted proxies: which forwarded headers of a request are believed, what they change, and which are removed so that
 * an application never sees what nobody vouches for. Works on CGI variables alone.
 */
typedef struct wsgi_proxy_rules_t wsgi_proxy_rules_t;

wsgi_proxy_rules_t *wsgi_proxy_create(apr_pool_t *pool);

/**
 * Trust an address: IPv4 or IPv6, ADDRESS/BITS, ADDRESS/NETMASK, or the first numbers of an IPv4 address ("10.1").
 * @return 1; 0 when it is none of these
 */
int wsgi_proxy_trust_address(wsgi_proxy_rules_t *rules, const char *word);

/**
 * Believe a request header, named as in HTTP. Names that mean nothing here are accepted and ignored.
 * @return 1; 0 when the word cannot be the name of a header that reaches an application
 */
int wsgi_proxy_trust_header(wsgi_proxy_rules_t *rules, const char *name, apr_pool_t *pool);

/** Inner rules replace outer ones, addresses and headers each as a whole; what the inner lacks comes from the outer. */
wsgi_proxy_rules_t *wsgi_proxy_merge(const wsgi_proxy_rules_t *outer, const wsgi_proxy_rules_t *inner,
                                     apr_pool_t *pool);

/**
 * Apply the rules to the variables of a request: REMOTE_ADDR, HTTPS, HTTP_HOST, SERVER_NAME, SERVER_PORT, SCRIPT_NAME
 * and mod_wsgi.mount_point may change; headers that lost are removed.
 * @return 1 when a believed header settled the scheme, so that the connection's own is not to be asked
 */
int wsgi_proxy_apply(const wsgi_proxy_rules_t *rules, wsgi_fields_t *variables, apr_pool_t *preq);

#endif
