/* sources: base/wsgi_proxy.c base/wsgi_fields.c base/wsgi_httprules.c base/wsgi_parse.c */
#include "base/wsgi_proxy.h"

#include "wsgi_tap.h"

#include <apr_strings.h>

static wsgi_proxy_rules_t *rules;
static wsgi_fields_t variables;

/* Rules of a space-separated list of addresses and one of headers, NULL: none given. */
static void configure(const char *addresses, const char *headers)
{
    char *rest, *word;

    rules = wsgi_proxy_create(tap.pool);
    for (rest = addresses ? apr_pstrdup(tap.pool, addresses) : NULL; (word = strsep(&rest, " ")) != NULL;) {
        CHECK_INT(wsgi_proxy_trust_address(rules, word), 1);
    }
    for (rest = headers ? apr_pstrdup(tap.pool, headers) : NULL; (word = strsep(&rest, " ")) != NULL;) {
        CHECK_INT(wsgi_proxy_trust_header(rules, word, tap.pool), 1);
    }
}

static void request_from(const char *peer)
{
    wsgi_fields_init(&variables, 4, tap.pool);
    wsgi_fields_add(&variables, "REMOTE_ADDR", peer);
    wsgi_fields_add(&variables, "HTTP_HOST", "inner");
    wsgi_fields_add(&variables, "SERVER_NAME", "inner");
    wsgi_fields_add(&variables, "SERVER_PORT", "8080");
    wsgi_fields_add(&variables, "SCRIPT_NAME", "/inner");
}

static const char *value(const char *name)
{
    return wsgi_fields_get(&variables, name);
}

/* Whether `peer` is trusted: whether a believed header of its request counts. */
static int trusts(const char *addresses, const char *peer)
{
    configure(addresses, "X-Real-IP");
    request_from(peer);
    wsgi_fields_add(&variables, "HTTP_X_REAL_IP", "203.0.113.9");
    wsgi_proxy_apply(rules, &variables, tap.pool);
    return strcmp(value("REMOTE_ADDR"), "203.0.113.9") == 0;
}

static void addresses_that_can_be_trusted(void)
{
    static const char *const words[] = { "10.0.0.1", "10.0.0.0/8",  "10.0.0.0/255.0.0.0", "10.1", "10.1.", "10",
                                         "::1",      "2001:DB8::1", "2001:db8::/32",      "::/0", "0.0.0.0/0",
                                         "10.0.0.1/32", "::1/128",  "::ffff:10.0.0.1" };

    rules = wsgi_proxy_create(tap.pool);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (!CHECK_INT(wsgi_proxy_trust_address(rules, words[i]), 1)) {
            printf("#    for %s\n", words[i]);
        }
    }
}

static void words_that_are_no_address(void)
{
    static const char *const words[] = { "", "localhost", "proxy.example.org", "10.0.0.256", "256", "10.0.0.0/33",
                                         "10.0.0.0/-1", "10.0.0.0/", "/8", "10.0.0.0/8/8", "10.0.0.0/8x", "10..1",
                                         "10.1.2.3.", "10.1.2.3.4", ".10", ".", "-1", "+1", "1 0", "::1/129", "::1/",
                                         "::1/255.0.0.0", "::g", ":::", "[::1]", "fe80::1%eth0", "10.1/16", "0x0a",
                                         "10.0.0.0/+8", "10.0.0.0/255.0.0", "unix:/x" };

    rules = wsgi_proxy_create(tap.pool);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (!CHECK_INT(wsgi_proxy_trust_address(rules, words[i]), 0)) {
            printf("#    for %s\n", words[i]);
        }
    }
}

static void single_addresses_match_themselves_only(void)
{
    CHECK(trusts("10.0.0.1", "10.0.0.1"));
    CHECK(!trusts("10.0.0.1", "10.0.0.2"));
    CHECK(trusts("::1", "::1"));
    CHECK(trusts("2001:DB8::A", "2001:db8:0::a"));
    CHECK(!trusts("2001:db8::a", "2001:db8::b"));
    CHECK(trusts("192.0.2.1 10.0.0.1", "10.0.0.1"));
}

static void subnets_match_by_their_bits(void)
{
    CHECK(trusts("10.0.0.0/8", "10.255.255.255"));
    CHECK(!trusts("10.0.0.0/8", "11.0.0.0"));
    CHECK(trusts("10.1.2.3/8", "10.9.9.9"));
    CHECK(trusts("10.1.128.0/17", "10.1.128.1"));
    CHECK(!trusts("10.1.128.0/17", "10.1.127.255"));
    CHECK(trusts("10.1.0.0/255.255.0.0", "10.1.3.4"));
    CHECK(!trusts("10.1.0.0/255.255.0.0", "10.2.3.4"));
    CHECK(trusts("10.1", "10.1.3.4"));
    CHECK(!trusts("10.1", "10.10.3.4"));
    CHECK(trusts("2001:db8::/33", "2001:db8:7fff::1"));
    CHECK(!trusts("2001:db8::/33", "2001:db8:8000::1"));
    CHECK(trusts("0.0.0.0/0", "192.0.2.1"));
    CHECK(!trusts("0.0.0.0/0", "2001:db8::1"));
}

