#include "httpd/wsgi_relay.h"

#include <apr_strings.h>
#include <fcntl.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/wsgi_clock.h"
#include "httpd/wsgi_hostlog.h"
#include "httpd/wsgi_lostworker.h"
#include "httpd/wsgi_respond.h"

enum {
    PIECE_BYTES = 65536, /* of a body in one bucket */
    HOLD_BYTES = 262144, /* output held back: if the end comes, Apache can tell its length; else fewer writes */
    HOLD_TIME = 50000,   /* microseconds that a stream whose blocks follow each other closely may be held back */
    MOST_FILES = 16      /* in one response: each holds a descriptor of this process until it is sent */
};

typedef struct {
    request_rec *r;
    const wsgi_endpoint_t *endpoint;
    const wsgi_group_t *group;
    const wsgi_call_t *call;
    wsgi_channel_t *channel;
    wsgi_upload_t *upload;
    apr_bucket_brigade *bb;    /* output not yet passed on */
    apr_size_t held;           /* bytes of memory in it */
    apr_size_t unflushed;      /* bytes passed on since the last flush */
    int is_dirty;              /* there is something the client may not have been sent: output, or the head alone */
    apr_time_t dirty_since;    /* monotonic: when that was first seen, 0 not yet */
    int head_seen;
    apr_off_t promised;        /* Content-Length, -1 none */
    apr_off_t delivered;       /* bytes of the body so far */
    int files;                 /* descriptors received */
    int discard;               /* the body is not for the client */
    const char *redirect;      /* internal redirect asked for, NULL none */
    int client_gone;
    int in_upload;             /* relaying the request body: GO is not expected again */
    int is_over;               /* END was seen, or nothing more can come */
    int is_kept;               /* END was seen, and the worker is ready for another request */
    wsgi_outcome_t outcome;    /* once END was seen */
    int status;                /* what the handler returns */
    apr_interval_time_t client_timeout; /* what it was before this changed it, -1: it did not */
} relay_t;

static void end_with(relay_t *c, int status)
{
    c->is_over = 1;
    c->status = status;
}

/* ---- to the client ---- */

/* Filters refused the output. An ordinary departure of the client is not worth more than a line at info. */
static void client_failed(relay_t *c, apr_status_t rv, int is_flush)
{
    request_rec *r = c->r;

    c->client_gone = 1;
    r->connection->keepalive = AP_CONN_CLOSE;
    end_with(c, OK);
    if (r->connection->aborted && !APR_STATUS_IS_TIMEUP(rv)) {
        wsgi_hostlog_say(r, WSGI_HERE, WSGI_LOG_INFO, rv,
                         "The client closed the connection before the response ended.");
        return;
    }
    if (is_flush) {
        wsgi_hostlog_say(r, WSGI_HERE, WSGI_LOG_ERR, rv,
                         WSGI_LOGNO(0118) "Unable to flush the response of daemon process group '%s' to the client.",
                         c->group->name);
    } else {
        wsgi_hostlog_say(r, WSGI_HERE, WSGI_LOG_ERR, rv,
                         WSGI_LOGNO(0120) "Unable to pass the response of daemon process group '%s' to the client.",
                         c->group->name);
    }
    if (!r->connection->aborted) {
        r->status = HTTP_INTERNAL_SERVER_ERROR; /* for the access log: the client has what was sent before */
    }
}

/* Pass on what is held. */
static void pass_on(relay_t *c, int is_flush)
{
    apr_status_t rv;

    if (is_flush) {
        APR_BRIGADE_INSERT_TAIL(c->bb, apr_bucket_flush_create(c->r->connection->bucket_alloc));
        c->is_dirty = 0;
        c->dirty_since = 0;
    }
    c->unflushed = is_flush ? 0 : c->unflushed + c->held;
    c->held = 0;
    rv = ap_pass_brigade(c->r->output_filters, c->bb);
    apr_brigade_cleanup(c->bb);
    if (rv != APR_SUCCESS || c->r->connection->aborted) {
        client_failed(c, rv, is_flush);
    }
}

/* Bytes of `length` that the Content-Length has room for: more of them the client would take for the next response. */
static apr_off_t admit(relay_t *c, apr_off_t length)
{
    if (c->promised >= 0 && length > c->promised - c->delivered) {
        length = c->promised - c->delivered;
    }
    c->delivered += length;
    return length;
}

/* Whether the client would wait for more of the body than there is. */
static int is_short(const relay_t *c)
{
    return c->promised > c->delivered && !c->r->header_only && c->r->status != HTTP_NO_CONTENT
           && c->r->status != HTTP_NOT_MODIFIED;
}

