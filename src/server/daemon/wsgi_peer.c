#include "daemon/wsgi_peer.h"

#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire/wsgi_channel.h"

enum { STACK_BLOCKS = 16 }; /* iovec entries that need no allocation */

/* One request in progress: the exchange the bridge sees, over the connection to the Apache child. */
typedef struct {
    wsgi_exchange_t exchange; /* first: the bridge's pointer is ours */
    const wsgi_peer_t *peer;
    const wsgi_visit_t *visit;
    wsgi_channel_t channel;
    wsgi_call_t call;
    apr_pool_t *pool;
    int body;        /* WSGI_BODY_*: what the child announced */
    int body_ended;  /* BODY_END was seen, or there is no body */
    const char *collected;    /* of the body, read before the request is run and not yet by the application */
    apr_size_t collected_len; /* bytes */
    apr_status_t broken; /* kept once reading failed: it is not tried again */
    apr_size_t body_left; /* of the current BODY frame */
    int ended;       /* END was sent, or cannot be */
    int is_kept;     /* the connection brings another request when END is out, and is not to be used here any more */
    int gone;        /* the child closed its end */
} conversation_t;

static conversation_t *of(wsgi_exchange_t *x)
{
    return (conversation_t *)x;
}

static void note_activity(conversation_t *c)
{
    if (c->peer->activity && !c->call.route.ignore_activity) {
        c->peer->activity(c->peer->context);
    }
}

/* Have a BODY frame with something left in it, or know that the body is over. */
static apr_status_t next_body_frame(conversation_t *c)
{
    wsgi_frame_t frame;
    apr_status_t rv = wsgi_channel_next(&c->channel, &frame);

    if (rv != APR_SUCCESS) {
        return rv == APR_EOF ? APR_ECONNABORTED : rv; /* a body without its end is a broken one */
    }
    switch (frame.type) {
    case WSGI_FRAME_BODY:
        c->body_left = frame.length;
        return APR_SUCCESS;
    case WSGI_FRAME_BODY_END:
        c->body_ended = 1;
        return APR_SUCCESS;
    case WSGI_FRAME_BODY_FAILED:
        return APR_ECONNABORTED;
    default:
        return APR_EGENERAL;
    }
}

static apr_status_t peer_read(wsgi_exchange_t *x, char *buf, apr_size_t *len)
{
    conversation_t *c = of(x);
    apr_size_t capacity = *len;
    apr_status_t rv = c->broken;

    *len = 0;
    note_activity(c);
    if (capacity == 0) {
        return rv; /* the child asked the client for the body when it was told to go on */
    }
    if (c->collected_len > 0) {
        *len = capacity < c->collected_len ? capacity : c->collected_len;
        memcpy(buf, c->collected, *len);
        c->collected += *len;
        c->collected_len -= *len;
        return APR_SUCCESS;
    }
    while (rv == APR_SUCCESS && c->body_left == 0 && !c->body_ended) {
        rv = next_body_frame(c);
    }
    if (rv == APR_SUCCESS && c->body_left > 0) {
        *len = capacity < c->body_left ? capacity : c->body_left;
        rv = wsgi_channel_take(&c->channel, buf, len);
        c->body_left -= *len;
    }
    if (rv == APR_EOF) {
        rv = APR_ECONNABORTED;
    }
    c->broken = rv;
    return rv;
}

static apr_status_t deliver(conversation_t *c, struct iovec *blocks, int count, int fd)
{
    apr_status_t rv;

    if (c->gone) {
        return APR_ECONNABORTED;
    }
    rv = wsgi_channel_send(&c->channel, blocks, count, fd);
    if (rv != APR_SUCCESS) {
        c->gone = 1; /* also after a time-out: half a frame may be out, nothing more can follow it */
    }
    return rv;
}

static apr_size_t total_of(const struct iovec *blocks, int count)
{
    apr_size_t total = 0;

    for (int i = 0; i < count; i++) {
        total += blocks[i].iov_len;
    }
    return total;
}

/* Put a frame of the encoded head in front, the first time there is one. @return number of entries used, 0 or 1 */
static int prepend_head(conversation_t *c, struct iovec *out, const wsgi_head_t *head, apr_status_t *rv)
{
    apr_size_t len = 0;

    *rv = APR_SUCCESS;
    if (head == NULL) {
        return 0;
    }
    if (c->peer->answering) {
        c->peer->answering(c->peer->context, c->call.route.script, c->call.route.application_group);
    }
    out->iov_base = wsgi_codec_encode_head(&len, head, c->pool);
    out->iov_len = len;
    *rv = out->iov_base ? APR_SUCCESS : APR_ENOSPC;
    return out->iov_base != NULL;
}

