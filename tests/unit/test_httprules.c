/* sources: base/wsgi_httprules.c */
#include "base/wsgi_httprules.h"

#include "wsgi_tap.h"

#include <apr_strings.h>

static int code;
static const char *reason, *status_text;

/* Check a status line that lies in a block of its own, so that reading beyond it is seen. */
static const char *check_status(const char *text, size_t len)
{
    status_text = tap_copy(text, len);
    return wsgi_http_check_status(&code, &reason, status_text, len);
}

static void status_with_reason(void)
{
    CHECK_STR(check_status("200 OK", 6), NULL);
    CHECK_INT(code, 200);
    CHECK_BYTES(reason, 2, "OK", 2);
    CHECK(reason == status_text + 4);
    CHECK_STR(check_status("404 Not Found", 13), NULL);
    CHECK_INT(code, 404);
    CHECK_STR(check_status("999 \xe9 (\"x\")", 11), NULL);
    CHECK_INT(code, 999);
}

static void status_without_reason(void)
{
    CHECK_STR(check_status("200", 3), NULL);
    CHECK_INT(code, 200);
    CHECK_STR(reason, "");
    CHECK_STR(check_status("204 ", 4), NULL);
    CHECK_INT(code, 204);
    CHECK_STR(reason, "");
}

static void reason_keeps_blanks_of_its_own(void)
{
    CHECK_STR(check_status("200  OK ", 8), NULL);
    CHECK_BYTES(reason, 4, " OK ", 4);
}

static void refuse_status(const char *text, size_t len, const char *about)
{
    code = 42;
    reason = NULL;
    CHECK_CONTAINS(check_status(text, len), about);
    CHECK_INT(code, 0);
    CHECK_STR(reason, "");
}

static void status_without_three_digits(void)
{
    static const char *const texts[] = { "",     "2",    "20",   "OK",   "20X",  "2000", "2000 OK", " 200", "+20",
                                         "-20 ", "2 0",  "0x1 ", "20\0", "2.0 ", "\xb2\xb0\xb0", "HTTP/1.1 200 OK" };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        refuse_status(texts[i], strlen(texts[i]), "three digit");
    }
}

static void status_code_must_be_followed_by_a_space(void)
{
    refuse_status("200OK", 5, "space");
    refuse_status("200\tOK", 6, "space");
    refuse_status("200\n", 4, "space");
    refuse_status("200-OK", 6, "space");
    refuse_status("200\0OK", 6, "space");
    refuse_status("200\xa0", 4, "space");
}

static void status_outside_the_final_ones(void)
{
    refuse_status("000 X", 5, "200 to 999");
    refuse_status("100 Continue", 12, "200 to 999");
    refuse_status("101 Switching Protocols", 23, "200 to 999");
    refuse_status("103", 3, "200 to 999");
    refuse_status("199 X", 5, "200 to 999");
    CHECK_STR(check_status("200", 3), NULL);
    CHECK_STR(check_status("999", 3), NULL);
}

static void no_control_character_in_a_reason(void)
{
    char text[] = "200 a_b";

    for (int c = 0; c < 256; c++) {
        text[5] = (char)c;
        if (c < 0x20 || c == 0x7f) {
            refuse_status(text, 7, "control character");
        } else {
            CHECK_STR(check_status(text, 7), NULL);
        }
    }
    refuse_status("200 OK\r\nX: 1", 12, "control character");
    refuse_status("200 \0", 5, "control character");
}

static const char *check_name(const char *name, size_t len)
{
    return wsgi_http_check_name(tap_copy(name, len), len);
}

static void every_byte_in_a_header_name(void)
{
    char name[] = "a_b";

    for (int c = 0; c < 256; c++) {
        int is_good = c > 0x20 && c < 0x7f && c != ':';
        const char *wrong;
        name[1] = (char)c;
        wrong = check_name(name, 3);
        if (!CHECK((wrong == NULL) == is_good)) {
            printf("#    for byte %d\n", c);
        }
    }
}

