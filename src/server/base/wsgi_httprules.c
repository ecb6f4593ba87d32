#include "base/wsgi_httprules.h"

#include <limits.h>
#include <string.h>
#include <strings.h>

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int is_control(unsigned char c)
{
    return c < 0x20 || c == 0x7f;
}

const char *wsgi_http_check_status(int *code, const char **reason, const char *text, apr_size_t len)
{
    int number;

    *code = 0;
    *reason = "";
    if (len < 3 || !is_digit(text[0]) || !is_digit(text[1]) || !is_digit(text[2]) || (len > 3 && is_digit(text[3]))) {
        return "status does not begin with a three digit code";
    }
    if (len > 3 && text[3] != ' ') {
        return "status code is not followed by a space";
    }
    for (apr_size_t i = 4; i < len; i++) {
        if (is_control((unsigned char)text[i])) {
            return "reason phrase contains a control character";
        }
    }
    number = (text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0');
    if (number < 200) {
        return "status code of a final response must be 200 to 999";
    }
    *code = number;
    if (len > 4) {
        *reason = text + 4;
    }
    return NULL;
}

const char *wsgi_http_check_name(const char *name, apr_size_t len)
{
    if (len == 0) {
        return "header name is empty";
    }
    for (apr_size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)name[i];
        if (is_control(c) || c == ' ') {
            return "header name contains a control character or a space";
        }
        if (c == ':' || c > 0x7e) {
            return "header name contains a character that HTTP does not allow";
        }
    }
    return NULL;
}

const char *wsgi_http_check_value(const char *value, apr_size_t len)
{
    for (apr_size_t i = 0; i < len; i++) {
        if (is_control((unsigned char)value[i]) && value[i] != '\t') {
            return "header value contains a control character";
        }
    }
    return NULL;
}

int wsgi_http_parse_length(apr_off_t *length, const char *text, apr_size_t len)
{
    const apr_off_t max = sizeof(apr_off_t) == 8 ? (apr_off_t)APR_INT64_MAX : (apr_off_t)APR_INT32_MAX;
    apr_off_t total = 0;

    *length = -1;
    if (len == 0) {
        return 0;
    }
    for (apr_size_t i = 0; i < len; i++) {
        int digit = text[i] - '0';
        if (!is_digit(text[i]) || total > (max - digit) / 10) {
            return 0;
        }
        total = total * 10 + digit;
    }
    *length = total;
    return 1;
}

int wsgi_http_is_hop_by_hop(const char *name, apr_size_t len)
{
    static const char *const names[] = { "Connection", "Keep-Alive",        "Proxy-Connection", "TE",
                                         "Trailer",    "Transfer-Encoding", "Upgrade" };

    for (apr_size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strlen(names[i]) == len && strncasecmp(names[i], name, len) == 0) {
            return 1;
        }
    }
    return 0;
}

int wsgi_http_is_passable(const char *name, apr_size_t len)
{
    for (apr_size_t i = 0; i < len; i++) {
        char c = name[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '-')) {
            return 0;
        }
    }
    return len > 0 && !(len == 5 && strncasecmp(name, "Proxy", 5) == 0);
}

const char *wsgi_http_cgi_name(const char *name, apr_size_t len, apr_uint32_t *out_len, apr_pool_t *pool)
{
    char *out = apr_palloc(pool, len + 6);

    memcpy(out, "HTTP_", 5);
    for (apr_size_t i = 0; i < len; i++) {
        char c = name[i];
        out[5 + i] = c == '-' ? '_' : (c >= 'a' && c <= 'z') ? (char)(c - 'a' + 'A') : c;
    }
    out[5 + len] = '\0';
    *out_len = (apr_uint32_t)(len + 5);
    return out;
}

apr_size_t wsgi_http_collapse_slashes(char *path)
{
    char *to = path;

    for (const char *from = path; *from; from++) {
        if (*from != '/' || to == path || to[-1] != '/') {
            *to++ = *from;
        }
    }
    *to = '\0';
    return (apr_size_t)(to - path);
}
