#ifndef WSGI_HOSTLOG_H
#define WSGI_HOSTLOG_H

#include <httpd.h>

#include "base/wsgi_log.h"

/**
 * Log records of the layers that know no Apache, to Apache's error log under the module name wsgi. Any thread.
 * Apache cuts a record at 8192 bytes.
 */

/** For messages that belong to no request: the log of the main server. */
wsgi_log_sink_t wsgi_hostlog_server(server_rec *main_server);

/** For messages of a request at hand: the log of its virtual host, behind `[script PATH] ` unless record->plain. */
void wsgi_hostlog_request(request_rec *r, const wsgi_record_t *record);
int wsgi_hostlog_request_enabled(const request_rec *r, wsgi_log_level_t level);

/** Format a message of a request, if its level is wanted. @param rv what the system said, 0 for nothing */
void wsgi_hostlog_say(request_rec *r, const char *file, int line, wsgi_log_level_t level, apr_status_t rv,
                      const char *format, ...) WSGI_PRINTF(6, 7);

/**
 * Log at error level why a request is refused.
 * @param rv what the system said, 0 for nothing
 * @return `http_status`, so that it can be returned at once
 */
int wsgi_hostlog_refuse(request_rec *r, int http_status, const char *file, int line, apr_status_t rv,
                        const char *format, ...) WSGI_PRINTF(6, 7);

/** Where the records of a worker's requests go. Constant; must live as long as the sink. */
typedef struct {
    server_rec *main_server;
    int generation; /* of the configuration that main_server belongs to */
} wsgi_hostlog_servers_t;

/** For messages of requests whose request_rec is in another process. */
wsgi_origin_sink_t wsgi_hostlog_origin(const wsgi_hostlog_servers_t *servers);

#endif
