#ifndef WSGI_HTTPRULES_H
#define WSGI_HTTPRULES_H

#include "base/wsgi_fields.h"

/**
 * What HTTP (RFC 9110, RFC 9112), CGI (RFC 3875) and PEP 3333 say about names, values and status lines, as pure
 * functions over bytes. A check returns NULL when all is well, else a constant text that says what is wrong.
 */

/**
 * Check a WSGI status line: exactly three digits, then end of text or a space and a reason without control
 * characters. The code must be 200 to 999: a 1xx as final status would break HTTP framing.
 * @param code    receives the code, 0 on failure
 * @param reason  receives the start of the reason inside `text` ("" when there is none)
 */
const char *wsgi_http_check_status(int *code, const char **reason, const char *text, apr_size_t len);

/** Check a response header name: not empty, no control character, no space, no byte above 0x7e, no colon. */
const char *wsgi_http_check_name(const char *name, apr_size_t len);

/** Check a response header value: no control character except TAB. */
const char *wsgi_http_check_value(const char *value, apr_size_t len);

/**
 * Parse a Content-Length: decimal digits only, no sign, no blanks, no overflow of apr_off_t.
 * @return 1 and the number in `length`; 0 and -1 in `length` when it is not one
 */
int wsgi_http_parse_length(apr_off_t *length, const char *text, apr_size_t len);

/** Whether PEP 3333 forbids an application to set this header (Connection, Transfer-Encoding, ...), in any case. */
int wsgi_http_is_hop_by_hop(const char *name, apr_size_t len);

/**
 * Whether a request header may become a CGI variable: ASCII letters, digits and '-' only, and not `Proxy`
 * (https://httpoxy.org). Two spellings can then never meet in one variable.
 */
int wsgi_http_is_passable(const char *name, apr_size_t len);

/** The CGI name of a request header, HTTP_ + upper case with '-' as '_', allocated in `pool`. */
const char *wsgi_http_cgi_name(const char *name, apr_size_t len, apr_uint32_t *out_len, apr_pool_t *pool);

/** Replace every run of '/' in place by one. @return the new length */
apr_size_t wsgi_http_collapse_slashes(char *path);

#endif