static void mapped_ipv4_is_ipv4(void)
{
    CHECK(trusts("10.0.0.1", "::ffff:10.0.0.1"));
    CHECK(trusts("::ffff:10.0.0.1", "10.0.0.1"));
    CHECK(!trusts("10.0.0.1", "::10.0.0.1"));
}

static void peer_without_an_address_is_not_trusted(void)
{
    CHECK(!trusts("0.0.0.0/0 ::/0", "localhost"));
    CHECK(!trusts("0.0.0.0/0 ::/0", ""));
    CHECK(!trusts("0.0.0.0/0 ::/0", "10.0.0.1:80"));
}

static void nothing_happens_without_headers(void)
{
    configure("10.0.0.1", NULL);
    request_from("192.0.2.1");
    wsgi_fields_add(&variables, "HTTP_X_FORWARDED_FOR", "203.0.113.9");
    CHECK_INT(wsgi_proxy_apply(rules, &variables, tap.pool), 0);
    CHECK_STR(value("HTTP_X_FORWARDED_FOR"), "203.0.113.9");
    CHECK_STR(value("REMOTE_ADDR"), "192.0.2.1");
}

static void header_names_are_words_of_http(void)
{
    rules = wsgi_proxy_create(tap.pool);
    CHECK_INT(wsgi_proxy_trust_header(rules, "x-forwarded-FOR", tap.pool), 1);
    CHECK_INT(wsgi_proxy_trust_header(rules, "X-Unheard-Of", tap.pool), 1);
    CHECK_INT(wsgi_proxy_trust_header(rules, "X_Forwarded_For", tap.pool), 0);
    CHECK_INT(wsgi_proxy_trust_header(rules, "X-Forwarded-For:", tap.pool), 0);
    CHECK_INT(wsgi_proxy_trust_header(rules, "", tap.pool), 0);
    CHECK_INT(wsgi_proxy_trust_header(rules, "\xe9", tap.pool), 0);
}

static void apply(const char *addresses, const char *headers, const char *peer, const char *name, const char *text)
{
    configure(addresses, headers);
    request_from(peer);
    wsgi_fields_add(&variables, name, text);
    wsgi_proxy_apply(rules, &variables, tap.pool);
}

