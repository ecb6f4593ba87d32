#include "httpd/wsgi_relay.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "httpd/wsgi_lostworker.h"
#include "httpd/wsgi_respond.h"

APLOG_USE_MODULE(wsgi);

enum {
    PIECE_BYTES = 65536,     /* largest piece of a body read at once */
    SMALL_PIECE_BYTES = 8000,/* fits a block of Apache's bucket allocator */
    HOLD_BYTES = 65536       /* output held back in the hope of the end, so that Apache can tell its length */
};

typedef struct {
    request_rec *r;
    const wsgi_endpoint_t *endpoint;
    const wsgi_group_t *group;
    const wsgi_call_t *call;
    wsgi_channel_t *channel;
    wsgi_upload_t *upload;
    apr_bucket_brigade *bb;    /* output not yet passed on */
    apr_off_t held;            /* bytes in it */
    apr_off_t unflushed;       /* bytes passed on since the last flush */
    int head_seen;
    int discard;               /* the body is not for the client */
    const char *redirect;      /* internal redirect asked for, NULL none */
    int client_gone;
    int in_upload;             /* relaying the request body: GO is not expected again */
    int is_over;               /* END was seen, or nothing more can come */
    wsgi_outcome_t outcome;    /* once END was seen */
    int status;                /* what the handler returns */
} relay_t;

static void end_with(relay_t *c, int status)
{
    c->is_over = 1;
    c->status = status;
}

/* Pass on what is held. */
static void pass_on(relay_t *c, int flush)
{
    apr_bucket_alloc_t *list = c->r->connection->bucket_alloc;
    apr_status_t rv;

    if (c->group->response_buffer_size > 0 && c->unflushed + c->held >= (apr_off_t)c->group->response_buffer_size) {
        flush = 1;
    }
    if (flush) {
        APR_BRIGADE_INSERT_TAIL(c->bb, apr_bucket_flush_create(list));
    }
    c->unflushed = flush ? 0 : c->unflushed + c->held;
    c->held = 0;
    rv = ap_pass_brigade(c->r->output_filters, c->bb);
    apr_brigade_cleanup(c->bb);
    if (rv != APR_SUCCESS || c->r->connection->aborted) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, rv, c->r, "The client closed the connection before the response ended.");
        c->client_gone = 1;
        end_with(c, OK);
    }
}

/*
 * Before waiting for the daemon: give it a moment in which the rest may come, so that a small response leaves as
 * one; then let the client have what there is.
 */
static void flush_if_idle(relay_t *c)
{
    apr_interval_time_t delay = c->group->response_flush_delay;

    if (!c->head_seen || c->discard || (c->held == 0 && c->unflushed == 0) || wsgi_channel_has_input(c->channel)) {
        return;
    }
    if (delay > 0 && wsgi_channel_wait(c->channel, delay) == APR_SUCCESS) {
        return;
    }
    pass_on(c, 1);
}

/* A daemon's promise of what its headers may be long at most. @return 0 after logging the one that is longer */
static int headers_fit(relay_t *c, const wsgi_head_t *head)
{
    apr_size_t limit = c->group->header_buffer_size;

    for (apr_uint32_t i = 0; i < head->header_count; i++) {
        const wsgi_field_t *field = &head->headers[i];
        if ((apr_size_t)field->name_len + field->value_len + 4 > limit) { /* ": " and the line's end */
            ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, c->r,
                          WSGI_LOGNO(0144) "Response header '%.64s' from daemon process group '%s' is longer than "
                                           "header-buffer-size, %" APR_SIZE_T_FMT " bytes.",
                          field->name, c->group->name, limit);
            return 0;
        }
    }
    return 1;
}

static void protocol_error(relay_t *c, apr_status_t rv, const char *what)
{
    ap_log_rerror(APLOG_MARK, APLOG_ERR, rv, c->r,
                  WSGI_LOGNO(0147) "The answer of daemon process group '%s' cannot be used: %s.", c->group->name, what);
    end_with(c, HTTP_BAD_GATEWAY);
}

/* Headers are in place: see what becomes of the body. */
static void apply_head(relay_t *c, const wsgi_head_t *head)
{
    const wsgi_field_t *location = wsgi_fields_find_header(head->headers, head->header_count, "Location");

    c->head_seen = 1;
    wsgi_respond_head(c->r, head, 1);
    if (head->status == HTTP_OK && location != NULL && location->value[0] == '/') {
        c->redirect = apr_pstrdup(c->r->pool, location->value);
        c->discard = 1;
    } else if (c->call->route.error_override && head->status >= 400 && head->status < 600) {
        c->status = head->status;
        c->r->status = HTTP_OK; /* Apache's error document sets it again; as in mod_cgi */
        c->r->status_line = NULL;
        c->discard = 1;
    }
}

