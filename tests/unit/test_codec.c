/* sources: wire/wsgi_codec.c base/wsgi_httprules.c base/wsgi_fields.c */
#include "wire/wsgi_codec.h"

#include "wsgi_tap.h"

static unsigned char secret[WSGI_SECRET_BYTES];
static wsgi_call_t call;

static void make_call(void)
{
    memset(&call, 0, sizeof(call));
    for (int i = 0; i < WSGI_SECRET_BYTES; i++) {
        secret[i] = (unsigned char)(200 + i);
    }
    call.secret = secret;
    call.token = APR_UINT64_C(0xfedcba9876543210);
    call.request_start = APR_INT64_C(1700000000123456);
    call.queue_start = APR_INT64_C(1700000000123999);
    call.is_https = 1;
    call.queued = 9;
    call.daemon_connects = 2;
    call.daemon_restarts = 1;
    call.route = (wsgi_route_t){ .process_group = "app", .application_group = "", .callable_object = "application",
                                 .script = "/srv/app.wsgi", .resource = "/srv/page", .handler = "wsgi-script",
                                 .is_handler_script = 1, .script_reloading = 1, .enable_sendfile = 1 };
    call.origin = (wsgi_origin_t){ .generation = 7, .server_index = 3, .client_port = 40001, .client = "192.0.2.1",
                                   .request_id = "Zr", .connection_id = NULL, .resource = "" };
    wsgi_fields_init(&call.variables, 1, tap.pool);
    wsgi_fields_add(&call.variables, "REQUEST_METHOD", "GET");
    wsgi_fields_add(&call.variables, "EMPTY", "");
    wsgi_fields_add(&call.variables, "ABSENT", NULL);
    wsgi_fields_addn(&call.variables, "RAW", 3, "a\0b\xff", 4);
}

/* Encode `call`. @return its payload in a block of exactly its size */
static char *encode(apr_size_t *len)
{
    apr_size_t block_len = 0;
    wsgi_frame_t frame;
    char *block = wsgi_codec_encode_request(&block_len, &call, WSGI_BODY_DEFERRED, tap.pool);

    memcpy(&frame, block, sizeof(frame));
    CHECK_INT(frame.type, WSGI_FRAME_REQUEST);
    CHECK_INT(frame.flags, WSGI_BODY_DEFERRED);
    CHECK_INT(frame.zero, 0);
    CHECK_INT(frame.length, block_len - sizeof(frame));
    *len = frame.length;
    return tap_copy(block + sizeof(frame), frame.length);
}

static void request_survives_the_round_trip(void)
{
    apr_size_t len;
    wsgi_call_t got;
    char *payload;

    make_call();
    payload = encode(&len);
    CHECK_OR_RETURN(wsgi_codec_decode_request(&got, payload, len, tap.pool) == APR_SUCCESS);
    CHECK_BYTES((const char *)got.secret, WSGI_SECRET_BYTES, (const char *)secret, WSGI_SECRET_BYTES);
    CHECK(got.token == call.token);
    CHECK_TIME(got.request_start, call.request_start);
    CHECK_TIME(got.queue_start, call.queue_start);
    CHECK_INT(got.is_https, 1);
    CHECK_TIME(got.queued, 9);
    CHECK_INT(got.daemon_connects, 2);
    CHECK_INT(got.daemon_restarts, 1);
    CHECK_STR(got.route.process_group, "app");
    CHECK_STR(got.route.application_group, "");
    CHECK_STR(got.route.callable_object, "application");
    CHECK_STR(got.route.script, "/srv/app.wsgi");
    CHECK_STR(got.route.resource, "/srv/page");
    CHECK_STR(got.route.handler, "wsgi-script");
    CHECK_INT(got.route.is_handler_script, 1);
    CHECK_INT(got.route.script_reloading, 1);
    CHECK_INT(got.route.ignore_activity, 0);
    CHECK_INT(got.route.enable_sendfile, 1);
}