/*
 * An END frame. The child may send another request after it where nothing of this one can still be on its way, and not
 * after it was told to turn to another worker.
 */
static wsgi_frame_t make_end(conversation_t *c, wsgi_outcome_t outcome)
{
    c->is_kept = c->visit->may_keep && c->body != WSGI_BODY_DEFERRED && outcome != WSGI_REJECTED
                 && !wsgi_channel_has_input(&c->channel);
    return wsgi_codec_frame(WSGI_FRAME_END, (int)outcome | (c->is_kept ? WSGI_END_KEPT : 0), 0);
}

/* END is out. What the application does from now on, such as closing its response, keeps no other request waiting. */
static void let_go(conversation_t *c)
{
    if (c->is_kept) {
        c->peer->keep(c->peer->context, c->visit->thread);
    }
}

/* Everything that fits one DATA frame, with what goes before and after it, in one gathered write. */
static apr_status_t send_gathered(conversation_t *c, const wsgi_head_t *head, const struct iovec *blocks, int count,
                                  apr_size_t total, int is_last)
{
    struct iovec on_stack[STACK_BLOCKS];
    struct iovec *out = count + 3 <= STACK_BLOCKS ? on_stack : malloc(((apr_size_t)count + 3) * sizeof(*out));
    wsgi_frame_t data = wsgi_codec_frame(WSGI_FRAME_DATA, 0, total);
    wsgi_frame_t end;
    apr_status_t rv;
    int n;

    if (out == NULL) {
        return APR_ENOMEM;
    }
    n = prepend_head(c, out, head, &rv);
    if (total > 0) {
        out[n++] = (struct iovec){ &data, sizeof(data) };
        memcpy(out + n, blocks, (apr_size_t)count * sizeof(*out));
        n += count;
    }
    if (is_last) {
        end = make_end(c, WSGI_DONE);
        out[n++] = (struct iovec){ &end, sizeof(end) };
    }
    if (rv == APR_SUCCESS) {
        rv = deliver(c, out, n, -1);
        c->ended = is_last;
    }
    if (rv == APR_SUCCESS && is_last) {
        let_go(c);
    }
    if (out != on_stack) {
        free(out);
    }
    return rv;
}

/* More than a frame may hold: one frame per piece of a block. */
static apr_status_t send_in_pieces(conversation_t *c, const struct iovec *blocks, int count)
{
    apr_status_t rv = APR_SUCCESS;

    for (int i = 0; i < count && rv == APR_SUCCESS; i++) {
        struct iovec rest = blocks[i];
        while (rest.iov_len > 0 && rv == APR_SUCCESS) {
            struct iovec piece = { rest.iov_base, rest.iov_len < WSGI_DATA_MAX ? rest.iov_len : WSGI_DATA_MAX };
            rv = send_gathered(c, NULL, &piece, 1, piece.iov_len, 0);
            rest.iov_base = (char *)rest.iov_base + piece.iov_len;
            rest.iov_len -= piece.iov_len;
        }
    }
    return rv;
}

static apr_status_t peer_send(wsgi_exchange_t *x, const wsgi_head_t *head, const struct iovec *blocks, int count,
                              unsigned flags)
{
    conversation_t *c = of(x);
    apr_size_t total = total_of(blocks, count);
    int is_last = (flags & WSGI_SEND_LAST) != 0;
    apr_status_t rv;

    note_activity(c);
    if (total <= WSGI_DATA_MAX) {
        return send_gathered(c, head, blocks, count, total, is_last);
    }
    rv = head ? send_gathered(c, head, NULL, 0, 0, 0) : APR_SUCCESS;
    if (rv == APR_SUCCESS) {
        rv = send_in_pieces(c, blocks, count);
    }
    return rv == APR_SUCCESS && is_last ? send_gathered(c, NULL, NULL, 0, 0, 1) : rv;
}