static void on_head(relay_t *c)
{
    char *payload;
    wsgi_head_t head;
    apr_size_t len = c->channel->remaining;
    apr_status_t rv = wsgi_channel_payload(c->channel, &payload);

    if (rv == APR_SUCCESS) {
        rv = wsgi_codec_decode_head(&head, payload, len, c->r->pool);
    }
    if (rv != APR_SUCCESS || c->head_seen) {
        protocol_error(c, rv, "malformed headers");
    } else if (!headers_fit(c, &head)) {
        end_with(c, HTTP_INTERNAL_SERVER_ERROR);
    } else {
        apply_head(c, &head);
    }
}

/* Next piece of a DATA frame straight into memory that a bucket then owns. */
static apr_status_t take_piece(relay_t *c, apr_size_t left)
{
    apr_bucket_alloc_t *list = c->r->connection->bucket_alloc;
    apr_size_t len = left < SMALL_PIECE_BYTES ? left : left < PIECE_BYTES ? left : PIECE_BYTES;
    char *buf = apr_bucket_alloc(len, list);
    apr_status_t rv = wsgi_channel_take(c->channel, buf, &len);

    if (rv != APR_SUCCESS || c->discard) {
        apr_bucket_free(buf);
        return rv;
    }
    APR_BRIGADE_INSERT_TAIL(c->bb, apr_bucket_heap_create(buf, len, apr_bucket_free, list));
    c->held += (apr_off_t)len;
    if (c->held >= HOLD_BYTES) {
        pass_on(c, 0);
    }
    return APR_SUCCESS;
}

/* @return a failure of the connection, which is the caller's to report */
static apr_status_t on_data(relay_t *c)
{
    apr_status_t rv = APR_SUCCESS;

    if (!c->head_seen) {
        protocol_error(c, 0, "a body without headers");
    }
    while (rv == APR_SUCCESS && c->channel->remaining > 0 && !c->is_over) {
        rv = take_piece(c, c->channel->remaining);
    }
    return rv;
}

static int is_piece_of(const wsgi_file_piece_t *piece, int fd)
{
    struct stat info;

    return fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && piece->offset >= 0 && piece->length >= 0
           && piece->offset <= info.st_size && piece->length <= info.st_size - piece->offset;
}

static apr_status_t on_file(relay_t *c)
{
    wsgi_file_piece_t piece;
    char *payload;
    apr_status_t rv = wsgi_channel_payload(c->channel, &payload);
    int fd;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    memcpy(&piece, payload, sizeof(piece));
    fd = wsgi_channel_take_fd(c->channel);
    if (!c->head_seen || !is_piece_of(&piece, fd)) {
        protocol_error(c, 0, "a file that does not hold the part that is to be sent");
    } else if (!c->discard) {
        rv = wsgi_respond_file(c->bb, c->r, fd, piece.offset, piece.length, c->call->route.enable_sendfile);
        fd = -1;
        c->held += piece.length;
    }
    if (fd >= 0) {
        close(fd);
    }
    return rv;
}

static void on_end(relay_t *c, wsgi_outcome_t outcome)
{
    c->is_over = 1;
    c->outcome = outcome;
    if (outcome == WSGI_DONE && !c->head_seen) {
        protocol_error(c, 0, "an end without headers");
    } else if (outcome != WSGI_DONE && outcome != WSGI_TRUNCATED && c->head_seen) {
        c->outcome = WSGI_TRUNCATED;
    }
}

/* The connection ended or broke before END. */
static void on_loss(relay_t *c, apr_status_t rv)
{
    request_rec *r = c->r;

    c->is_over = 1;
    c->outcome = WSGI_TRUNCATED;
    if (c->head_seen) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, rv == APR_EOF ? 0 : rv, r,
                      WSGI_LOGNO(0119) "The response from daemon process group '%s' is incomplete: %s.",
                      c->group->name,
                      rv == APR_EOF ? wsgi_lostworker_explain(c->endpoint, c->call->token, r->pool)
                                    : "reading the rest of it failed");
    } else if (rv == APR_EOF) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      WSGI_LOGNO(0146) "Daemon process group '%s' did not answer the request: %s.", c->group->name,
                      wsgi_lostworker_explain(c->endpoint, c->call->token, r->pool));
        c->status = HTTP_BAD_GATEWAY;
    } else if (APR_STATUS_IS_TIMEUP(rv)) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      WSGI_LOGNO(0145) "Daemon process group '%s' did not answer the request in time; the application "
                                       "may still be busy with it.",
                      c->group->name);
        c->status = HTTP_GATEWAY_TIME_OUT;
    } else {
        protocol_error(c, rv, "reading it failed");
    }
}

static int upload_goes_on(void *context);