static void each_header_rewrites_its_variable(void)
{
    static const char *const rows[][3] = {
        { "X-Client-IP", "HTTP_X_CLIENT_IP", "REMOTE_ADDR" },
        { "X-Real-IP", "HTTP_X_REAL_IP", "REMOTE_ADDR" },
        { "X-Forwarded-Host", "HTTP_X_FORWARDED_HOST", "HTTP_HOST" },
        { "X-Host", "HTTP_X_HOST", "HTTP_HOST" },
        { "X-Forwarded-Server", "HTTP_X_FORWARDED_SERVER", "SERVER_NAME" },
        { "X-Forwarded-Port", "HTTP_X_FORWARDED_PORT", "SERVER_PORT" },
        { "X-Script-Name", "HTTP_X_SCRIPT_NAME", "SCRIPT_NAME" },
        { "X-Forwarded-Script-Name", "HTTP_X_FORWARDED_SCRIPT_NAME", "SCRIPT_NAME" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        apply(NULL, rows[i][0], "192.0.2.1", rows[i][1], "given");
        CHECK_STR(value(rows[i][2]), "given");
        CHECK_STR(value(rows[i][1]), "given");
    }
    CHECK_STR(value("mod_wsgi.mount_point"), "given");
}

static void scheme_words(void)
{
    static const char *const names[][2] = { { "X-Forwarded-Proto", "HTTP_X_FORWARDED_PROTO" },
                                            { "X-Forwarded-Scheme", "HTTP_X_FORWARDED_SCHEME" },
                                            { "X-Scheme", "HTTP_X_SCHEME" } };

    for (int i = 0; i < 3; i++) {
        apply(NULL, names[i][0], "192.0.2.1", names[i][1], "HTTPS");
        CHECK_STR(value("HTTPS"), "1");
        apply(NULL, names[i][0], "192.0.2.1", names[i][1], "ftp");
        CHECK_STR(value("HTTPS"), NULL);
    }
    configure(NULL, "X-Forwarded-Proto");
    request_from("192.0.2.1");
    wsgi_fields_add(&variables, "HTTPS", "on");
    wsgi_fields_add(&variables, "HTTP_X_FORWARDED_PROTO", "http");
    CHECK_INT(wsgi_proxy_apply(rules, &variables, tap.pool), 1);
    CHECK_STR(value("HTTPS"), NULL);
}

static void scheme_flags(void)
{
    static const char *const on[] = { "On", "TRUE", "1" }, *const off[] = { "off", "False", "0" };

    for (int i = 0; i < 3; i++) {
        apply(NULL, "X-Forwarded-SSL", "192.0.2.1", "HTTP_X_FORWARDED_SSL", on[i]);
        CHECK_STR(value("HTTPS"), "1");
        wsgi_fields_set(&variables, "HTTP_X_FORWARDED_SSL", off[i]);
        wsgi_proxy_apply(rules, &variables, tap.pool);
        CHECK_STR(value("HTTPS"), NULL);
    }
    apply(NULL, "X-HTTPS", "192.0.2.1", "HTTP_X_HTTPS", "https");
    CHECK_STR(value("HTTPS"), NULL);
}

static void scheme_is_settled_by_any_value_of_a_believed_header(void)
{
    configure("10.0.0.1", "X-Forwarded-Proto");
    request_from("10.0.0.1");
    CHECK_INT(wsgi_proxy_apply(rules, &variables, tap.pool), 0);
    wsgi_fields_add(&variables, "HTTP_X_FORWARDED_PROTO", "gopher");
    CHECK_INT(wsgi_proxy_apply(rules, &variables, tap.pool), 1);
    request_from("192.0.2.1");
    wsgi_fields_add(&variables, "HTTP_X_FORWARDED_PROTO", "https");
    CHECK_INT(wsgi_proxy_apply(rules, &variables, tap.pool), 0);
    CHECK_STR(value("HTTPS"), NULL);
}

static void untrusted_peer_loses_every_header_of_the_category(void)
{
    configure("10.0.0.1", "X-Forwarded-For");
    request_from("192.0.2.1");
    wsgi_fields_add(&variables, "HTTP_X_FORWARDED_FOR", "203.0.113.9");
    wsgi_fields_add(&variables, "HTTP_X_REAL_IP", "203.0.113.9");
    wsgi_fields_add(&variables, "HTTP_X_CLIENT_IP", "203.0.113.9");
    wsgi_fields_add(&variables, "HTTP_X_FORWARDED_HOST", "kept");
    wsgi_proxy_apply(rules, &variables, tap.pool);
    CHECK_STR(value("REMOTE_ADDR"), "192.0.2.1");
    CHECK_STR(value("HTTP_X_FORWARDED_FOR"), NULL);
    CHECK_STR(value("HTTP_X_REAL_IP"), NULL);
    CHECK_STR(value("HTTP_X_CLIENT_IP"), NULL);
    CHECK_STR(value("HTTP_X_FORWARDED_HOST"), "kept");
    CHECK_STR(value("HTTP_HOST"), "inner");
}

static void trusted_peer_keeps_the_winner_only(void)
{
    configure("10.0.0.1", "X-Host X-Forwarded-Host");
    request_from("10.0.0.1");
    wsgi_fields_add(&variables, "HTTP_X_FORWARDED_HOST", "second");
    wsgi_fields_add(&variables, "HTTP_X_HOST", "first");
    wsgi_proxy_apply(rules, &variables, tap.pool);
    CHECK_STR(value("HTTP_HOST"), "second");
    CHECK_STR(value("HTTP_X_FORWARDED_HOST"), "second");
    CHECK_STR(value("HTTP_X_HOST"), NULL);
}

static void header_that_is_absent_does_not_win(void)
{
    configure("10.0.0.1", "X-Host X-Forwarded-Host");
    request_from("10.0.0.1");
    wsgi_fields_add(&variables, "HTTP_X_HOST", "first");
    wsgi_proxy_apply(rules, &variables, tap.pool);
    CHECK_STR(value("HTTP_HOST"), "first");
    CHECK_STR(value("HTTP_X_HOST"), "first");
}

static void check_list(const char *addresses, const char *list, const char *client, const char *rest)
{
    apply(addresses, "X-Forwarded-For", "10.0.0.1", "HTTP_X_FORWARDED_FOR", list);
    if (!CHECK_STR(value("REMOTE_ADDR"), client) || !CHECK_STR(value("HTTP_X_FORWARDED_FOR"), rest)) {
        printf("#    for %s\n", list);
    }
}

static void list_is_believed_whole_when_every_peer_is(void)
{
    check_list(NULL, "203.0.113.9, 10.0.0.2", "203.0.113.9", "203.0.113.9, 10.0.0.2");
    check_list(NULL, " , made-up ,x", "made-up", " , made-up ,x");
    check_list(NULL, "one", "one", "one");
}

static void list_is_walked_from_the_right_over_trusted_proxies(void)
{
    check_list("10.0.0.0/8", "203.0.113.9, 10.0.0.2", "203.0.113.9", "203.0.113.9, 10.0.0.2");
    check_list("10.0.0.0/8", "6.6.6.6,203.0.113.9 ,10.0.0.3,  10.0.0.2", "203.0.113.9",
               "203.0.113.9, 10.0.0.3, 10.0.0.2");
    check_list("10.0.0.0/8", "10.0.0.4, 203.0.113.9, 10.0.0.2", "203.0.113.9", "203.0.113.9, 10.0.0.2");
}

static void list_of_trusted_proxies_only_has_its_first_as_client(void)
{
    check_list("10.0.0.0/8", "10.0.0.3, 10.0.0.2", "10.0.0.3", "10.0.0.3, 10.0.0.2");
    check_list("10.0.0.0/8", "10.0.0.2", "10.0.0.2", "10.0.0.2");
}

static void list_whose_last_is_not_trusted_has_it_as_client(void)
{
    check_list("10.0.0.0/8", "1.1.1.1, 203.0.113.9", "203.0.113.9", "203.0.113.9");
    check_list("10.0.0.0/8", "10.0.0.2, unknown", "unknown", "unknown");
}

static void element_that_is_no_address_stops_the_walk(void)
{
    check_list("10.0.0.0/8", "203.0.113.9, localhost, 10.0.0.2", "localhost", "localhost, 10.0.0.2");
    check_list("10.0.0.0/8", "203.0.113.9, 10.0.0.9:80, 10.0.0.2", "10.0.0.9:80", "10.0.0.9:80, 10.0.0.2");
}

static void empty_elements_are_skipped(void)
{
    check_list("10.0.0.0/8", ",203.0.113.9,, ,10.0.0.2,\t", "203.0.113.9", "203.0.113.9, 10.0.0.2");
    check_list("10.0.0.0/8", "", "10.0.0.1", "");
    check_list("10.0.0.0/8", " , ,", "10.0.0.1", " , ,");
}

static void inner_rules_replace_outer_ones_as_a_whole(void)
{
    wsgi_proxy_rules_t *outer, *inner;

    configure("10.0.0.1", "X-Real-IP");
    outer = rules;
    configure(NULL, "X-Forwarded-Host");
    inner = rules;
    rules = wsgi_proxy_merge(outer, inner, tap.pool);
    request_from("192.0.2.1");
    wsgi_fields_add(&variables, "HTTP_X_REAL_IP", "203.0.113.9");
    wsgi_fields_add(&variables, "HTTP_X_FORWARDED_HOST", "made-up");
    wsgi_proxy_apply(rules, &variables, tap.pool);
    CHECK_STR(value("HTTP_X_REAL_IP"), "203.0.113.9");
    CHECK_STR(value("HTTP_X_FORWARDED_HOST"), NULL);
    CHECK_STR(value("REMOTE_ADDR"), "192.0.2.1");
}

int main(void)
{
    TAP_RUN(addresses_that_can_be_trusted);
    TAP_RUN(words_that_are_no_address);
    TAP_RUN(single_addresses_match_themselves_only);
    TAP_RUN(subnets_match_by_their_bits);
    TAP_RUN(mapped_ipv4_is_ipv4);
    TAP_RUN(peer_without_an_address_is_not_trusted);
    TAP_RUN(nothing_happens_without_headers);
    TAP_RUN(header_names_are_words_of_http);
    TAP_RUN(each_header_rewrites_its_variable);
    TAP_RUN(scheme_words);
    TAP_RUN(scheme_flags);
    TAP_RUN(scheme_is_settled_by_any_value_of_a_believed_header);
    TAP_RUN(untrusted_peer_loses_every_header_of_the_category);
    TAP_RUN(trusted_peer_keeps_the_winner_only);
    TAP_RUN(header_that_is_absent_does_not_win);
    TAP_RUN(list_is_believed_whole_when_every_peer_is);
    TAP_RUN(list_is_walked_from_the_right_over_trusted_proxies);
    TAP_RUN(list_of_trusted_proxies_only_has_its_first_as_client);
    TAP_RUN(list_whose_last_is_not_trusted_has_it_as_client);
    TAP_RUN(element_that_is_no_address_stops_the_walk);
    TAP_RUN(empty_elements_are_skipped);
    TAP_RUN(inner_rules_replace_outer_ones_as_a_whole);
    return tap_done();
}
