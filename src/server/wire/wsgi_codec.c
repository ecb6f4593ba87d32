#include "wire/wsgi_codec.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "base/wsgi_httprules.h"

#define NO_TEXT 0xffffffffu /* length that stands for NULL */

/* The part of a REQUEST payload with a fixed size; copied as it is. */
typedef struct {
    unsigned char secret[WSGI_SECRET_BYTES]; /* first, so that it can be found before the rest is believed */
    apr_uint64_t token;
    apr_int64_t request_start, queue_start, queued;
    apr_int32_t generation, server_index, client_port;
    apr_int32_t daemon_connects, daemon_restarts;
    apr_uint32_t field_count;
    apr_byte_t is_https, is_handler_script, script_reloading, ignore_activity, enable_sendfile;
    apr_byte_t zero[3];
} request_fixed_t;

typedef struct {
    apr_uint32_t status;
    apr_uint32_t header_count;
} head_fixed_t;

typedef struct {
    char *at;
} writer_t;

typedef struct {
    char *at;
    char *end;
} reader_t;

/* Who may send a frame of a type, how long it may be, and the largest value of its flags, but for WSGI_END_KEPT. */
static const struct {
    apr_byte_t type;
    apr_byte_t from_child;
    apr_byte_t most_flags;
    apr_uint32_t least, most; /* bytes of payload */
} frame_rules[] = {
    { WSGI_FRAME_REQUEST, 1, WSGI_BODY_DEFERRED, 0, WSGI_REQUEST_MAX },
    { WSGI_FRAME_BODY, 1, 0, 1, WSGI_DATA_MAX },
    { WSGI_FRAME_BODY_END, 1, 0, 0, 0 },
    { WSGI_FRAME_BODY_FAILED, 1, 0, 0, 0 },
    { WSGI_FRAME_GO, 0, 0, 0, 0 },
    { WSGI_FRAME_HEAD, 0, 0, 0, WSGI_HEAD_MAX },
    { WSGI_FRAME_DATA, 0, 0, 1, WSGI_DATA_MAX },
    { WSGI_FRAME_FILE, 0, 0, sizeof(wsgi_file_piece_t), sizeof(wsgi_file_piece_t) },
    { WSGI_FRAME_END, 0, WSGI_OUTCOME_COUNT - 1, 0, 0 },
};

int wsgi_codec_is_valid(const wsgi_frame_t *frame, int from_child)
{
    unsigned flags = frame->type == WSGI_FRAME_END ? frame->flags & ~WSGI_END_KEPT : frame->flags;

    for (apr_size_t i = 0; i < sizeof(frame_rules) / sizeof(frame_rules[0]); i++) {
        if (frame_rules[i].type == frame->type) {
            return frame->zero == 0 && frame_rules[i].from_child == (from_child != 0)
                   && flags <= frame_rules[i].most_flags && frame->length >= frame_rules[i].least
                   && frame->length <= frame_rules[i].most;
        }
    }
    return 0;
}

wsgi_frame_t wsgi_codec_frame(wsgi_frame_type_t type, int flags, apr_size_t length)
{
    wsgi_frame_t frame = { .length = (apr_uint32_t)length, .type = (apr_byte_t)type, .flags = (apr_byte_t)flags };

    return frame;
}

wsgi_outcome_t wsgi_codec_end(const wsgi_frame_t *frame, int *is_kept)
{
    *is_kept = (frame->flags & WSGI_END_KEPT) != 0;
    return (wsgi_outcome_t)(frame->flags & ~WSGI_END_KEPT);
}

static void put(writer_t *w, const void *bytes, apr_size_t len)
{
    memcpy(w->at, bytes, len);
    w->at += len;
}

static apr_size_t text_size(const char *text)
{
    return sizeof(apr_uint32_t) + (text ? strlen(text) + 1 : 0);
}

static void put_text(writer_t *w, const char *text)
{
    apr_uint32_t len = text ? (apr_uint32_t)strlen(text) : NO_TEXT;

    put(w, &len, sizeof(len));
    if (text) {
        put(w, text, len + 1u);
    }
}

static apr_size_t fields_size(const wsgi_field_t *items, apr_uint32_t count)
{
    apr_size_t size = 0;

    for (apr_uint32_t i = 0; i < count; i++) {
        size += 2 * sizeof(apr_uint32_t) + items[i].name_len + 1u + (items[i].value ? items[i].value_len + 1u : 0);
    }
    return size;
}

static void put_bytes(writer_t *w, const char *bytes, apr_uint32_t len)
{
    put(w, bytes, len);
    *w->at++ = '\0';
}