static apr_status_t peer_send_file(wsgi_exchange_t *x, const wsgi_head_t *head, int fd, apr_off_t offset,
                                   apr_off_t length)
{
    conversation_t *c = of(x);
    wsgi_file_piece_t piece = { .offset = offset, .length = length };
    wsgi_frame_t frame = wsgi_codec_frame(WSGI_FRAME_FILE, 0, sizeof(piece));
    struct iovec out[2] = { { &frame, sizeof(frame) }, { &piece, sizeof(piece) } };
    apr_status_t rv = APR_SUCCESS;

    note_activity(c);
    if (head != NULL) {
        rv = send_gathered(c, head, NULL, 0, 0, 0);
    }
    /* A message of its own: the descriptor must arrive with its frame, not with what was before it. */
    return rv == APR_SUCCESS ? deliver(c, out, 2, fd) : rv;
}

static apr_status_t send_frame(conversation_t *c, wsgi_frame_t frame)
{
    struct iovec out = { &frame, sizeof(frame) };

    return deliver(c, &out, 1, -1);
}

static apr_status_t peer_finish(wsgi_exchange_t *x, wsgi_outcome_t outcome)
{
    conversation_t *c = of(x);
    apr_status_t rv;

    if (c->ended) {
        return APR_SUCCESS;
    }
    c->ended = 1;
    note_activity(c);
    rv = send_frame(c, make_end(c, outcome));
    if (rv == APR_SUCCESS) {
        let_go(c);
    }
    return rv;
}

static int peer_aborted(wsgi_exchange_t *x)
{
    return of(x)->gone;
}

static wsgi_change_t peer_script_changed(wsgi_exchange_t *x)
{
    conversation_t *c = of(x);

    if (c->call.queued < c->peer->as_of) {
        return WSGI_CHANGE_IGNORE; /* all code here was loaded after the request came: nothing can be newer for it */
    }
    return c->peer->script_changed(c->peer->context, c->call.route.script, c->call.route.application_group);
}

static void peer_proceed(wsgi_exchange_t *x)
{
    conversation_t *c = of(x);

    note_activity(c);
    if (c->peer->loading) {
        c->peer->loading(c->peer->context, c->call.route.script, c->call.route.application_group);
    }
    if (c->body == WSGI_BODY_DEFERRED) {
        (void)send_frame(c, wsgi_codec_frame(WSGI_FRAME_GO, 0, 0)); /* a child that is gone shows at the next read */
    }
}

static void peer_waiting(wsgi_exchange_t *x, int is_waiting)
{
    const wsgi_peer_t *peer = of(x)->peer;

    if (peer->waiting) {
        peer->waiting(peer->context, is_waiting);
    }
}

static void peer_log(wsgi_exchange_t *x, const wsgi_record_t *record)
{
    conversation_t *c = of(x);

    c->peer->request_log.write(c->peer->request_log.context, &c->call.origin, record);
}

static int peer_log_enabled(wsgi_exchange_t *x, wsgi_log_level_t level)
{
    conversation_t *c = of(x);

    return c->peer->request_log.enabled(c->peer->request_log.context, &c->call.origin, level);
}

static const wsgi_exchange_ops_t peer_ops = {
    .read = peer_read,
    .send = peer_send,
    .send_file = peer_send_file,
    .finish = peer_finish,
    .aborted = peer_aborted,
    .script_changed = peer_script_changed,
    .proceed = peer_proceed,
    .waiting = peer_waiting,
    .log = peer_log,
    .log_enabled = peer_log_enabled,
};

/* Log an error in the context of the request. `format` takes the name of the group. */
static void log_error(conversation_t *c, int line, const char *format)
{
    wsgi_record_t record = { .level = WSGI_LOG_ERR, .file = __FILE__, .line = line };

    if (peer_log_enabled(&c->exchange, record.level)) {
        record.text = apr_psprintf(c->pool, format, c->peer->endpoint->group->name);
        peer_log(&c->exchange, &record);
    }
}

/* Takes as long for a right secret as for a wrong one. */
static int is_same_secret(const unsigned char *a, const unsigned char *b)
{
    unsigned char difference = 0;

    for (int i = 0; i < WSGI_SECRET_BYTES; i++) {
        difference |= (unsigned char)(a[i] ^ b[i]);
    }
    return difference == 0;
}