static void origin_and_variables_survive_the_round_trip(void)
{
    apr_size_t len;
    wsgi_call_t got;
    char *payload;

    make_call();
    payload = encode(&len);
    CHECK_OR_RETURN(wsgi_codec_decode_request(&got, payload, len, tap.pool) == APR_SUCCESS);
    CHECK_INT(got.origin.generation, 7);
    CHECK_INT(got.origin.server_index, 3);
    CHECK_INT(got.origin.client_port, 40001);
    CHECK_STR(got.origin.client, "192.0.2.1");
    CHECK_STR(got.origin.request_id, "Zr");
    CHECK_STR(got.origin.connection_id, NULL);
    CHECK_STR(got.origin.resource, "");
    CHECK_INT(got.variables.count, 4);
    CHECK_STR(got.variables.items[0].value, "GET");
    CHECK_STR(got.variables.items[1].value, "");
    CHECK_STR(got.variables.items[2].value, NULL);
    CHECK_BYTES(got.variables.items[3].value, got.variables.items[3].value_len, "a\0b\xff", 4);
}

static void texts_stay_where_they_were_received(void)
{
    apr_size_t len;
    wsgi_call_t got;
    char *payload;

    make_call();
    payload = encode(&len);
    CHECK_OR_RETURN(wsgi_codec_decode_request(&got, payload, len, tap.pool) == APR_SUCCESS);
    CHECK(got.route.script > payload && got.route.script < payload + len);
    CHECK(got.variables.items[3].value > payload && got.variables.items[3].value < payload + len);
}

static void request_of_any_other_length_is_refused(void)
{
    apr_size_t len;
    wsgi_call_t got;
    char *payload, *longer;

    make_call();
    payload = encode(&len);
    for (apr_size_t cut = 0; cut < len; cut++) {
        char *shorter = malloc(cut > 0 ? cut : 1);
        CHECK_OR_RETURN(shorter != NULL);
        memcpy(shorter, payload, cut);
        CHECK(wsgi_codec_decode_request(&got, shorter, cut, tap.pool) != APR_SUCCESS);
        free(shorter);
    }
    longer = apr_palloc(tap.pool, len + 1);
    memcpy(longer, payload, len);
    longer[len] = '\0';
    CHECK(wsgi_codec_decode_request(&got, longer, len + 1, tap.pool) != APR_SUCCESS);
}

/* Every byte of the payload changed in several ways: whatever is accepted must be whole. */
static void changed_request_is_refused_or_whole(void)
{
    static const unsigned char changes[] = { 1, 0x7f, 0x80, 0xff };
    apr_size_t len;
    char *payload;

    make_call();
    payload = encode(&len);
    for (apr_size_t i = 0; i < len * sizeof(changes); i++) {
        char *changed = malloc(len);
        wsgi_call_t got;
        CHECK_OR_RETURN(changed != NULL);
        memcpy(changed, payload, len);
        changed[i / sizeof(changes)] = (char)(changed[i / sizeof(changes)] + changes[i % sizeof(changes)]);
        if (wsgi_codec_decode_request(&got, changed, len, tap.pool) == APR_SUCCESS) {
            CHECK(got.route.script != NULL && strlen(got.route.script) < len);
            for (apr_uint32_t f = 0; f < got.variables.count; f++) {
                CHECK(got.variables.items[f].name[got.variables.items[f].name_len] == '\0');
            }
        }
        free(changed);
    }
}

static void request_that_is_too_large_is_not_made(void)
{
    apr_size_t len = 0;
    char *value = malloc(WSGI_REQUEST_MAX + 1);

    CHECK_OR_RETURN(value != NULL);
    memset(value, 'x', WSGI_REQUEST_MAX);
    value[WSGI_REQUEST_MAX] = '\0';
    make_call();
    wsgi_fields_add(&call.variables, "LARGE", value);
    CHECK(wsgi_codec_encode_request(&len, &call, WSGI_BODY_NONE, tap.pool) == NULL);
    free(value);
}

static const wsgi_field_t headers[] = {
    { "Content-Type", "text/plain", 12, 10 },
    { "Set-Cookie", "a=b", 10, 3 },
    { "Set-Cookie", "", 10, 0 },
};

