/* sources: wire/wsgi_codec.c base/wsgi_httprules.c base/wsgi_fields.c */
/*
 * A HEAD frame, which a worker sends and an Apache child must not trust. The first byte says what the rest is:
 *   R  the payload as it comes over the socket
 *   M  a line of changes, then lines as for any other byte: they are encoded, changed, decoded
 *   -  lines: status code, reason, then names and values of headers; accepted exactly when each of them is good
 */
#include "wire/wsgi_codec.h"

#include "base/wsgi_httprules.h"
#include "fuzz.h"

#include <strings.h>

/* Of the headers about the connection a worker may pass one: the wish to close it. */
static int is_about_connection(const wsgi_field_t *field)
{
    return wsgi_http_is_hop_by_hop(field->name, field->name_len)
           && (strcasecmp(field->name, "Connection") != 0 || strcasecmp(field->value, "close") != 0);
}

static int is_good(const wsgi_head_t *head)
{
    if (head->status < 200 || head->status > 999 || wsgi_http_check_value(head->reason, strlen(head->reason)) != NULL) {
        return 0;
    }
    for (apr_uint32_t i = 0; i < head->header_count; i++) {
        const wsgi_field_t *field = &head->headers[i];
        if (field->value == NULL || wsgi_http_check_name(field->name, field->name_len) != NULL
            || wsgi_http_check_value(field->value, field->value_len) != NULL
            || is_about_connection(field)) {
            return 0;
        }
    }
    return 1;
}

static int decode(const char *payload, size_t len, apr_pool_t *pool)
{
    char *copy = fuzz_copy(payload, len);
    wsgi_head_t head;
    int is_accepted = wsgi_codec_decode_head(&head, copy, len, pool) == APR_SUCCESS;

    if (is_accepted) {
        FUZZ_CHECK(is_good(&head));
        fuzz_read(head.reason, strlen(head.reason) + 1);
        for (apr_uint32_t i = 0; i < head.header_count; i++) {
            fuzz_read(head.headers[i].name, head.headers[i].name_len + 1u);
            fuzz_read(head.headers[i].value, head.headers[i].value_len + 1u);
        }
    }
    free(copy);
    return is_accepted;
}

static void fill(wsgi_head_t *head, char *lines, apr_pool_t *pool)
{
    const char *status = fuzz_line(&lines), *reason = fuzz_line(&lines), *name;
    wsgi_fields_t fields;

    wsgi_fields_init(&fields, 4, pool);
    while ((name = fuzz_line(&lines)) != NULL) {
        wsgi_fields_add(&fields, name, fuzz_line(&lines));
    }
    head->status = status != NULL ? atoi(status) : 0;
    head->reason = reason != NULL ? reason : "";
    head->headers = fields.items;
    head->header_count = fields.count;
}

static void encode_and_decode(char *lines, const char *changes, apr_pool_t *pool)
{
    wsgi_head_t head;
    wsgi_frame_t frame;
    apr_size_t block_len;
    char *block, *payload;

    fill(&head, lines, pool);
    block = wsgi_codec_encode_head(&block_len, &head, pool);
    FUZZ_CHECK(block != NULL && block_len > sizeof(frame));
    memcpy(&frame, block, sizeof(frame));
    FUZZ_CHECK(wsgi_codec_is_valid(&frame, 0) && !wsgi_codec_is_valid(&frame, 1));
    FUZZ_CHECK(frame.length == block_len - sizeof(frame));
    payload = block + sizeof(frame);
    if (changes == NULL) {
        FUZZ_CHECK(decode(payload, frame.length, pool) == is_good(&head));
        for (apr_size_t len = 0; len < frame.length; len++) { /* cut anywhere it is no head */
            FUZZ_CHECK(!decode(payload, len, pool));
        }
        FUZZ_CHECK(!decode(apr_pstrmemdup(pool, payload, frame.length), frame.length + 1, pool)); /* nor longer */
        return;
    }
    for (size_t i = 0; i + 2 < strlen(changes); i += 3) { /* offset, high and low, and what is added there */
        const unsigned char *c = (const unsigned char *)changes + i;
        size_t at = (c[0] * 256u + c[1]) % frame.length;
        payload[at] = (char)(payload[at] + c[2]);
    }
    decode(payload, frame.length, pool);
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
        decode((const char *)data + 1, size - 1, pool);
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
