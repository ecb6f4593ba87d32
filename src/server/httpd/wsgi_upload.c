#include "httpd/wsgi_upload.h"

#include <http_protocol.h>
#include <string.h>

#include "base/wsgi_httprules.h"
#include "base/wsgi_log.h"
#include "httpd/wsgi_hostlog.h"

enum {
    PIECE_BYTES = 262144, /* of a body in one frame, if so much has come: each may wake a worker that waits */
    BLOCKS_PER_SEND = 64
};

/* Some of a body on its way through. */
typedef struct {
    apr_bucket_brigade *bb;
    apr_size_t len;              /* bytes in it */
    apr_bucket_brigade *fetched; /* what the filters gave last */
} upload_piece_t;

static int is_gone(apr_status_t rv)
{
    return APR_STATUS_IS_EOF(rv) || APR_STATUS_IS_ECONNABORTED(rv) || APR_STATUS_IS_ECONNRESET(rv)
           || APR_STATUS_IS_EPIPE(rv) || APR_STATUS_IS_INCOMPLETE(rv);
}

/* Log why the client's body ended early. @return the status it deserves */
static int client_failed(request_rec *r, apr_status_t rv)
{
    r->connection->keepalive = AP_CONN_CLOSE;
    if (is_gone(rv)) {
        wsgi_hostlog_say(r, WSGI_HERE, WSGI_LOG_INFO, rv,
                         "The client closed the connection before its request body ended.");
    } else if (rv != AP_FILTER_ERROR) { /* which Apache has logged and answered, e.g. with 413 */
        wsgi_hostlog_say(r, WSGI_HERE, WSGI_LOG_ERR, rv,
                         WSGI_LOGNO(0126) "Unable to read the request body from the client.");
    }
    return ap_map_http_request_error(rv, HTTP_INTERNAL_SERVER_ERROR);
}

/* Append one brigade to the collected bytes. @return APR_SUCCESS, APR_EOF at the end, APR_ENOSPC when it is too long */
static apr_status_t collect_brigade(wsgi_upload_t *upload, apr_bucket_brigade *bb, apr_size_t capacity)
{
    for (apr_bucket *e = APR_BRIGADE_FIRST(bb); e != APR_BRIGADE_SENTINEL(bb); e = APR_BUCKET_NEXT(e)) {
        const char *data;
        apr_size_t len;
        apr_status_t rv;

        if (APR_BUCKET_IS_EOS(e)) {
            return APR_EOF;
        }
        if (APR_BUCKET_IS_METADATA(e)) {
            continue;
        }
        rv = apr_bucket_read(e, &data, &len, APR_BLOCK_READ);
        if (rv != APR_SUCCESS) {
            return rv;
        }
        if (len > capacity - upload->collected_len) {
            return APR_ENOSPC;
        }
        memcpy(upload->collected + upload->collected_len, data, len);
        upload->collected_len += len;
    }
    return APR_SUCCESS;
}

/* Read until the end of the body. An input filter may deliver other than what Content-Length says. */
static apr_status_t collect_all(wsgi_upload_t *upload, apr_size_t capacity)
{
    request_rec *r = upload->r;
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    apr_status_t rv;

    do {
        rv = ap_get_brigade(r->input_filters, bb, AP_MODE_READBYTES, APR_BLOCK_READ, PIECE_BYTES);
        if (rv == APR_SUCCESS) {
            rv = collect_brigade(upload, bb, capacity);
            apr_brigade_cleanup(bb);
        } else if (rv == APR_EOF) {
            rv = APR_ECONNABORTED; /* of the connection; that of the body is an EOS bucket */
        }
    } while (rv == APR_SUCCESS);
    return rv;
}

/* Only a body that the filters leave as long as Content-Length says can be measured beforehand. */
static int known_length(apr_off_t *length, request_rec *r)
{
    const char *text = apr_table_get(r->headers_in, "Content-Length");

    return text != NULL && wsgi_http_parse_length(length, text, strlen(text))
           && r->input_filters->frec->ftype >= AP_FTYPE_PROTOCOL;
}