static void header_name_is_checked_to_both_ends(void)
{
    CHECK_STR(check_name("Content-Type", 12), NULL);
    CHECK_STR(check_name("X", 1), NULL);
    CHECK_STR(check_name("x(y)", 4), NULL);
    CHECK_CONTAINS(check_name("", 0), "empty");
    CHECK(check_name(" X", 2) != NULL);
    CHECK(check_name("X ", 2) != NULL);
    CHECK(check_name("X\n", 2) != NULL);
    CHECK(check_name("X\0", 2) != NULL);
    CHECK(check_name("X:", 2) != NULL);
}

static const char *check_value(const char *value, size_t len)
{
    return wsgi_http_check_value(tap_copy(value, len), len);
}

static void every_byte_in_a_header_value(void)
{
    char value[] = "a_b";

    for (int c = 0; c < 256; c++) {
        int is_good = c == '\t' || (c >= 0x20 && c != 0x7f);
        value[1] = (char)c;
        if (!CHECK((check_value(value, 3) == NULL) == is_good)) {
            printf("#    for byte %d\n", c);
        }
    }
}

static void header_value_may_be_empty_and_is_checked_to_both_ends(void)
{
    CHECK_STR(check_value("", 0), NULL);
    CHECK_STR(check_value(" ", 1), NULL);
    CHECK(check_value("\nx", 2) != NULL);
    CHECK(check_value("x\r", 2) != NULL);
    CHECK(check_value("x\0", 2) != NULL);
    CHECK(check_value("a\r\nSet-Cookie: x", 16) != NULL);
}

static void check_length(const char *text, apr_off_t want)
{
    apr_off_t length = 42;
    size_t len = strlen(text);

    if (!CHECK_INT(wsgi_http_parse_length(&length, tap_copy(text, len), len), want >= 0)
        || !CHECK_INT(length, want)) {
        tap_show("for ", text, len);
    }
}

static void content_length_is_plain_digits(void)
{
    check_length("0", 0);
    check_length("00", 0);
    check_length("5", 5);
    check_length("0005", 5);
    check_length("1234567890", 1234567890);
}

static void content_length_with_anything_else(void)
{
    static const char *const texts[] = { "", " ", "-1", "+1", " 1", "1 ", "1\n", "1,1", "1.0", "0x1", "1e3", "a",
                                         "1a", "-", "--1", "\xb9", "1;", "1\t", "/", ":" };
    apr_off_t length = 42;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        check_length(texts[i], -1);
    }
    CHECK_INT(wsgi_http_parse_length(&length, tap_copy("1\0", 2), 2), 0);
    CHECK_INT(length, -1);
}

static void content_length_up_to_the_largest_file(void)
{
    if (sizeof(apr_off_t) == 8) {
        check_length("9223372036854775807", APR_INT64_MAX);
        check_length("9223372036854775808", -1);
        check_length("9223372036854775810", -1);
        check_length("18446744073709551616", -1);
        check_length("18446744073709551617", -1);
    } else {
        check_length("2147483647", APR_INT32_MAX);
        check_length("2147483648", -1);
        check_length("4294967297", -1);
    }
    check_length("99999999999999999999999999999999999999", -1);
    check_length("00000000000000000000000000000000000001", 1);
}

static int is_hop_by_hop(const char *name)
{
    return wsgi_http_is_hop_by_hop(tap_copy(name, strlen(name)), strlen(name));
}

static void hop_by_hop_headers_in_any_case(void)
{
    static const char *const names[] = { "Connection", "keep-alive", "PROXY-CONNECTION", "te",
                                         "Trailer",    "Transfer-Encoding", "transfer-encoding", "uPGRADE" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        CHECK(is_hop_by_hop(names[i]));
    }
}

static void other_headers_are_not_hop_by_hop(void)
{
    static const char *const names[] = { "", "T", "TEE", "Trailers", "Connections", "Connectio", "Content-Length",
                                         "Host", "Status", "Keep_Alive", "Proxy-Authenticate", "Upgrade-Insecure" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        CHECK(!is_hop_by_hop(names[i]));
    }
}