static char *encode_head(apr_size_t *len, const wsgi_head_t *head)
{
    apr_size_t block_len = 0;
    char *block = wsgi_codec_encode_head(&block_len, head, tap.pool);
    wsgi_frame_t frame;

    memcpy(&frame, block, sizeof(frame));
    CHECK_INT(frame.type, WSGI_FRAME_HEAD);
    CHECK_INT(frame.length, block_len - sizeof(frame));
    *len = frame.length;
    return tap_copy(block + sizeof(frame), frame.length);
}

static apr_status_t pass_head(wsgi_head_t *got, const wsgi_head_t *head)
{
    apr_size_t len;
    char *payload = encode_head(&len, head);

    return wsgi_codec_decode_head(got, payload, len, tap.pool);
}

static void head_survives_the_round_trip(void)
{
    wsgi_head_t head = { 404, "Not \xe9", headers, 3 }, got;

    CHECK_OR_RETURN(pass_head(&got, &head) == APR_SUCCESS);
    CHECK_INT(got.status, 404);
    CHECK_STR(got.reason, "Not \xe9");
    CHECK_INT(got.header_count, 3);
    CHECK_STR(got.headers[0].name, "Content-Type");
    CHECK_STR(got.headers[1].value, "a=b");
    CHECK_STR(got.headers[2].value, "");
}

static void head_without_headers_and_reason(void)
{
    wsgi_head_t head = { 204, "", NULL, 0 }, got;

    CHECK_OR_RETURN(pass_head(&got, &head) == APR_SUCCESS);
    CHECK_INT(got.status, 204);
    CHECK_STR(got.reason, "");
    CHECK_INT(got.header_count, 0);
}

static void head_that_would_break_framing_is_refused(void)
{
    static const wsgi_field_t bad[] = {
        { "A", "b\r\nC: d", 1, 7 }, { "A", "\n", 1, 1 },     { "A b", "c", 3, 1 },        { "", "c", 0, 1 },
        { "A:", "c", 2, 1 },        { "A", "b\0c", 1, 3 },   { "A", NULL, 1, 0 },         { "A\xff", "c", 2, 1 },
        { "Connection", "Keep-Alive", 10, 10 }, { "Connection", "close, te", 10, 9 }, { "Connection", "", 10, 0 },
        { "te", "trailers", 2, 8 }, { "UPGRADE", "h2c", 7, 3 }, { "Transfer-Encoding", "chunked", 17, 7 },
    };
    wsgi_head_t got;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        wsgi_head_t head = { 200, "OK", &bad[i], 1 };
        if (!CHECK(pass_head(&got, &head) != APR_SUCCESS)) {
            printf("#    for row %d\n", (int)i);
        }
    }
    CHECK(pass_head(&got, &(wsgi_head_t){ 200, "O\rK", headers, 1 }) != APR_SUCCESS);
    CHECK(pass_head(&got, &(wsgi_head_t){ 199, "X", headers, 1 }) != APR_SUCCESS);
    CHECK(pass_head(&got, &(wsgi_head_t){ 1000, "X", headers, 1 }) != APR_SUCCESS);
    CHECK(pass_head(&got, &(wsgi_head_t){ 0, "X", headers, 1 }) != APR_SUCCESS);
    CHECK(pass_head(&got, &(wsgi_head_t){ -200, "X", headers, 1 }) != APR_SUCCESS);
}

static void head_may_ask_for_the_connection_to_be_closed(void)
{
    static const wsgi_field_t closing = { "connection", "Close", 10, 5 };
    wsgi_head_t head = { 200, "OK", &closing, 1 }, got;

    CHECK_INT(pass_head(&got, &head), APR_SUCCESS);
    CHECK_INT(got.header_count, 1);
}

