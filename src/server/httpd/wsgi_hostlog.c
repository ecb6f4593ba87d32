#include "httpd/wsgi_hostlog.h"

#include <apr_strings.h>
#include <http_config.h>
#include <http_log.h>
#include <scoreboard.h>
#include <stdarg.h>

APLOG_USE_MODULE(wsgi);

static void write_server(void *context, const wsgi_record_t *record)
{
    ap_log_error(record->file, record->line, APLOG_MODULE_INDEX, (int)record->level, record->status,
                 (server_rec *)context, "%s", record->text);
}

static int is_enabled_server(void *context, wsgi_log_level_t level)
{
    return APLOG_IS_LEVEL((server_rec *)context, (int)level);
}

wsgi_log_sink_t wsgi_hostlog_server(server_rec *main_server)
{
    return (wsgi_log_sink_t){ write_server, is_enabled_server, main_server };
}

void wsgi_hostlog_request(request_rec *r, const wsgi_record_t *record)
{
    if (record->plain || r->filename == NULL) {
        ap_log_rerror(record->file, record->line, APLOG_MODULE_INDEX, (int)record->level, record->status, r, "%s",
                      record->text);
    } else {
        ap_log_rerror(record->file, record->line, APLOG_MODULE_INDEX, (int)record->level, record->status, r,
                      "[script %s] %s", r->filename, record->text);
    }
}

int wsgi_hostlog_request_enabled(const request_rec *r, wsgi_log_level_t level)
{
    return APLOG_R_IS_LEVEL(r, (int)level);
}

void wsgi_hostlog_say(request_rec *r, const char *file, int line, wsgi_log_level_t level, apr_status_t rv,
                      const char *format, ...)
{
    wsgi_record_t record = { .level = level, .file = file, .line = line, .status = rv };
    va_list args;

    if (!wsgi_hostlog_request_enabled(r, level)) {
        return;
    }
    va_start(args, format);
    record.text = apr_pvsprintf(r->pool, format, args);
    va_end(args);
    wsgi_hostlog_request(r, &record);
}

int wsgi_hostlog_refuse(request_rec *r, int http_status, const char *file, int line, apr_status_t rv,
                        const char *format, ...)
{
    wsgi_record_t record = { .level = WSGI_LOG_ERR, .file = file, .line = line, .status = rv };
    va_list args;

    va_start(args, format);
    record.text = apr_pvsprintf(r->pool, format, args);
    va_end(args);
    wsgi_hostlog_request(r, &record);
    return http_status;
}

/*
 * The virtual host a child's request was for. Positions count in one configuration: those of another generation, which
 * shares the listener for a while after a graceful restart, may mean other hosts.
 */
static server_rec *find_server(const wsgi_hostlog_servers_t *servers, const wsgi_origin_t *origin)
{
    server_rec *s = servers->main_server;

    if (origin->generation != servers->generation || origin->server_index < 0) {
        return s;
    }
    for (int i = 0; i < origin->server_index && s != NULL; i++) {
        s = s->next;
    }
    return s != NULL ? s : servers->main_server;
}

/*
 * As much of a request as Apache's log functions read. Ids that the child did not tell become "", or Apache would
 * make up new ones that nobody could match with another log.
 */
static request_rec *imitate_request(const wsgi_origin_t *origin, server_rec *s, apr_pool_t *pcall)
{
    request_rec *r = apr_pcalloc(pcall, sizeof(*r));
    conn_rec *c = apr_pcalloc(pcall, sizeof(*c));
    apr_sockaddr_t *address = apr_pcalloc(pcall, sizeof(*address));
    ap_sb_handle_t *slot;

    address->pool = pcall;
    address->port = (apr_port_t)origin->client_port;
    c->pool = pcall;
    c->base_server = s;
    c->client_ip = (char *)(origin->client != NULL ? origin->client : "");
    c->log_id = origin->connection_id != NULL ? origin->connection_id : "";
    ap_create_sb_handle(&slot, pcall, 0, 0);
    c->sbh = slot; /* only that there is one counts: "client" rather than "remote" */
    r->pool = pcall;
    r->connection = c;
    r->server = s;
    r->useragent_ip = c->client_ip;
    r->useragent_addr = address;
    r->log_id = origin->request_id != NULL ? origin->request_id : "";
    r->filename = (char *)origin->resource;
    r->headers_in = apr_table_make(pcall, 1);
    r->per_dir_config = s->lookup_defaults;
    return r;
}

static void write_origin(void *context, const wsgi_origin_t *origin, const wsgi_record_t *record)
{
    server_rec *s = find_server(context, origin);
    apr_pool_t *pcall = NULL;

    if (apr_pool_create(&pcall, NULL) != APR_SUCCESS) {
        write_server(s, record); /* without its context rather than not at all */
        return;
    }
    wsgi_hostlog_request(imitate_request(origin, s, pcall), record);
    apr_pool_destroy(pcall);
}

static int is_enabled_origin(void *context, const wsgi_origin_t *origin, wsgi_log_level_t level)
{
    return is_enabled_server(find_server(context, origin), level);
}

wsgi_origin_sink_t wsgi_hostlog_origin(const wsgi_hostlog_servers_t *servers)
{
    return (wsgi_origin_sink_t){ write_origin, is_enabled_origin, (void *)servers };
}
