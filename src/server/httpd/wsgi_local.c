#include "httpd/wsgi_local.h"

#include <fcntl.h>
#include <http_log.h>
#include <http_protocol.h>
#include <string.h>
#include <unistd.h>
#include <util_filter.h>

#include "httpd/wsgi_hostlog.h"
#include "httpd/wsgi_respond.h"

/*
 * Memory of the application is lent to Apache for one call. A last piece up to this size goes out unflushed, with the
 * end of the response behind it: should Apache not write it at once it copies it, which costs less than a write.
 */
enum { COPIED_BYTES = 16384 };

/*
 * Asked of the input filters at once. They give all that has come, in small blocks of memory of their own: asked for a
 * whole large body they would hold much of it a second time, and map and unmap that memory block by block.
 */
enum { FETCH_BYTES = 65536 };

static wsgi_local_t *local_of(wsgi_exchange_t *x)
{
    return (wsgi_local_t *)x;
}

/* Map what a filter says to the exchange's contract, and see that the connection is not used for another request. */
static apr_status_t input_failed(wsgi_local_t *local, apr_status_t rv)
{
    local->r->connection->keepalive = AP_CONN_CLOSE;
    if (rv == APR_EOF) {
        return APR_ECONNABORTED; /* of the connection; the body's own end is a bucket */
    }
    return rv == AP_FILTER_ERROR ? APR_EGENERAL : rv;
}

static apr_status_t fetch(wsgi_local_t *local, apr_read_type_e block, apr_size_t len)
{
    request_rec *r = local->r;
    apr_status_t rv;

    if (local->input == NULL) {
        local->input = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    }
    if (local->is_head_sent) {
        r->expecting_100 = 0; /* an interim response would land in the middle of the final one */
    }
    rv = ap_get_brigade(r->input_filters, local->input, AP_MODE_READBYTES, block, (apr_off_t)len);
    if (block == APR_NONBLOCK_READ && (rv == APR_SUCCESS || APR_STATUS_IS_EAGAIN(rv))) {
        return APR_SUCCESS;
    }
    if (rv == APR_SUCCESS && APR_BRIGADE_EMPTY(local->input)) {
        rv = APR_EGENERAL;
    }
    return rv == APR_SUCCESS ? APR_SUCCESS : input_failed(local, rv);
}

/* Copy from what was fetched, up to `capacity` bytes of the first bucket that has any. */
static apr_status_t drain(wsgi_local_t *local, char *buf, apr_size_t capacity, apr_size_t *len)
{
    apr_status_t rv = APR_SUCCESS;

    *len = 0;
    while (*len == 0 && !local->input_ended && rv == APR_SUCCESS && !APR_BRIGADE_EMPTY(local->input)) {
        apr_bucket *e = APR_BRIGADE_FIRST(local->input);
        const char *data = NULL;
        apr_size_t available = 0;

        if (APR_BUCKET_IS_EOS(e)) {
            local->input_ended = 1;
        } else if (!APR_BUCKET_IS_METADATA(e)) {
            rv = apr_bucket_read(e, &data, &available, APR_BLOCK_READ);
            if (rv == APR_SUCCESS && available > capacity) {
                available = capacity;
                rv = apr_bucket_split(e, capacity);
            }
        }
        if (rv == APR_SUCCESS && available > 0) {
            memcpy(buf, data, available);
            *len = available;
        }
        apr_bucket_delete(e);
    }
    return rv == APR_SUCCESS ? APR_SUCCESS : input_failed(local, rv);
}

static apr_status_t local_read(wsgi_exchange_t *x, char *buf, apr_size_t *len)
{
    wsgi_local_t *local = local_of(x);
    apr_size_t capacity = *len;
    apr_status_t rv = APR_SUCCESS;

    *len = 0;
    if (local->input_ended) {
        return APR_SUCCESS;
    }
    if (capacity == 0) {
        return fetch(local, APR_NONBLOCK_READ, FETCH_BYTES);
    }
    while (rv == APR_SUCCESS && *len == 0 && !local->input_ended) {
        if (local->input == NULL || APR_BRIGADE_EMPTY(local->input)) {
            rv = fetch(local, APR_BLOCK_READ, capacity < FETCH_BYTES ? capacity : FETCH_BYTES);
        }
        if (rv == APR_SUCCESS) {
            rv = drain(local, buf, capacity, len);
        }
    }
    return rv;
}

static void send_head(wsgi_local_t *local, const wsgi_head_t *head)
{
    if (head != NULL) {
        wsgi_respond_head(local->r, head, 0);
        local->is_head_sent = 1;
    }
}