static void head_of_any_other_length_is_refused(void)
{
    wsgi_head_t head = { 200, "OK", headers, 3 }, got;
    apr_size_t len;
    char *payload = encode_head(&len, &head);

    for (apr_size_t cut = 0; cut < len; cut++) {
        char *shorter = tap_copy(payload, cut);
        CHECK(wsgi_codec_decode_head(&got, shorter, cut, tap.pool) != APR_SUCCESS);
    }
    CHECK(wsgi_codec_decode_head(&got, payload, len, tap.pool) == APR_SUCCESS);
}

static int is_valid(int type, apr_uint32_t length, int flags, int from_child)
{
    wsgi_frame_t frame = wsgi_codec_frame((wsgi_frame_type_t)type, flags, length);

    return wsgi_codec_is_valid(&frame, from_child);
}

static void frames_come_from_their_side_only(void)
{
    static const int from_child[] = { WSGI_FRAME_REQUEST, WSGI_FRAME_BODY, WSGI_FRAME_BODY_END,
                                      WSGI_FRAME_BODY_FAILED };
    static const int from_worker[] = { WSGI_FRAME_GO, WSGI_FRAME_HEAD, WSGI_FRAME_DATA, WSGI_FRAME_FILE,
                                       WSGI_FRAME_END };

    for (int type = 0; type < 256; type++) {
        int expect_child = 0, expect_worker = 0;
        for (int i = 0; i < 4; i++) {
            expect_child |= from_child[i] == type;
        }
        for (int i = 0; i < 5; i++) {
            expect_worker |= from_worker[i] == type;
        }
        for (apr_uint32_t length = 0; length <= 64; length += 16) { /* one of them fits every type */
            CHECK(expect_child || !is_valid(type, length, 0, 1));
            CHECK(expect_worker || !is_valid(type, length, 0, 0));
        }
    }
}

static void lengths_of_frames_are_bounded(void)
{
    CHECK(is_valid(WSGI_FRAME_REQUEST, WSGI_REQUEST_MAX, 0, 1));
    CHECK(!is_valid(WSGI_FRAME_REQUEST, WSGI_REQUEST_MAX + 1, 0, 1));
    CHECK(is_valid(WSGI_FRAME_BODY, WSGI_DATA_MAX, 0, 1));
    CHECK(!is_valid(WSGI_FRAME_BODY, WSGI_DATA_MAX + 1, 0, 1));
    CHECK(!is_valid(WSGI_FRAME_BODY, 0, 0, 1));
    CHECK(!is_valid(WSGI_FRAME_BODY_END, 1, 0, 1));
    CHECK(!is_valid(WSGI_FRAME_BODY_FAILED, 1, 0, 1));
    CHECK(!is_valid(WSGI_FRAME_GO, 1, 0, 0));
    CHECK(is_valid(WSGI_FRAME_HEAD, WSGI_HEAD_MAX, 0, 0));
    CHECK(!is_valid(WSGI_FRAME_HEAD, WSGI_HEAD_MAX + 1, 0, 0));
    CHECK(!is_valid(WSGI_FRAME_DATA, 0, 0, 0));
    CHECK(!is_valid(WSGI_FRAME_DATA, 0xffffffffu, 0, 0));
    CHECK(is_valid(WSGI_FRAME_FILE, sizeof(wsgi_file_piece_t), 0, 0));
    CHECK(!is_valid(WSGI_FRAME_FILE, sizeof(wsgi_file_piece_t) - 1, 0, 0));
    CHECK(!is_valid(WSGI_FRAME_END, 1, 0, 0));
}

static void flags_of_frames_are_bounded(void)
{
    wsgi_frame_t frame = wsgi_codec_frame(WSGI_FRAME_GO, 0, 0);

    CHECK(is_valid(WSGI_FRAME_REQUEST, 1, WSGI_BODY_DEFERRED, 1));
    CHECK(!is_valid(WSGI_FRAME_REQUEST, 1, WSGI_BODY_DEFERRED + 1, 1));
    CHECK(is_valid(WSGI_FRAME_END, 0, WSGI_OUTCOME_COUNT - 1, 0));
    CHECK(!is_valid(WSGI_FRAME_END, 0, WSGI_OUTCOME_COUNT, 0));
    CHECK(is_valid(WSGI_FRAME_END, 0, (WSGI_OUTCOME_COUNT - 1) | WSGI_END_KEPT, 0));
    CHECK(!is_valid(WSGI_FRAME_END, 0, WSGI_OUTCOME_COUNT | WSGI_END_KEPT, 0));
    CHECK(!is_valid(WSGI_FRAME_HEAD, 8, WSGI_END_KEPT, 0));
    CHECK(wsgi_codec_is_valid(&frame, 0));
    frame.zero = 1;
    CHECK(!wsgi_codec_is_valid(&frame, 0));
}