int wsgi_upload_collect(wsgi_upload_t *upload, request_rec *r, int has_body, apr_size_t limit)
{
    apr_off_t length;
    apr_status_t rv;

    memset(upload, 0, sizeof(*upload));
    upload->r = r;
    upload->mode = has_body ? WSGI_BODY_DEFERRED : WSGI_BODY_NONE;
    if (!has_body || !known_length(&length, r) || length > (apr_off_t)limit) {
        return OK;
    }
    upload->collected = apr_palloc(r->pool, (apr_size_t)length + 1);
    rv = collect_all(upload, (apr_size_t)length);
    if (rv != APR_EOF) {
        return client_failed(r, rv);
    }
    upload->mode = WSGI_BODY_FOLLOWS;
    upload->is_complete = 1;
    return OK;
}

int wsgi_upload_collected(wsgi_upload_t *upload, struct iovec *out)
{
    int n = 0;

    if (!upload->is_complete) {
        return 0;
    }
    if (upload->collected_len > 0) {
        upload->frames[0] = wsgi_codec_frame(WSGI_FRAME_BODY, 0, upload->collected_len);
        out[n++] = (struct iovec){ &upload->frames[0], sizeof(wsgi_frame_t) };
        out[n++] = (struct iovec){ upload->collected, upload->collected_len };
    }
    upload->frames[1] = wsgi_codec_frame(WSGI_FRAME_BODY_END, 0, 0);
    out[n++] = (struct iovec){ &upload->frames[1], sizeof(wsgi_frame_t) };
    return n;
}

static apr_status_t send_frame(wsgi_channel_t *channel, wsgi_frame_type_t type)
{
    wsgi_frame_t frame = wsgi_codec_frame(type, 0, 0);
    struct iovec out = { &frame, sizeof(frame) };

    return wsgi_channel_send(channel, &out, 1, -1);
}

static apr_status_t send_blocks(wsgi_channel_t *channel, struct iovec *out, int count, apr_size_t total)
{
    wsgi_frame_t frame = wsgi_codec_frame(WSGI_FRAME_BODY, 0, total);

    if (total == 0) {
        return APR_SUCCESS;
    }
    out[0] = (struct iovec){ &frame, sizeof(frame) };
    return wsgi_channel_send(channel, out, count, -1);
}

/* Send the data of a brigade as body frames of many blocks each. Its buckets are in memory. */
static apr_status_t send_brigade(wsgi_channel_t *channel, apr_bucket_brigade *bb)
{
    struct iovec out[BLOCKS_PER_SEND];
    apr_size_t total = 0;
    int n = 1; /* the first entry is for the frame */
    apr_status_t rv = APR_SUCCESS;

    for (apr_bucket *e = APR_BRIGADE_FIRST(bb); e != APR_BRIGADE_SENTINEL(bb) && rv == APR_SUCCESS;
         e = APR_BUCKET_NEXT(e)) {
        const char *data = NULL;
        apr_size_t len = 0;

        if (APR_BUCKET_IS_METADATA(e)) {
            continue;
        }
        rv = apr_bucket_read(e, &data, &len, APR_BLOCK_READ);
        if (rv != APR_SUCCESS) {
            return rv;
        }
        out[n++] = (struct iovec){ (char *)data, len };
        total += len;
        if (n == BLOCKS_PER_SEND) {
            rv = send_blocks(channel, out, n, total);
            n = 1;
            total = 0;
        }
    }
    return rv == APR_SUCCESS ? send_blocks(channel, out, n, total) : rv;
}