/* ---- from the daemon ---- */

static void protocol_error(relay_t *c, apr_status_t rv, const char *what)
{
    wsgi_hostlog_say(c->r, WSGI_HERE, WSGI_LOG_ERR, rv,
                     WSGI_LOGNO(0147) "The answer of daemon process group '%s' cannot be used: %s.", c->group->name,
                     what);
    c->outcome = WSGI_TRUNCATED;
    end_with(c, HTTP_BAD_GATEWAY);
}

/* The worker went before it had read the whole request, or the body sent along: so it cannot have begun to run it. */
static int was_never_begun(const relay_t *c, apr_status_t rv)
{
    return APR_STATUS_IS_EOF(rv) && c->channel->is_unread && !c->head_seen && !c->in_upload;
}

/* The connection ended or broke before END. */
static void on_loss(relay_t *c, apr_status_t rv)
{
    request_rec *r = c->r;
    const char *group = c->group->name;

    if (was_never_begun(c, rv)) {
        c->outcome = WSGI_REJECTED;
        end_with(c, OK);
        return;
    }
    if (rv == APR_EGENERAL) {
        protocol_error(c, 0, "a malformed frame");
        return;
    }
    if (!c->head_seen && !APR_STATUS_IS_EOF(rv) && !APR_STATUS_IS_TIMEUP(rv)) {
        protocol_error(c, rv, "reading it failed");
        return;
    }
    c->outcome = WSGI_TRUNCATED;
    end_with(c, HTTP_BAD_GATEWAY);
    if (c->head_seen) {
        wsgi_hostlog_say(r, WSGI_HERE, WSGI_LOG_ERR, APR_STATUS_IS_EOF(rv) ? 0 : rv,
                         WSGI_LOGNO(0119) "The response from daemon process group '%s' is incomplete: %s.", group,
                         APR_STATUS_IS_EOF(rv) ? wsgi_lostworker_explain(c->endpoint, c->call->token, r->pool)
                                               : "reading the rest of it failed");
    } else if (APR_STATUS_IS_EOF(rv)) {
        wsgi_hostlog_say(r, WSGI_HERE, WSGI_LOG_ERR, 0,
                         WSGI_LOGNO(0146) "Daemon process group '%s' did not answer the request: %s.", group,
                         wsgi_lostworker_explain(c->endpoint, c->call->token, r->pool));
    } else {
        wsgi_hostlog_say(r, WSGI_HERE, WSGI_LOG_ERR, 0,
                         WSGI_LOGNO(0145) "Daemon process group '%s' did not answer the request in time; the "
                                          "application may still be busy with it.",
                         group);
        c->status = HTTP_GATEWAY_TIME_OUT;
    }
}

static int is_overdue(relay_t *c)
{
    apr_interval_time_t limit = c->group->response_flush_delay;
    apr_time_t now = wsgi_clock_now();

    if (c->dirty_since == 0) {
        c->dirty_since = now;
    }
    return now - c->dirty_since >= (limit > HOLD_TIME ? limit : HOLD_TIME);
}

/*
 * Before a frame is read, which waits for it. What the client may not have yet is held back for a moment in which the
 * rest may come, so that a small response leaves as one, and then sent. And the answer to a small request is mostly
 * there when others have run in between: then this thread need not sleep, nor the worker wake it.
 */
static void prepare_to_wait(relay_t *c)
{
    if (c->is_dirty && is_overdue(c)) {
        pass_on(c, 1);
    }
    if (c->is_over || wsgi_channel_has_input(c->channel)) {
        return;
    }
    if (!c->head_seen) {
        sched_yield();
    } else if (c->is_dirty && wsgi_channel_wait(c->channel, c->group->response_flush_delay) != APR_SUCCESS) {
        pass_on(c, 1);
    }
}

/* @return 0 after logging the header that is longer than the administrator allows */
static int headers_fit(relay_t *c, const wsgi_head_t *head)
{
    apr_size_t limit = c->group->header_buffer_size;

    for (apr_uint32_t i = 0; i < head->header_count; i++) {
        const wsgi_field_t *field = &head->headers[i];
        if ((apr_size_t)field->name_len + field->value_len + 4 > limit) { /* ": " and the line's end */
            wsgi_hostlog_say(c->r, WSGI_HERE, WSGI_LOG_ERR, 0,
                             WSGI_LOGNO(0144) "Response header '%.64s' from daemon process group '%s' is longer than "
                                              "header-buffer-size, %" APR_SIZE_T_FMT " bytes.",
                             field->name, c->group->name, limit);
            return 0;
        }
    }
    return 1;
}