/* Whether the sender of a REQUEST payload knows the secret of the group. @return 0 after logging that it does not */
static int is_entitled(conversation_t *c, const char *payload, apr_size_t len)
{
    static const unsigned char none[WSGI_SECRET_BYTES];
    const wsgi_endpoint_t *endpoint = c->peer->endpoint;
    const unsigned char *secret = wsgi_codec_secret(payload, len);

    if (secret == NULL || is_same_secret(secret, none)) {
        wsgi_log(&c->peer->log, WSGI_HERE, WSGI_LOG_ALERT, 0,
                 WSGI_LOGNO(0033) "Daemon process '%s' received a request without proof of origin; it is dropped.",
                 endpoint->group->name);
        return 0;
    }
    if (!is_same_secret(secret, endpoint->secret)) {
        wsgi_log(&c->peer->log, WSGI_HERE, WSGI_LOG_ALERT, 0,
                 WSGI_LOGNO(0034) "Daemon process '%s' received a request whose proof of origin does not match; it is "
                                  "dropped.",
                 endpoint->group->name);
        return 0;
    }
    return 1;
}

/*
 * A body that was sent along is read whole before the request is run: when a worker goes and leaves something unread,
 * the child knows that it has not begun.
 */
static apr_status_t collect_body(conversation_t *c)
{
    apr_status_t rv = next_body_frame(c);
    char *payload;

    if (rv == APR_SUCCESS && !c->body_ended) {
        if (c->body_left > c->peer->endpoint->group->request_buffer_size) {
            return APR_EGENERAL; /* no child collects so much */
        }
        c->collected_len = c->body_left;
        c->body_left = 0;
        rv = wsgi_channel_payload(&c->channel, &payload);
        if (rv == APR_SUCCESS) {
            c->collected = payload;
            rv = next_body_frame(c);
        }
        if (rv == APR_SUCCESS && !c->body_ended) {
            rv = APR_EGENERAL;
        }
    }
    return rv == APR_EOF ? APR_ECONNABORTED : rv;
}

/* Read the payload of the first frame. */
static apr_status_t receive_payload(conversation_t *c, char **payload, apr_size_t *len)
{
    wsgi_frame_t frame;
    apr_status_t rv = wsgi_channel_next(&c->channel, &frame);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (frame.type != WSGI_FRAME_REQUEST) {
        return APR_EGENERAL;
    }
    c->body = frame.flags;
    c->body_ended = c->body == WSGI_BODY_NONE;
    *len = frame.length;
    rv = wsgi_channel_payload(&c->channel, payload);
    return rv == APR_EOF ? APR_ECONNABORTED : rv;
}

/* Read and verify the request. @return 0 after logging why the connection is to be dropped */
static int receive_request(conversation_t *c)
{
    char *payload = NULL;
    apr_size_t len = 0;
    apr_status_t rv = receive_payload(c, &payload, &len);

    if (rv == APR_EOF) {
        return 0; /* a child that gave up waiting, or somebody who looked whether we listen */
    }
    if (rv == APR_SUCCESS) {
        if (!is_entitled(c, payload, len)) {
            return 0;
        }
        rv = wsgi_codec_decode_request(&c->call, payload, len, c->pool);
    }
    if (rv == APR_SUCCESS && c->body == WSGI_BODY_FOLLOWS) {
        rv = collect_body(c);
    }
    if (rv != APR_SUCCESS) {
        wsgi_log(&c->peer->log, WSGI_HERE, WSGI_LOG_ERR, rv,
                 WSGI_LOGNO(0080) "Daemon process '%s' could not read or decode a request; it is dropped.",
                 c->peer->endpoint->group->name);
        return 0;
    }
    return 1;
}

const char *wsgi_peer_inside_root(const char *root, const char *path)
{
    apr_size_t len = strlen(root);

    while (len > 0 && root[len - 1] == '/') {
        len--;
    }
    return strncmp(path, root, len) == 0 && path[len] == '/' ? path + len : NULL;
}