static int daemon_stopped_reading(request_rec *r, apr_status_t rv)
{
    if (APR_STATUS_IS_ECONNABORTED(rv)) {
        wsgi_hostlog_say(r, WSGI_HERE, WSGI_LOG_DEBUG, 0, "The daemon needs no more of the request body.");
    } else {
        wsgi_hostlog_say(r, WSGI_HERE, WSGI_LOG_ERR, rv,
                         WSGI_LOGNO(0129) "Unable to send the request body to the daemon; the rest is discarded.");
    }
    return OK;
}

/*
 * Append what one call of the filters yields. Data is read into memory here, so that a failure is known to be the
 * client's, and set aside where it would not outlive the next call.
 * @return APR_SUCCESS; APR_EOF when this was the last of the body; APR_EAGAIN when nothing is there without waiting
 */
static apr_status_t fetch(upload_piece_t *piece, request_rec *r, apr_read_type_e block)
{
    apr_status_t rv = ap_get_brigade(r->input_filters, piece->fetched, AP_MODE_READBYTES, block,
                                     (apr_off_t)(PIECE_BYTES - piece->len));

    if (rv == APR_SUCCESS && APR_BRIGADE_EMPTY(piece->fetched)) {
        return block == APR_BLOCK_READ ? APR_EGENERAL : APR_EAGAIN;
    }
    while (rv == APR_SUCCESS && !APR_BRIGADE_EMPTY(piece->fetched)) {
        apr_bucket *e = APR_BRIGADE_FIRST(piece->fetched);
        const char *data;
        apr_size_t len = 0;

        if (APR_BUCKET_IS_EOS(e)) {
            return APR_EOF;
        }
        if (!APR_BUCKET_IS_METADATA(e)) {
            rv = apr_bucket_read(e, &data, &len, APR_BLOCK_READ);
        }
        if (rv == APR_SUCCESS) {
            rv = apr_bucket_setaside(e, r->pool);
            rv = APR_STATUS_IS_ENOTIMPL(rv) ? APR_SUCCESS : rv;
        }
        APR_BUCKET_REMOVE(e);
        APR_BRIGADE_INSERT_TAIL(piece->bb, e);
        piece->len += len;
    }
    return rv;
}

/* Wait for some of the body, then take what else has come already: Apache delivers it in small blocks. */
static apr_status_t next_piece(upload_piece_t *piece, request_rec *r)
{
    apr_status_t rv;

    apr_brigade_cleanup(piece->bb);
    piece->len = 0;
    rv = fetch(piece, r, APR_BLOCK_READ);
    while (rv == APR_SUCCESS && piece->len < PIECE_BYTES) {
        rv = fetch(piece, r, APR_NONBLOCK_READ);
    }
    return APR_STATUS_IS_EAGAIN(rv) ? APR_SUCCESS : rv;
}

/* The application hears that its input is broken; and so does whoever asks why, unless the client just left. */
static int give_up(wsgi_channel_t *channel, request_rec *r, apr_status_t rv)
{
    int status = client_failed(r, rv);

    (void)send_frame(channel, WSGI_FRAME_BODY_FAILED); /* a daemon that is gone needs no telling */
    return is_gone(rv) ? OK : status;
}

int wsgi_upload_relay(wsgi_upload_t *upload, wsgi_channel_t *channel, int (*between)(void *context), void *context)
{
    request_rec *r = upload->r;
    upload_piece_t piece = { .bb = apr_brigade_create(r->pool, r->connection->bucket_alloc),
                             .fetched = apr_brigade_create(r->pool, r->connection->bucket_alloc) };
    apr_status_t read, sent;

    do {
        read = next_piece(&piece, r);
        sent = send_brigade(channel, piece.bb);
        if (sent == APR_SUCCESS && read == APR_EOF) {
            sent = send_frame(channel, WSGI_FRAME_BODY_END);
        }
    } while (read == APR_SUCCESS && sent == APR_SUCCESS && between(context));
    if (read != APR_SUCCESS && read != APR_EOF) {
        return give_up(channel, r, read);
    }
    return sent == APR_SUCCESS ? OK : daemon_stopped_reading(r, sent);
}