static void put_fields(writer_t *w, const wsgi_field_t *items, apr_uint32_t count)
{
    for (apr_uint32_t i = 0; i < count; i++) {
        apr_uint32_t lens[2] = { items[i].name_len, items[i].value ? items[i].value_len : NO_TEXT };
        put(w, lens, sizeof(lens));
        put_bytes(w, items[i].name, items[i].name_len);
        if (items[i].value) {
            put_bytes(w, items[i].value, items[i].value_len);
        }
    }
}

/* Copy `len` bytes out. @return 0 when the payload ends before */
static int get(reader_t *r, void *out, apr_size_t len)
{
    if ((apr_size_t)(r->end - r->at) < len) {
        return 0;
    }
    memcpy(out, r->at, len);
    r->at += len;
    return 1;
}

/* A NUL terminated run of `len` bytes, left where it is. */
static int get_bytes(reader_t *r, const char **out, apr_uint32_t len)
{
    if ((apr_size_t)(r->end - r->at) <= len || r->at[len] != '\0') {
        return 0;
    }
    *out = r->at;
    r->at += (apr_size_t)len + 1;
    return 1;
}

static int get_optional_text(reader_t *r, const char **out)
{
    apr_uint32_t len;

    *out = NULL;
    return get(r, &len, sizeof(len)) && (len == NO_TEXT || (get_bytes(r, out, len) && strlen(*out) == len));
}

static int get_text(reader_t *r, const char **out)
{
    return get_optional_text(r, out) && *out != NULL;
}

static int get_fields(reader_t *r, wsgi_fields_t *fields, apr_uint32_t count, apr_pool_t *pool)
{
    const apr_size_t smallest = 2 * sizeof(apr_uint32_t) + 1;

    if (count > (apr_size_t)(r->end - r->at) / smallest) {
        return 0; /* before memory is reserved for them */
    }
    wsgi_fields_init(fields, count, pool);
    for (apr_uint32_t i = 0; i < count; i++) {
        apr_uint32_t lens[2];
        const char *name, *value = NULL;
        if (!get(r, lens, sizeof(lens)) || !get_bytes(r, &name, lens[0])
            || (lens[1] != NO_TEXT && !get_bytes(r, &value, lens[1]))) {
            return 0;
        }
        wsgi_fields_addn(fields, name, lens[0], value, value ? lens[1] : 0);
    }
    return 1;
}

/* The texts of a request in their order on the wire; those after the route may be absent. */
enum { ROUTE_TEXTS = 6, TEXTS = 10 };

static void list_texts(const char **texts[TEXTS], wsgi_call_t *call)
{
    const char **order[TEXTS] = { &call->route.process_group, &call->route.application_group,
                                  &call->route.callable_object, &call->route.script,
                                  &call->route.resource, &call->route.handler,
                                  &call->origin.client, &call->origin.request_id,
                                  &call->origin.connection_id, &call->origin.resource };

    memcpy(texts, order, sizeof(order));
}

static request_fixed_t fixed_of(const wsgi_call_t *call)
{
    request_fixed_t fixed = {
        .token = call->token,
        .request_start = call->request_start,
        .queue_start = call->queue_start,
        .queued = call->queued,
        .generation = call->origin.generation,
        .server_index = call->origin.server_index,
        .client_port = call->origin.client_port,
        .daemon_connects = call->daemon_connects,
        .daemon_restarts = call->daemon_restarts,
        .field_count = call->variables.count,
        .is_https = call->is_https != 0,
        .is_handler_script = call->route.is_handler_script != 0,
        .script_reloading = call->route.script_reloading != 0,
        .ignore_activity = call->route.ignore_activity != 0,
        .enable_sendfile = call->route.enable_sendfile != 0,
    };

    memcpy(fixed.secret, call->secret, sizeof(fixed.secret));
    return fixed;
}

char *wsgi_codec_encode_request(apr_size_t *block_len, const wsgi_call_t *call, int body, apr_pool_t *pool)
{
    request_fixed_t fixed = fixed_of(call);
    wsgi_call_t copy = *call; /* list_texts() gives addresses to write to; here they are only read */
    const char **texts[TEXTS];
    apr_size_t len = sizeof(fixed) + fields_size(call->variables.items, call->variables.count);
    wsgi_frame_t frame;
    writer_t w;
    char *block;

    list_texts(texts, &copy);
    for (int i = 0; i < TEXTS; i++) {
        len += text_size(*texts[i]);
    }
    if (len > WSGI_REQUEST_MAX) {
        return NULL;
    }
    frame = wsgi_codec_frame(WSGI_FRAME_REQUEST, body, len);
    *block_len = sizeof(frame) + len;
    w.at = block = apr_palloc(pool, *block_len);
    put(&w, &frame, sizeof(frame));
    put(&w, &fixed, sizeof(fixed));
    for (int i = 0; i < TEXTS; i++) {
        put_text(&w, *texts[i]);
    }
    put_fields(&w, call->variables.items, call->variables.count);
    return block;
}

