#include "httpd/wsgi_respond.h"

#include <apr_date.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <strings.h>
#include <unistd.h>
#include <util_filter.h>

#include "base/wsgi_httprules.h"
#include "httpd/wsgi_fileaccess.h"
#include "httpd/wsgi_filepart.h"

static int is_header(const wsgi_field_t *field, const char *name)
{
    return strcasecmp(field->name, name) == 0;
}

/* The media type in lower case without blanks around it; parameters stay as they are (RFC 9110 section 8.3.1). */
static char *tidy_content_type(apr_pool_t *pool, const char *value)
{
    char *type = apr_pstrdup(pool, value);
    apr_size_t len;

    while (*type == ' ' || *type == '\t') {
        type++;
    }
    for (len = strlen(type); len > 0 && (type[len - 1] == ' ' || type[len - 1] == '\t'); len--) {
    }
    type[len] = '\0';
    ap_content_type_tolower(type);
    return type;
}

/* Headers a CGI gateway treats on their own. @return 0 when `field` is an ordinary one */
static int set_gateway_header(request_rec *r, const wsgi_field_t *field)
{
    if (is_header(field, "Last-Modified")) {
        ap_update_mtime(r, apr_date_parse_http(field->value));
        ap_set_last_modified(r);
        return 1;
    }
    if (is_header(field, "Location") || is_header(field, "Content-Range")) {
        apr_table_set(r->headers_out, field->name, field->value);
        return 1;
    }
    return 0;
}

static void add_ordinary(request_rec *r, const wsgi_field_t *field, int from_daemon)
{
    const char *value = field->value;

    if (!from_daemon || is_header(field, "Set-Cookie")) {
        apr_table_add(r->headers_out, field->name, value);
        return;
    }
    while (*value == ' ' || *value == '\t') {
        value++;
    }
    apr_table_merge(r->headers_out, field->name, value);
}

static void set_header(request_rec *r, const wsgi_field_t *field, int from_daemon)
{
    apr_off_t length;

    if (is_header(field, "Content-Type")) {
        ap_set_content_type(r, from_daemon ? tidy_content_type(r->pool, field->value)
                                           : apr_pstrdup(r->pool, field->value));
    } else if (is_header(field, "Content-Length")) {
        if (wsgi_http_parse_length(&length, field->value, field->value_len)) {
            ap_set_content_length(r, length);
        }
    } else if (is_header(field, "WWW-Authenticate")) {
        apr_table_add(r->err_headers_out, field->name, field->value);
    } else if (!from_daemon || !set_gateway_header(r, field)) {
        add_ordinary(r, field, from_daemon);
    }
}

void wsgi_respond_head(request_rec *r, const wsgi_head_t *head, int from_daemon)
{
    r->status = head->status;
    r->status_line = apr_psprintf(r->pool, "%d %s", head->status, head->reason);
    for (apr_uint32_t i = 0; i < head->header_count; i++) {
        set_header(r, &head->headers[i], from_daemon);
    }
}

void wsgi_respond_truncate(request_rec *r)
{
    apr_bucket_alloc_t *list = r->connection->bucket_alloc;
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, list);

    /* The way mod_proxy tells the chunk filter and mod_http2 that the origin failed half-way. */
    r->connection->keepalive = AP_CONN_CLOSE;
    APR_BRIGADE_INSERT_TAIL(bb, ap_bucket_error_create(HTTP_BAD_GATEWAY, NULL, r->pool, list));
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(list));
    (void)ap_pass_brigade(r->output_filters, bb); /* nobody is left to tell if this fails, too */
}

/*
 * The file behind a descriptor as a file of our own, whose offset nobody else moves. @return NULL when it cannot be
 * had: no such interface, or a file that only the application may open
 */
static apr_file_t *open_afresh(int fd, int enable_sendfile, apr_pool_t *preq)
{
    apr_int32_t flags = APR_FOPEN_READ | APR_FOPEN_BINARY | (enable_sendfile ? APR_FOPEN_SENDFILE_ENABLED : 0);
    apr_file_t *file = NULL;

#ifdef __linux__ /* elsewhere such a path is the same descriptor once more, with the same offset */
    (void)apr_file_open(&file, apr_psprintf(preq, "/proc/self/fd/%d", fd), flags, 0, preq);
#endif
    return file;
}

void wsgi_respond_file(apr_bucket_brigade *bb, request_rec *r, int fd, apr_off_t offset, apr_off_t length,
                       int enable_sendfile)
{
    apr_file_t *file = length > 0 ? open_afresh(fd, enable_sendfile, r->pool) : NULL;

    if (length > 0 && file == NULL) {
        wsgi_filepart_append(bb, fd, offset, length);
        return;
    }
    if (file != NULL) {
        wsgi_fileaccess_choose(apr_brigade_insert_file(bb, file, offset, length, r->pool), r, length);
    }
    close(fd);
}

static int send_empty(request_rec *r, int status)
{
    apr_bucket_alloc_t *list = r->connection->bucket_alloc;
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, list);

    r->status = status;
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(list));
    (void)ap_pass_brigade(r->output_filters, bb);
    return OK;
}

int wsgi_respond_outcome(request_rec *r, wsgi_outcome_t outcome, int from_daemon)
{
    switch (outcome) {
    case WSGI_DONE:
        return OK;
    case WSGI_NO_CALLABLE:
        return from_daemon ? HTTP_INTERNAL_SERVER_ERROR : HTTP_NOT_FOUND;
    case WSGI_TIMED_OUT:
        return send_empty(r, HTTP_GATEWAY_TIME_OUT);
    case WSGI_EXPIRED:
        return HTTP_GATEWAY_TIME_OUT;
    case WSGI_TRUNCATED:
        wsgi_respond_truncate(r);
        return OK;
    default:
        return HTTP_INTERNAL_SERVER_ERROR;
    }
}
