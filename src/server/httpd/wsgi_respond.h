#ifndef WSGI_RESPOND_H
#define WSGI_RESPOND_H

#include <httpd.h>

#include "base/wsgi_exchange.h"

/** From an application's response to Apache's request_rec; the same for both modes but where said. */

/**
 * Set status, status line and headers. Content-Type goes through Apache's setter so that filters by type are
 * inserted; WWW-Authenticate goes to the headers that survive an error document.
 * @param from_daemon repeated headers other than Set-Cookie and WWW-Authenticate become one line joined by ", ", and
 *                    Last-Modified is made valid, as a CGI gateway does; else every line is kept as it is
 */
void wsgi_respond_head(request_rec *r, const wsgi_head_t *head, int from_daemon);

/**
 * End a response that is not complete so that the client can tell: no final chunk, the connection is closed, an
 * HTTP/2 stream is reset (RFC 9112 section 8, RFC 9113 section 8.1).
 */
void wsgi_respond_truncate(request_rec *r);

/**
 * Add part of an open regular file to a brigade, to be sent like a static file, also when it is cut meanwhile. The file
 * offset of `fd` is not moved: whoever has the same open file may be using it.
 * @param fd becomes the response's, which closes it
 */
void wsgi_respond_file(apr_bucket_brigade *bb, request_rec *r, int fd, apr_off_t offset, apr_off_t length,
                       int enable_sendfile);

/**
 * What a handler returns for an outcome with nothing sent: an HTTP status, or OK when an empty response of its own
 * went out (RequestTimeout: 504 without Apache's error page).
 */
int wsgi_respond_outcome(request_rec *r, wsgi_outcome_t outcome, int from_daemon);

#endif