const unsigned char *wsgi_codec_secret(const char *payload, apr_size_t len)
{
    return len >= WSGI_SECRET_BYTES ? (const unsigned char *)payload + offsetof(request_fixed_t, secret) : NULL;
}

static void use_fixed(wsgi_call_t *call, const request_fixed_t *fixed)
{
    call->token = fixed->token;
    call->request_start = fixed->request_start;
    call->queue_start = fixed->queue_start;
    call->queued = fixed->queued;
    call->origin.generation = fixed->generation;
    call->origin.server_index = fixed->server_index;
    call->origin.client_port = fixed->client_port;
    call->daemon_connects = fixed->daemon_connects;
    call->daemon_restarts = fixed->daemon_restarts;
    call->is_https = fixed->is_https;
    call->route.is_handler_script = fixed->is_handler_script;
    call->route.script_reloading = fixed->script_reloading;
    call->route.ignore_activity = fixed->ignore_activity;
    call->route.enable_sendfile = fixed->enable_sendfile;
}

apr_status_t wsgi_codec_decode_request(wsgi_call_t *call, char *payload, apr_size_t len, apr_pool_t *pool)
{
    reader_t r = { payload, payload + len };
    request_fixed_t fixed;
    const char **texts[TEXTS];

    memset(call, 0, sizeof(*call));
    if (!get(&r, &fixed, sizeof(fixed))) {
        return APR_EGENERAL;
    }
    call->secret = wsgi_codec_secret(payload, len);
    use_fixed(call, &fixed);
    list_texts(texts, call);
    for (int i = 0; i < TEXTS; i++) {
        if (i < ROUTE_TEXTS ? !get_text(&r, texts[i]) : !get_optional_text(&r, texts[i])) {
            return APR_EGENERAL;
        }
    }
    if (!get_fields(&r, &call->variables, fixed.field_count, pool) || r.at != r.end) {
        return APR_EGENERAL;
    }
    return APR_SUCCESS;
}

char *wsgi_codec_encode_head(apr_size_t *block_len, const wsgi_head_t *head, apr_pool_t *pool)
{
    head_fixed_t fixed = { .status = (apr_uint32_t)head->status, .header_count = head->header_count };
    apr_size_t len = sizeof(fixed) + text_size(head->reason) + fields_size(head->headers, head->header_count);
    wsgi_frame_t frame;
    writer_t w;
    char *block;

    if (len > WSGI_HEAD_MAX) {
        return NULL;
    }
    frame = wsgi_codec_frame(WSGI_FRAME_HEAD, 0, len);
    *block_len = sizeof(frame) + len;
    w.at = block = apr_palloc(pool, *block_len);
    put(&w, &frame, sizeof(frame));
    put(&w, &fixed, sizeof(fixed));
    put_text(&w, head->reason);
    put_fields(&w, head->headers, head->header_count);
    return block;
}

/*
 * Whether a header may go to the client as it is. Of those about the connection only the wish to close it may: framing
 * is Apache's.
 */
static int is_clean_header(const wsgi_field_t *field)
{
    if (field->value == NULL || wsgi_http_check_name(field->name, field->name_len) != NULL
        || wsgi_http_check_value(field->value, field->value_len) != NULL) {
        return 0;
    }
    return !wsgi_http_is_hop_by_hop(field->name, field->name_len)
           || (strcasecmp(field->name, "Connection") == 0 && strcasecmp(field->value, "close") == 0);
}

/* The worker checked it already; but a daemon is not trusted to frame Apache's responses. */
static int is_clean_head(const wsgi_head_t *head)
{
    if (head->status < 200 || head->status > 999 || wsgi_http_check_value(head->reason, strlen(head->reason)) != NULL) {
        return 0;
    }
    for (apr_uint32_t i = 0; i < head->header_count; i++) {
        if (!is_clean_header(&head->headers[i])) {
            return 0;
        }
    }
    return 1;
}

apr_status_t wsgi_codec_decode_head(wsgi_head_t *head, char *payload, apr_size_t len, apr_pool_t *pool)
{
    reader_t r = { payload, payload + len };
    head_fixed_t fixed;
    wsgi_fields_t fields;

    memset(head, 0, sizeof(*head));
    if (!get(&r, &fixed, sizeof(fixed)) || !get_text(&r, &head->reason)
        || !get_fields(&r, &fields, fixed.header_count, pool) || r.at != r.end) {
        return APR_EGENERAL;
    }
    head->status = fixed.status <= 999 ? (int)fixed.status : 0;
    head->headers = fields.items;
    head->header_count = fields.count;
    return is_clean_head(head) ? APR_SUCCESS : APR_EGENERAL;
}