/* A client that reads slowly may be given another time-out while it is sent the response. */
static void set_client_timeout(relay_t *c)
{
    apr_interval_time_t timeout = c->group->response_socket_timeout > 0 ? c->group->response_socket_timeout
                                                                        : c->group->socket_timeout;
    apr_socket_t *client = ap_get_conn_socket(c->r->connection);

    if (client != NULL && timeout > 0 && apr_socket_timeout_get(client, &c->client_timeout) == APR_SUCCESS) {
        (void)apr_socket_timeout_set(client, timeout);
    }
}

static void restore_client_timeout(const relay_t *c)
{
    if (c->client_timeout != -1) {
        (void)apr_socket_timeout_set(ap_get_conn_socket(c->r->connection), c->client_timeout);
    }
}

/* Put the headers in place, and see what becomes of the body. */
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
        c->discard = 1;
    } else {
        c->is_dirty = 1;
        c->promised = apr_table_get(c->r->headers_out, "Content-Length") != NULL ? c->r->clength : -1;
        set_client_timeout(c);
    }
}

/* @return a failure of the connection, which is the caller's to report; so do the next two */
static apr_status_t on_head(relay_t *c)
{
    char *payload;
    wsgi_head_t head;
    apr_size_t len = c->channel->remaining;
    apr_status_t rv = wsgi_channel_payload(c->channel, &payload);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (c->head_seen) {
        protocol_error(c, 0, "headers for a second time");
    } else if (wsgi_codec_decode_head(&head, payload, len, c->r->pool) != APR_SUCCESS) {
        protocol_error(c, 0, "malformed headers");
    } else if (!headers_fit(c, &head)) {
        end_with(c, HTTP_INTERNAL_SERVER_ERROR);
    } else {
        apply_head(c, &head);
    }
    return APR_SUCCESS;
}

/* Pass on what is held once it is much, or as much as the administrator would have flushed. */
static void pass_on_if_full(relay_t *c)
{
    int is_flush = c->unflushed + c->held >= c->group->response_buffer_size;

    if (is_flush || c->held >= HOLD_BYTES) {
        pass_on(c, is_flush);
    }
}

/* Next piece of a DATA frame straight into memory that a bucket then owns; full, if the frame has so much. */
static apr_status_t take_piece(relay_t *c)
{
    apr_bucket_alloc_t *list = c->r->connection->bucket_alloc;
    apr_size_t want = c->channel->remaining < PIECE_BYTES ? c->channel->remaining : PIECE_BYTES, done = 0;
    char *buf = apr_bucket_alloc(want, list);
    apr_status_t rv = APR_SUCCESS;

    while (rv == APR_SUCCESS && done < want) {
        apr_size_t len = want - done;
        rv = wsgi_channel_take(c->channel, buf + done, &len);
        done += len;
    }
    done = c->discard ? 0 : (apr_size_t)admit(c, (apr_off_t)done);
    if (done == 0) {
        apr_bucket_free(buf);
        return rv;
    }
    APR_BRIGADE_INSERT_TAIL(c->bb, apr_bucket_heap_create(buf, done, apr_bucket_free, list));
    c->held += done;
    c->is_dirty = 1;
    pass_on_if_full(c);
    return rv;
}

static apr_status_t on_data(relay_t *c)
{
    apr_status_t rv = APR_SUCCESS;

    if (!c->head_seen) {
        protocol_error(c, 0, "a body without headers");
    }
    while (rv == APR_SUCCESS && c->channel->remaining > 0 && !c->is_over) {
        rv = take_piece(c);
    }
    return rv;
}

/*
 * Whether a daemon may have us send that part of that file: a regular one, which it has open for reading. One that it
 * merely can name must not be read for it with the rights of Apache.
 */
static int is_piece_of(const wsgi_file_piece_t *piece, int fd)
{
    int flags = fd >= 0 ? fcntl(fd, F_GETFL) : -1;
    struct stat info;

    if (flags < 0 || (flags & O_ACCMODE) == O_WRONLY || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        return 0;
    }
#ifdef O_PATH
    if (flags & O_PATH) {
        return 0;
    }
#endif
    return piece->offset >= 0 && piece->length >= 0 && piece->offset <= info.st_size
           && piece->length <= info.st_size - piece->offset;
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
    if (!c->head_seen || ++c->files > MOST_FILES || !is_piece_of(&piece, fd)) {
        protocol_error(c, 0, "a file that does not hold the part that is to be sent, or one too many");
    } else if (!c->discard) {
        wsgi_respond_file(c->bb, c->r, fd, piece.offset, admit(c, piece.length), c->call->route.enable_sendfile);
        c->is_dirty = 1;
        fd = -1;
    }
    if (fd >= 0) {
        close(fd);
    }
    return APR_SUCCESS;
}