static int is_passable(const char *name, size_t len)
{
    return wsgi_http_is_passable(tap_copy(name, len), len);
}

static void every_byte_in_a_request_header_name(void)
{
    char name[] = "a_b";

    for (int c = 0; c < 256; c++) {
        int is_good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
        name[1] = (char)c;
        if (!CHECK_INT(is_passable(name, 3), is_good)) {
            printf("#    for byte %d\n", c);
        }
    }
}

static void proxy_and_the_empty_name_do_not_pass(void)
{
    CHECK(!is_passable("", 0));
    CHECK(!is_passable("Proxy", 5));
    CHECK(!is_passable("pROXY", 5));
    CHECK(is_passable("Proxy-Authorization", 19));
    CHECK(is_passable("Prox", 4));
    CHECK(is_passable("Proxyx", 6));
    CHECK(is_passable("-", 1));
}

static const char *cgi_name(const char *name, apr_uint32_t *len)
{
    return wsgi_http_cgi_name(tap_copy(name, strlen(name)), strlen(name), len, tap.pool);
}

static void cgi_name_is_upper_case_with_underscores(void)
{
    apr_uint32_t len = 0;

    CHECK_STR(cgi_name("X-Forwarded-For", &len), "HTTP_X_FORWARDED_FOR");
    CHECK_INT(len, 20);
    CHECK_STR(cgi_name("host", &len), "HTTP_HOST");
    CHECK_STR(cgi_name("azAZ09-", &len), "HTTP_AZAZ09_");
    CHECK_STR(cgi_name("", &len), "HTTP_");
    CHECK_INT(len, 5);
}

static void check_collapse(const char *path, const char *want)
{
    char *text = tap_text(path);

    CHECK_INT(wsgi_http_collapse_slashes(text), strlen(want));
    CHECK_STR(text, want);
}

static void runs_of_slashes_become_one(void)
{
    check_collapse("", "");
    check_collapse("/", "/");
    check_collapse("//", "/");
    check_collapse("/////", "/");
    check_collapse("/a//b/", "/a/b/");
    check_collapse("//a///b////", "/a/b/");
    check_collapse("a//", "a/");
    check_collapse("a", "a");
}

static void nothing_but_slashes_is_normalised(void)
{
    check_collapse("/./..//.", "/./../.");
    check_collapse("/%2F/\\\\/", "/%2F/\\\\/");
    check_collapse("/a b//\xc3\xa9", "/a b/\xc3\xa9");
}

int main(void)
{
    TAP_RUN(status_with_reason);
    TAP_RUN(status_without_reason);
    TAP_RUN(reason_keeps_blanks_of_its_own);
    TAP_RUN(status_without_three_digits);
    TAP_RUN(status_code_must_be_followed_by_a_space);
    TAP_RUN(status_outside_the_final_ones);
    TAP_RUN(no_control_character_in_a_reason);
    TAP_RUN(every_byte_in_a_header_name);
    TAP_RUN(header_name_is_checked_to_both_ends);
    TAP_RUN(every_byte_in_a_header_value);
    TAP_RUN(header_value_may_be_empty_and_is_checked_to_both_ends);
    TAP_RUN(content_length_is_plain_digits);
    TAP_RUN(content_length_with_anything_else);
    TAP_RUN(content_length_up_to_the_largest_file);
    TAP_RUN(hop_by_hop_headers_in_any_case);
    TAP_RUN(other_headers_are_not_hop_by_hop);
    TAP_RUN(every_byte_in_a_request_header_name);
    TAP_RUN(proxy_and_the_empty_name_do_not_pass);
    TAP_RUN(cgi_name_is_upper_case_with_underscores);
    TAP_RUN(runs_of_slashes_become_one);
    TAP_RUN(nothing_but_slashes_is_normalised);
    return tap_done();
}