static apr_status_t pass_output(wsgi_local_t *local)
{
    apr_status_t rv = ap_pass_brigade(local->r->output_filters, local->output);

    apr_brigade_cleanup(local->output);
    return local->r->connection->aborted ? APR_ECONNABORTED : rv;
}

static void add_end(wsgi_local_t *local)
{
    APR_BRIGADE_INSERT_TAIL(local->output, apr_bucket_eos_create(local->r->connection->bucket_alloc));
}

static void add_flush(wsgi_local_t *local)
{
    APR_BRIGADE_INSERT_TAIL(local->output, apr_bucket_flush_create(local->r->connection->bucket_alloc));
}

static apr_status_t local_send(wsgi_exchange_t *x, const wsgi_head_t *head, const struct iovec *blocks, int count,
                               unsigned flags)
{
    wsgi_local_t *local = local_of(x);
    int is_last = (flags & WSGI_SEND_LAST) != 0;
    apr_size_t total = 0;

    send_head(local, head);
    if (local->r->connection->aborted) {
        return APR_ECONNABORTED;
    }
    for (int i = 0; i < count; i++) {
        apr_bucket *e = apr_bucket_transient_create(blocks[i].iov_base, blocks[i].iov_len,
                                                    local->r->connection->bucket_alloc);
        APR_BRIGADE_INSERT_TAIL(local->output, e);
        total += blocks[i].iov_len;
    }
    /* Flushed before the end, so that all in one brigade still has its length counted by Apache. */
    if ((total > COPIED_BYTES) || (!is_last && (flags & WSGI_SEND_FLUSH))) {
        add_flush(local);
    }
    if (is_last) {
        add_end(local);
    }
    return APR_BRIGADE_EMPTY(local->output) ? APR_SUCCESS : pass_output(local);
}

static apr_status_t local_send_file(wsgi_exchange_t *x, const wsgi_head_t *head, int fd, apr_off_t offset,
                                    apr_off_t length)
{
    wsgi_local_t *local = local_of(x);
    int duplicate = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    if (duplicate < 0) {
        return errno;
    }
    send_head(local, head);
    /*
     * Not passed on yet: together with the end that follows it is a complete response, of which Apache's filters can
     * take the range that the client asked for. The file is ours, nobody's memory is borrowed.
     */
    wsgi_respond_file(local->output, local->r, duplicate, offset, length, local->enable_sendfile);
    return local->r->connection->aborted ? APR_ECONNABORTED : APR_SUCCESS;
}

static apr_status_t local_finish(wsgi_exchange_t *x, wsgi_outcome_t outcome)
{
    wsgi_local_t *local = local_of(x);

    if (!local->is_head_sent || local->r->connection->aborted) {
        return APR_SUCCESS; /* the handler answers by the outcome, or nobody is there to hear it */
    }
    if (outcome != WSGI_DONE) {
        if (!APR_BRIGADE_EMPTY(local->output)) {
            add_flush(local);
            (void)pass_output(local); /* the end is cut off all the same */
        }
        wsgi_respond_truncate(local->r);
        return APR_SUCCESS;
    }
    add_end(local);
    return pass_output(local);
}

static int local_aborted(wsgi_exchange_t *x)
{
    return local_of(x)->r->connection->aborted;
}

static wsgi_change_t local_script_changed(wsgi_exchange_t *x)
{
    (void)x;
    return WSGI_CHANGE_RELOAD;
}

static void local_proceed(wsgi_exchange_t *x)
{
    (void)x; /* nothing was ever handed over that could be handed back */
}

static void local_waiting(wsgi_exchange_t *x, int is_waiting)
{
    (void)x; /* the thread is Apache's, and nobody else can serve its connection */
    (void)is_waiting;
}

static void local_log(wsgi_exchange_t *x, const wsgi_record_t *record)
{
    wsgi_hostlog_request(local_of(x)->r, record);
}

static int local_log_enabled(wsgi_exchange_t *x, wsgi_log_level_t level)
{
    return wsgi_hostlog_request_enabled(local_of(x)->r, level);
}

void wsgi_local_init(wsgi_local_t *local, request_rec *r, int enable_sendfile)
{
    static const wsgi_exchange_ops_t ops = {
        .read = local_read,
        .send = local_send,
        .send_file = local_send_file,
        .finish = local_finish,
        .aborted = local_aborted,
        .script_changed = local_script_changed,
        .proceed = local_proceed,
        .waiting = local_waiting,
        .log = local_log,
        .log_enabled = local_log_enabled,
    };

    memset(local, 0, sizeof(*local));
    local->base.ops = &ops;
    local->r = r;
    local->enable_sendfile = enable_sendfile;
    local->output = apr_brigade_create(r->pool, r->connection->bucket_alloc);
}
