/* sources: base/wsgi_httprules.c */
/* The same bytes as a status line, a header name, a header value, a length and a path. */
#include "base/wsgi_httprules.h"

#include "fuzz.h"

static int has_byte(const char *text, size_t len, int (*matches)(unsigned char))
{
    for (size_t i = 0; i < len; i++) {
        if (matches((unsigned char)text[i])) {
            return 1;
        }
    }
    return 0;
}

static int breaks_a_line(unsigned char c)
{
    return c == '\r' || c == '\n' || c == '\0';
}

static int ends_a_name(unsigned char c)
{
    return c <= ' ' || c >= 0x7f || c == ':';
}

static void check_response_texts(const char *text, size_t len)
{
    const char *reason;
    int code;

    if (wsgi_http_check_status(&code, &reason, text, len) == NULL) {
        FUZZ_CHECK(code >= 200 && code <= 999);
        FUZZ_CHECK(*reason == '\0' || (reason >= text + 4 && reason < text + len));
        FUZZ_CHECK(!has_byte(text, len, breaks_a_line));
    } else {
        FUZZ_CHECK(code == 0 && *reason == '\0');
    }
    FUZZ_CHECK((wsgi_http_check_name(text, len) == NULL) == (len > 0 && !has_byte(text, len, ends_a_name)));
    FUZZ_CHECK(wsgi_http_check_value(text, len) != NULL || !has_byte(text, len, breaks_a_line));
    FUZZ_CHECK(!wsgi_http_is_hop_by_hop(text, len) || wsgi_http_check_name(text, len) == NULL);
}

static void check_length(const char *text, size_t len)
{
    apr_off_t length;

    if (!wsgi_http_parse_length(&length, text, len)) {
        FUZZ_CHECK(length == -1);
        return;
    }
    FUZZ_CHECK(len > 0 && length >= 0);
    for (size_t i = len; i > 0; i--, length /= 10) {
        FUZZ_CHECK(text[i - 1] - '0' == (int)(length % 10));
    }
    FUZZ_CHECK(length == 0);
}

static void check_request_name(const char *text, size_t len, apr_pool_t *pool)
{
    apr_uint32_t name_len;
    const char *name;

    if (!wsgi_http_is_passable(text, len)) {
        return;
    }
    name = wsgi_http_cgi_name(text, len, &name_len, pool);
    FUZZ_CHECK(name_len == len + 5 && strlen(name) == name_len);
    FUZZ_CHECK(strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == name_len);
    FUZZ_CHECK(strcmp(name, "HTTP_PROXY") != 0);
}

static void check_path(const uint8_t *data, size_t size)
{
    char *path = fuzz_text(data, size);
    size_t before = strlen(path), after = wsgi_http_collapse_slashes(path);

    FUZZ_CHECK(after == strlen(path) && after <= before);
    FUZZ_CHECK(strstr(path, "//") == NULL);
    FUZZ_CHECK(wsgi_http_collapse_slashes(path) == after);
    free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *pool = fuzz_pool();
    char *text = fuzz_copy(data, size);

    check_response_texts(text, size);
    check_length(text, size);
    check_request_name(text, size, pool);
    check_path(data, size);
    apr_pool_destroy(pool);
    free(text);
    return 0;
}