static void on_go(relay_t *c)
{
    int status;

    if (c->in_upload || c->upload->mode != WSGI_BODY_DEFERRED) {
        protocol_error(c, 0, "it asks for a body that is not due");
        return;
    }
    c->in_upload = 1;
    status = wsgi_upload_relay(c->upload, c->channel, upload_goes_on, c);
    if (status != OK && !c->is_over) {
        if (c->head_seen) {
            c->is_over = 1;
            c->outcome = WSGI_TRUNCATED;
        } else {
            end_with(c, status);
        }
    }
}

/* Read and act on one frame. */
static void handle_frame(relay_t *c)
{
    wsgi_frame_t frame;
    apr_status_t rv = wsgi_channel_next(c->channel, &frame);

    if (rv == APR_SUCCESS) {
        switch (frame.type) {
        case WSGI_FRAME_GO:
            on_go(c);
            break;
        case WSGI_FRAME_HEAD:
            on_head(c);
            break;
        case WSGI_FRAME_DATA:
            rv = on_data(c);
            break;
        case WSGI_FRAME_FILE:
            rv = on_file(c);
            break;
        default: /* END: the channel lets nothing else through */
            on_end(c, (wsgi_outcome_t)frame.flags);
            break;
        }
    }
    if (rv != APR_SUCCESS && !c->is_over) {
        on_loss(c, rv);
    }
}

/* While the request body is on its way: what the daemon has said already, without waiting for more. */
static int upload_goes_on(void *context)
{
    relay_t *c = context;

    while (!c->is_over && (wsgi_channel_has_input(c->channel) || wsgi_channel_wait(c->channel, 0) == APR_SUCCESS)) {
        handle_frame(c);
    }
    if (!c->is_over && c->held > 0) {
        pass_on(c, 1);
    }
    return !c->is_over;
}

static apr_status_t read_while_blocked(void *context)
{
    return upload_goes_on(context) ? APR_SUCCESS : APR_ECONNABORTED;
}

static int redirect_internally(relay_t *c)
{
    request_rec *r = c->r;

    /* The target is asked for as if the client had done it, without the body that was used up here. */
    r->method = "GET";
    r->method_number = M_GET;
    apr_table_unset(r->headers_in, "Content-Length");
    apr_table_unset(r->headers_in, "Transfer-Encoding");
    ap_internal_redirect_handler(c->redirect, r);
    return OK;
}

/* All frames are in: end the response, or say with which status the handler is to fail. */
static int conclude(relay_t *c)
{
    apr_bucket_alloc_t *list = c->r->connection->bucket_alloc;

    if (c->client_gone || (c->status != OK && !c->head_seen)) {
        return c->status;
    }
    if (!c->head_seen) {
        return wsgi_respond_outcome(c->r, c->outcome, 1);
    }
    if (c->outcome == WSGI_DONE && c->redirect != NULL) {
        return redirect_internally(c);
    }
    if (c->status != OK && c->discard) {
        return c->status; /* WSGIErrorOverride */
    }
    if (c->outcome == WSGI_DONE) {
        APR_BRIGADE_INSERT_TAIL(c->bb, apr_bucket_eos_create(list));
        pass_on(c, 0);
        return OK;
    }
    pass_on(c, 1);
    if (!c->client_gone) {
        wsgi_respond_truncate(c->r);
    }
    return OK;
}

/* A client that reads slowly may be given another time-out while it is sent the response. */
static apr_interval_time_t exchange_client_timeout(request_rec *r, apr_interval_time_t timeout)
{
    apr_socket_t *client = ap_get_conn_socket(r->connection);
    apr_interval_time_t before = -1;

    if (client != NULL && timeout > 0) {
        apr_socket_timeout_get(client, &before);
        apr_socket_timeout_set(client, timeout);
    }
    return before;
}

int wsgi_relay_response(wsgi_outcome_t *outcome, request_rec *r, const wsgi_endpoint_t *endpoint,
                        const wsgi_call_t *call, wsgi_channel_t *channel, wsgi_upload_t *upload)
{
    relay_t c = { .r = r,
                  .endpoint = endpoint,
                  .group = endpoint->group,
                  .call = call,
                  .channel = channel,
                  .upload = upload,
                  .outcome = WSGI_FAILED,
                  .status = OK };
    apr_interval_time_t client_timeout = exchange_client_timeout(r, endpoint->group->response_socket_timeout);
    int status;

    c.bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    channel->while_blocked = read_while_blocked;
    channel->context = &c;
    while (!c.is_over) {
        flush_if_idle(&c);
        if (!c.is_over) {
            handle_frame(&c);
        }
    }
    channel->while_blocked = NULL;
    *outcome = c.outcome;
    status = c.outcome == WSGI_REJECTED ? OK : conclude(&c);
    (void)exchange_client_timeout(r, client_timeout);
    return status;
}
