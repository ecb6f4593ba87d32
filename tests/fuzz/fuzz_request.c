/* sources: wire/wsgi_codec.c base/wsgi_httprules.c base/wsgi_fields.c */
/*
 * A REQUEST frame. The first byte says what the rest is:
 *   R  the payload as it comes over the socket
 *   M  a line of changes, then lines as for any other byte: they are encoded, changed, decoded
 *   -  lines: the texts of a call in their order, then names and values of its variables; must survive the round trip
 * So the corpus is text and stays good when the layout of the frame changes.
 */
#include "wire/wsgi_codec.h"

#include "fuzz.h"

enum { TEXTS = 10, MAX_FIELDS = 64 };

static const unsigned char secret[WSGI_SECRET_BYTES] = { 's' };

static void list_texts(const char **texts[TEXTS], wsgi_call_t *call)
{
    texts[0] = &call->route.process_group;
    texts[1] = &call->route.application_group;
    texts[2] = &call->route.callable_object;
    texts[3] = &call->route.script;
    texts[4] = &call->route.resource;
    texts[5] = &call->route.handler;
    texts[6] = &call->origin.client;
    texts[7] = &call->origin.request_id;
    texts[8] = &call->origin.connection_id;
    texts[9] = &call->origin.resource;
}

static void fill(wsgi_call_t *call, char *lines, apr_pool_t *pool)
{
    const char **texts[TEXTS];
    const char *name;

    memset(call, 0, sizeof(*call));
    call->secret = secret;
    call->token = strlen(lines) + 1;
    call->request_start = 1700000000000000;
    call->origin.generation = 3;
    call->origin.server_index = -1;
    list_texts(texts, call);
    for (int i = 0; i < TEXTS; i++) {
        const char *line = fuzz_line(&lines);
        *texts[i] = line != NULL ? line : i < 6 ? "" : NULL;
    }
    wsgi_fields_init(&call->variables, 1, pool);
    while (call->variables.count < MAX_FIELDS && (name = fuzz_line(&lines)) != NULL) {
        wsgi_fields_add(&call->variables, name, fuzz_line(&lines));
    }
}

static void read_all(wsgi_call_t *call)
{
    const char **texts[TEXTS];

    list_texts(texts, call);
    for (int i = 0; i < TEXTS; i++) {
        FUZZ_CHECK(i >= 6 || *texts[i] != NULL);
        fuzz_read(*texts[i], *texts[i] ? strlen(*texts[i]) + 1 : 0);
    }
    fuzz_read((const char *)call->secret, WSGI_SECRET_BYTES);
    for (apr_uint32_t i = 0; i < call->variables.count; i++) {
        const wsgi_field_t *field = &call->variables.items[i];
        FUZZ_CHECK(field->name != NULL && field->name[field->name_len] == '\0');
        fuzz_read(field->name, field->name_len);
        FUZZ_CHECK(field->value != NULL ? field->value[field->value_len] == '\0' : field->value_len == 0);
        fuzz_read(field->value, field->value_len);
    }
}

static int is_same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void check_same(wsgi_call_t *a, wsgi_call_t *b)
{
    const char **texts_a[TEXTS], **texts_b[TEXTS];

    list_texts(texts_a, a);
    list_texts(texts_b, b);
    for (int i = 0; i < TEXTS; i++) {
        FUZZ_CHECK(is_same_text(*texts_a[i], *texts_b[i]));
    }
    FUZZ_CHECK(memcmp(a->secret, b->secret, WSGI_SECRET_BYTES) == 0 && a->token == b->token);
    FUZZ_CHECK(a->request_start == b->request_start && a->queue_start == b->queue_start);
    FUZZ_CHECK(a->origin.generation == b->origin.generation && a->origin.server_index == b->origin.server_index);
    FUZZ_CHECK(a->variables.count == b->variables.count);
    for (apr_uint32_t i = 0; i < a->variables.count; i++) {
        FUZZ_CHECK(is_same_text(a->variables.items[i].name, b->variables.items[i].name));
        FUZZ_CHECK(is_same_text(a->variables.items[i].value, b->variables.items[i].value));
    }
}

/* Three bytes each: offset, high and low, and what is added there. */
static void change(char *payload, size_t len, const char *changes)
{
    size_t count = strlen(changes) / 3;

    for (size_t i = 0; i < count && len > 0; i++) {
        const unsigned char *c = (const unsigned char *)changes + 3 * i;
        size_t at = (c[0] * 256u + c[1]) % len;
        payload[at] = (char)(payload[at] + c[2]);
    }
}

static void decode(const char *payload, size_t len, wsgi_call_t *expected, apr_pool_t *pool)
{
    char *copy = fuzz_copy(payload, len);
    wsgi_call_t call;

    if (wsgi_codec_decode_request(&call, copy, len, pool) == APR_SUCCESS) {
        read_all(&call);
        if (expected != NULL) {
            check_same(&call, expected);
        }
    } else {
        FUZZ_CHECK(expected == NULL);
    }
    free(copy);
}

/* Cut anywhere, or with a byte more, it is no request. */
static void refuse_other_lengths(const char *payload, size_t size, apr_pool_t *pool)
{
    wsgi_call_t call;
    char *copy;

    for (size_t len = 0; len < size; len++) {
        copy = fuzz_copy(payload, len);
        FUZZ_CHECK(wsgi_codec_decode_request(&call, copy, len, pool) != APR_SUCCESS);
        free(copy);
    }
    copy = fuzz_text(payload, size);
    FUZZ_CHECK(wsgi_codec_decode_request(&call, copy, size + 1, pool) != APR_SUCCESS);
    free(copy);
}

static void encode_and_decode(char *lines, const char *changes, apr_pool_t *pool)
{
    wsgi_call_t call;
    wsgi_frame_t frame;
    apr_size_t block_len;
    char *block, *payload;

    fill(&call, lines, pool);
    block = wsgi_codec_encode_request(&block_len, &call, WSGI_BODY_NONE, pool);
    FUZZ_CHECK(block != NULL && block_len > sizeof(frame));
    memcpy(&frame, block, sizeof(frame));
    FUZZ_CHECK(wsgi_codec_is_valid(&frame, 1) && !wsgi_codec_is_valid(&frame, 0));
    FUZZ_CHECK(frame.length == block_len - sizeof(frame));
    payload = block + sizeof(frame);
    if (changes == NULL) {
        decode(payload, frame.length, &call, pool);
        refuse_other_lengths(payload, frame.length, pool);
        return;
    }
    change(payload, frame.length, changes);
    decode(payload, frame.length, NULL, pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *pool;
    char *text, *lines, *changes = NULL;

    if (size == 0 || size > 4096) {
        return 0; /* larger inputs only take longer */
    }
    pool = fuzz_pool();
    if (data[0] == 'R') {
        decode((const char *)data + 1, size - 1, NULL, pool);
        apr_pool_destroy(pool);
        return 0;
    }
    text = lines = fuzz_text(data + 1, size - 1);
    if (data[0] == 'M') {
        changes = fuzz_line(&lines);
    }
    if (data[0] != 'M' || changes != NULL) {
        encode_and_decode(lines, changes, pool);
    }
    apr_pool_destroy(pool);
    free(text);
    return 0;
}