/* Apache names files as it sees them; this process may see a part of them only. */
static int enter_chroot(conversation_t *c)
{
    const char *root = c->peer->endpoint->group->chroot;
    wsgi_route_t *route = &c->call.route;
    const char *script, *resource, *document_root;

    if (root == NULL) {
        return 1;
    }
    script = wsgi_peer_inside_root(root, route->script);
    resource = wsgi_peer_inside_root(root, route->resource);
    if (script == NULL || resource == NULL) {
        wsgi_log(&c->peer->log, WSGI_HERE, WSGI_LOG_ERR, 0,
                 WSGI_LOGNO(0081) "Script '%s' lies outside the chroot '%s' of daemon process '%s'; the request is "
                                  "refused.",
                 script ? route->resource : route->script, root, c->peer->endpoint->group->name);
        return 0;
    }
    route->script = script;
    route->resource = resource;
    wsgi_fields_set(&c->call.variables, "SCRIPT_FILENAME", resource);
    document_root = wsgi_fields_get(&c->call.variables, "DOCUMENT_ROOT");
    document_root = document_root ? wsgi_peer_inside_root(root, document_root) : NULL;
    if (document_root != NULL) {
        wsgi_fields_set(&c->call.variables, "DOCUMENT_ROOT", document_root);
    } else {
        wsgi_fields_unset(&c->call.variables, "DOCUMENT_ROOT");
    }
    return 1;
}

/* Between the moment when Apache's child wanted to hand the request over and when this thread took it. */
static apr_interval_time_t time_queued(const conversation_t *c)
{
    apr_interval_time_t waited = c->visit->taken - c->call.queued;

    return waited > 0 ? waited : 0;
}

/* Counted from Apache's reception of the request. */
static int is_expired(const conversation_t *c)
{
    apr_interval_time_t limit = c->peer->endpoint->group->queue_timeout;

    return limit > 0 && c->call.queue_start - c->call.request_start + time_queued(c) > limit;
}

static wsgi_outcome_t execute(conversation_t *c)
{
    const wsgi_peer_t *peer = c->peer;
    wsgi_request_t request = {
        .route = &c->call.route,
        .variables = &c->call.variables,
        .moments = { .request_start = c->call.request_start,
                     .queue_start = c->call.queue_start,
                     .daemon_start = c->visit->accepted },
        .url_scheme = c->call.is_https ? "https" : "http",
        .daemon_connects = c->call.daemon_connects,
        .daemon_restarts = c->call.daemon_restarts,
    };

    if (is_expired(c)) {
        log_error(c, __LINE__,
                  WSGI_LOGNO(0084) "Request waited longer than queue-timeout before a thread of daemon process '%s' "
                                   "took it; it is not run.");
        return WSGI_EXPIRED;
    }
    if (peer->runtime == NULL) {
        log_error(c, __LINE__,
                  WSGI_LOGNO(0087) "Python is not available in daemon process '%s'; the request cannot be run.");
        return WSGI_FAILED;
    }
    return peer->bridge->execute(peer->runtime, &request, &c->exchange);
}

/* A request was received: run it. */
static void run(conversation_t *c)
{
    const wsgi_peer_t *peer = c->peer;
    int thread = c->visit->thread;

    wsgi_board_slot_begin(peer->endpoint->board, peer->slot, thread, c->call.token);
    wsgi_board_slot_waited(peer->endpoint->board, peer->slot, thread, c->visit->accepted, time_queued(c));
    wsgi_inprogress_begin(peer->progress, thread, wsgi_fields_get(&c->call.variables, "REQUEST_METHOD"),
                          wsgi_fields_get(&c->call.variables, "REQUEST_URI"));
    (void)peer_finish(&c->exchange, execute(c)); /* unless the bridge has: the child always gets an END */
    wsgi_inprogress_end(peer->progress, thread);
    wsgi_board_slot_end(peer->endpoint->board, peer->slot, thread);
}

int wsgi_peer_serve(const wsgi_peer_t *peer, const wsgi_visit_t *visit, apr_pool_t *pcall)
{
    conversation_t *c = apr_pcalloc(pcall, sizeof(*c));
    apr_status_t rv;

    c->exchange.ops = &peer_ops;
    c->peer = peer;
    c->visit = visit;
    c->pool = pcall;
    wsgi_channel_init(&c->channel, visit->fd, 1, peer->socket_timeout, pcall);
    c->channel.may_widen = peer->endpoint->group->send_buffer_size == 0;
    rv = visit->may_keep ? wsgi_channel_read_ahead(&c->channel) : APR_SUCCESS;
    if (rv == APR_EAGAIN) {
        peer->keep(peer->context, visit->thread);
        return 0;
    }
    if (rv != APR_EOF && receive_request(c) && enter_chroot(c)) {
        run(c);
    }
    wsgi_channel_done(&c->channel);
    return rv != APR_EOF;
}