static void an_end_says_whether_the_connection_is_kept(void)
{
    wsgi_frame_t frame = wsgi_codec_frame(WSGI_FRAME_END, WSGI_EXPIRED, 0);
    int is_kept = 1;

    CHECK_INT(wsgi_codec_end(&frame, &is_kept), WSGI_EXPIRED);
    CHECK_INT(is_kept, 0);
    frame = wsgi_codec_frame(WSGI_FRAME_END, WSGI_EXPIRED | WSGI_END_KEPT, 0);
    CHECK_INT(wsgi_codec_end(&frame, &is_kept), WSGI_EXPIRED);
    CHECK_INT(is_kept, 1);
}

static void secret_is_found_before_the_rest_is_decoded(void)
{
    apr_size_t len;
    char *payload, *only;

    make_call();
    payload = encode(&len);
    only = tap_copy(payload, WSGI_SECRET_BYTES);
    CHECK_BYTES((const char *)wsgi_codec_secret(only, WSGI_SECRET_BYTES), WSGI_SECRET_BYTES, (const char *)secret,
                WSGI_SECRET_BYTES);
    CHECK(wsgi_codec_secret(only, WSGI_SECRET_BYTES - 1) == NULL);
    CHECK(wsgi_codec_secret(only, 0) == NULL);
}

/* Shorter for who reads it as C text than for who goes by its length. */
static void text_with_a_nul_inside_is_refused(void)
{
    apr_size_t len;
    wsgi_call_t got;
    char *payload;

    make_call();
    payload = encode(&len);
    for (apr_size_t i = 0; i + 8 < len; i++) {
        if (memcmp(payload + i, "/srv/app", 8) == 0) {
            payload[i + 2] = '\0';
        }
    }
    CHECK_INT(wsgi_codec_decode_request(&got, payload, len, tap.pool), APR_EGENERAL);
}

static void head_that_counts_a_billion_headers_is_refused(void)
{
    apr_uint32_t fixed[4] = { 200, 1000000000u, 0, 0 };
    wsgi_head_t got;

    CHECK_INT(wsgi_codec_decode_head(&got, tap_copy(fixed, sizeof(fixed)), sizeof(fixed), tap.pool), APR_EGENERAL);
}

int main(void)
{
    TAP_RUN(request_survives_the_round_trip);
    TAP_RUN(origin_and_variables_survive_the_round_trip);
    TAP_RUN(texts_stay_where_they_were_received);
    TAP_RUN(request_of_any_other_length_is_refused);
    TAP_RUN(changed_request_is_refused_or_whole);
    TAP_RUN(request_that_is_too_large_is_not_made);
    TAP_RUN(head_survives_the_round_trip);
    TAP_RUN(head_without_headers_and_reason);
    TAP_RUN(head_that_would_break_framing_is_refused);
    TAP_RUN(head_may_ask_for_the_connection_to_be_closed);
    TAP_RUN(head_of_any_other_length_is_refused);
    TAP_RUN(frames_come_from_their_side_only);
    TAP_RUN(lengths_of_frames_are_bounded);
    TAP_RUN(flags_of_frames_are_bounded);
    TAP_RUN(an_end_says_whether_the_connection_is_kept);
    TAP_RUN(secret_is_found_before_the_rest_is_decoded);
    TAP_RUN(text_with_a_nul_inside_is_refused);
    TAP_RUN(head_that_counts_a_billion_headers_is_refused);
    return tap_done();
}