static void on_end(relay_t *c, const wsgi_frame_t *frame)
{
    wsgi_outcome_t outcome = wsgi_codec_end(frame, &c->is_kept);

    c->is_over = 1;
    c->outcome = outcome;
    if (outcome == WSGI_DONE && !c->head_seen) {
        protocol_error(c, 0, "an end without headers");
    } else if (outcome == WSGI_REJECTED && c->in_upload) {
        protocol_error(c, 0, "it hands back a request whose body it asked for");
    } else if (c->head_seen && (outcome != WSGI_DONE || is_short(c))) {
        c->outcome = WSGI_TRUNCATED;
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
        c->outcome = WSGI_TRUNCATED;
        end_with(c, status);
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
            rv = on_head(c);
            break;
        case WSGI_FRAME_DATA:
            rv = on_data(c);
            break;
        case WSGI_FRAME_FILE:
            rv = on_file(c);
            break;
        default: /* END: the channel lets nothing else through */
            on_end(c, &frame);
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
    if (!c->is_over && c->is_dirty) {
        pass_on(c, 1);
    }
    return !c->is_over;
}

static apr_status_t read_while_blocked(void *context)
{
    return upload_goes_on(context) ? APR_SUCCESS : APR_ECONNABORTED;
}

/* ---- the end ---- */

/* The target is asked for as if the client had done it, without a body. */
static int redirect_internally(relay_t *c)
{
    request_rec *r = c->r;
    int status = ap_discard_request_body(r); /* while the headers still say how long it is */

    if (status != OK) {
        return status;
    }
    r->method = "GET";
    r->method_number = M_GET;
    apr_table_unset(r->headers_in, "Content-Length");
    apr_table_unset(r->headers_in, "Transfer-Encoding");
    ap_internal_redirect_handler(c->redirect, r);
    return OK;
}

/* Nothing of a response came: what the handler returns instead. */
static int conclude_without_head(relay_t *c)
{
    if (c->status != OK) {
        return c->status;
    }
    if (c->outcome == WSGI_TIMED_OUT && c->call->route.error_override) {
        return HTTP_GATEWAY_TIME_OUT;
    }
    return wsgi_respond_outcome(c->r, c->outcome, 1);
}

/* All frames are in: end the response, or say with which status the handler is to fail. */
static int conclude(relay_t *c)
{
    if (c->client_gone) {
        return OK;
    }
    if (!c->head_seen) {
        return conclude_without_head(c);
    }
    if (c->discard && (c->redirect == NULL || c->outcome != WSGI_DONE)) {
        c->r->status_line = NULL;
        return c->status != OK ? c->status : HTTP_BAD_GATEWAY; /* WSGIErrorOverride, or no more than a head came */
    }
    if (c->redirect != NULL) {
        return redirect_internally(c);
    }
    if (c->outcome == WSGI_DONE) {
        APR_BRIGADE_INSERT_TAIL(c->bb, apr_bucket_eos_create(c->r->connection->bucket_alloc));
        pass_on(c, 0);
        return OK;
    }
    pass_on(c, 1);
    if (!c->client_gone) {
        wsgi_respond_truncate(c->r);
    }
    return OK;
}

int wsgi_relay_response(wsgi_relayed_t *result, request_rec *r, const wsgi_endpoint_t *endpoint,
                        const wsgi_call_t *call, wsgi_channel_t *channel, wsgi_upload_t *upload)
{
    relay_t c = { .r = r,
                  .endpoint = endpoint,
                  .group = endpoint->group,
                  .call = call,
                  .channel = channel,
                  .upload = upload,
                  .promised = -1,
                  .outcome = WSGI_FAILED,
                  .status = OK,
                  .client_timeout = -1 };
    int status;

    c.bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    channel->may_widen = c.group->receive_buffer_size == 0; /* what a worker receives waits in this end's buffer */
    channel->while_blocked = read_while_blocked;
    channel->context = &c;
    while (!c.is_over) {
        prepare_to_wait(&c);
        if (!c.is_over) {
            handle_frame(&c);
        }
    }
    channel->while_blocked = NULL;
    result->outcome = c.outcome;
    result->is_kept = c.is_kept && !wsgi_channel_has_input(channel);
    status = c.outcome == WSGI_REJECTED ? OK : conclude(&c);
    restore_client_timeout(&c);
    return status;
}
