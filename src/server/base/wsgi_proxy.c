#include "base/wsgi_proxy.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <apr_tables.h>
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "base/wsgi_httprules.h"
#include "base/wsgi_parse.h"

/* IPv4 is kept as IPv4-mapped IPv6 (RFC 4291 section 2.5.5.2), so that both spellings of a peer match. */
typedef struct {
    unsigned char bytes[16];
} address_t;

typedef struct {
    address_t address;
    address_t mask;
} subnet_t;

typedef enum { CLIENT, SCHEME, HOST, SERVER, PORT, SCRIPT_NAME, CATEGORY_COUNT } category_t;
typedef enum { VERBATIM, ADDRESS_LIST, SCHEME_WORD, SCHEME_FLAG } treatment_t;

typedef struct {
    const char *name; /* CGI name of the header */
    category_t category;
    treatment_t treatment;
    const char *variable;
} forwarded_t;

static const forwarded_t known_headers[] = {
    { "HTTP_X_FORWARDED_FOR", CLIENT, ADDRESS_LIST, "REMOTE_ADDR" },
    { "HTTP_X_CLIENT_IP", CLIENT, VERBATIM, "REMOTE_ADDR" },
    { "HTTP_X_REAL_IP", CLIENT, VERBATIM, "REMOTE_ADDR" },
    { "HTTP_X_FORWARDED_PROTO", SCHEME, SCHEME_WORD, "HTTPS" },
    { "HTTP_X_FORWARDED_SCHEME", SCHEME, SCHEME_WORD, "HTTPS" },
    { "HTTP_X_SCHEME", SCHEME, SCHEME_WORD, "HTTPS" },
    { "HTTP_X_FORWARDED_HTTPS", SCHEME, SCHEME_FLAG, "HTTPS" },
    { "HTTP_X_FORWARDED_SSL", SCHEME, SCHEME_FLAG, "HTTPS" },
    { "HTTP_X_HTTPS", SCHEME, SCHEME_FLAG, "HTTPS" },
    { "HTTP_X_FORWARDED_HOST", HOST, VERBATIM, "HTTP_HOST" },
    { "HTTP_X_HOST", HOST, VERBATIM, "HTTP_HOST" },
    { "HTTP_X_FORWARDED_SERVER", SERVER, VERBATIM, "SERVER_NAME" },
    { "HTTP_X_FORWARDED_PORT", PORT, VERBATIM, "SERVER_PORT" },
    { "HTTP_X_SCRIPT_NAME", SCRIPT_NAME, VERBATIM, "SCRIPT_NAME" },
    { "HTTP_X_FORWARDED_SCRIPT_NAME", SCRIPT_NAME, VERBATIM, "SCRIPT_NAME" },
};
enum { KNOWN_HEADERS = sizeof(known_headers) / sizeof(known_headers[0]) };

struct wsgi_proxy_rules_t {
    apr_array_header_t *subnets; /* subnet_t; NULL: every peer is trusted */
    apr_array_header_t *headers; /* const forwarded_t *, in configuration order; NULL: none given */
    apr_pool_t *pool;
};

wsgi_proxy_rules_t *wsgi_proxy_create(apr_pool_t *pool)
{
    wsgi_proxy_rules_t *rules = apr_pcalloc(pool, sizeof(*rules));

    rules->pool = pool;
    return rules;
}

wsgi_proxy_rules_t *wsgi_proxy_merge(const wsgi_proxy_rules_t *outer, const wsgi_proxy_rules_t *inner,
                                     apr_pool_t *pool)
{
    wsgi_proxy_rules_t *rules = wsgi_proxy_create(pool);

    rules->subnets = inner->subnets != NULL ? inner->subnets : outer->subnets;
    rules->headers = inner->headers != NULL ? inner->headers : outer->headers;
    return rules;
}

static void map_v4(address_t *out, const unsigned char v4[4])
{
    memset(out->bytes, 0, 10);
    memset(out->bytes + 10, 0xff, 2);
    memcpy(out->bytes + 12, v4, 4);
}

/* @param bits receives how long a prefix within the family may be, 32 or 128. @return 0 when it is no address */
static int parse_address(address_t *out, int *bits, const char *text)
{
    unsigned char v4[4];

    if (inet_pton(AF_INET, text, v4) == 1) {
        map_v4(out, v4);
        *bits = 32;
        return 1;
    }
    *bits = 128;
    return inet_pton(AF_INET6, text, out->bytes) == 1;
}

static void make_mask(address_t *mask, int prefix)
{
    memset(mask->bytes, 0, sizeof(mask->bytes));
    for (int i = 0; i < prefix; i++) {
        mask->bytes[i / 8] |= (unsigned char)(0x80 >> (i % 8));
    }
}

/* "10", "10.1", "10.1.2" and the same with a dot at the end */
static int parse_leading_numbers(subnet_t *subnet, char *word)
{
    unsigned char v4[4] = { 0, 0, 0, 0 };
    int count = 0;
    apr_int64_t number;
    char *part;

    while ((part = strsep(&word, ".")) != NULL) {
        if (*part == '\0' && word == NULL && count > 0) {
            break;
        }
        if (count == 3 || !apr_isdigit(*part) || !wsgi_parse_integer(&number, part, 0, 255)) {
            return 0;
        }
        v4[count++] = (unsigned char)number;
    }
    map_v4(&subnet->address, v4);
    make_mask(&subnet->mask, 96 + 8 * count);
    return 1;
}

/* What follows the slash: a number of bits or, for IPv4, a netmask. */
static int parse_mask(address_t *mask, int bits, const char *text)
{
    unsigned char v4[4];
    apr_int64_t prefix;

    if (apr_isdigit(*text) && wsgi_parse_integer(&prefix, text, 0, bits)) {
        make_mask(mask, 128 - bits + (int)prefix);
        return 1;
    }
    if (bits != 32 || inet_pton(AF_INET, text, v4) != 1) {
        return 0;
    }
    memset(mask->bytes, 0xff, 12);
    memcpy(mask->bytes + 12, v4, 4);
    return 1;
}

int wsgi_proxy_trust_address(wsgi_proxy_rules_t *rules, const char *word)
{
    char *text = apr_pstrdup(rules->pool, word), *slash = strchr(text, '/');
    subnet_t subnet;
    int bits, is_valid;

    if (slash != NULL) {
        *slash = '\0';
        is_valid = parse_address(&subnet.address, &bits, text) && parse_mask(&subnet.mask, bits, slash + 1);
    } else if (parse_address(&subnet.address, &bits, text)) {
        make_mask(&subnet.mask, 128);
        is_valid = 1;
    } else {
        is_valid = parse_leading_numbers(&subnet, text);
    }
    if (!is_valid) {
        return 0;
    }
    if (rules->subnets == NULL) {
        rules->subnets = apr_array_make(rules->pool, 4, sizeof(subnet_t));
    }
    APR_ARRAY_PUSH(rules->subnets, subnet_t) = subnet;
    return 1;
}

int wsgi_proxy_trust_header(wsgi_proxy_rules_t *rules, const char *name, apr_pool_t *pool)
{
    const char *cgi_name;
    apr_uint32_t len;

    if (!wsgi_http_is_passable(name, strlen(name))) {
        return 0;
    }
    cgi_name = wsgi_http_cgi_name(name, strlen(name), &len, pool);
    if (rules->headers == NULL) {
        rules->headers = apr_array_make(rules->pool, 4, sizeof(const forwarded_t *));
    }
    for (int i = 0; i < KNOWN_HEADERS; i++) {
        if (strcmp(known_headers[i].name, cgi_name) == 0) {
            APR_ARRAY_PUSH(rules->headers, const forwarded_t *) = &known_headers[i];
        }
    }
    return 1;
}

/* Whether a text is a trusted address. A text that is no address never is; no name is looked up. */
static int is_trusted(const wsgi_proxy_rules_t *rules, const char *text)
{
    address_t address;
    int bits;

    if (text == NULL || !parse_address(&address, &bits, text)) {
        return 0;
    }
    for (int i = 0; i < rules->subnets->nelts; i++) {
        const subnet_t *subnet = &APR_ARRAY_IDX(rules->subnets, i, subnet_t);
        int same = 1;
        for (int b = 0; b < 16 && same; b++) {
            same = ((address.bytes[b] ^ subnet->address.bytes[b]) & subnet->mask.bytes[b]) == 0;
        }
        if (same) {
            return 1;
        }
    }
    return 0;
}

/* The elements of a list of addresses, without blanks and empty ones. */
static apr_array_header_t *split_list(const char *value, apr_pool_t *preq)
{
    apr_array_header_t *elements = apr_array_make(preq, 4, sizeof(const char *));
    char *rest = apr_pstrdup(preq, value), *element;

    while ((element = strsep(&rest, ",")) != NULL) {
        while (apr_isspace(*element)) {
            element++;
        }
        for (apr_size_t len = strlen(element); len > 0 && apr_isspace(element[len - 1]); len--) {
            element[len - 1] = '\0';
        }
        if (*element != '\0') {
            APR_ARRAY_PUSH(elements, const char *) = element;
        }
    }
    return elements;
}

static const char *join_from(const apr_array_header_t *elements, int first, apr_pool_t *preq)
{
    apr_array_header_t tail = *elements;

    tail.elts = elements->elts + (apr_size_t)first * (apr_size_t)elements->elt_size;
    tail.nelts = elements->nelts - first;
    for (int i = 0; i < tail.nelts - 1; i++) {
        APR_ARRAY_IDX(&tail, i, const char *) = apr_pstrcat(preq, APR_ARRAY_IDX(&tail, i, const char *), ",", NULL);
    }
    return apr_array_pstrcat(preq, &tail, ' ');
}

/*
 * Each proxy appends the address it was called from, so the list is walked from the right, over trusted proxies, to
 * the first element that no trusted proxy of ours is: the client. Whatever is left of it the client may have made up.
 */
static void apply_address_list(const wsgi_proxy_rules_t *rules, wsgi_fields_t *variables, const forwarded_t *header,
                               const char *value, apr_pool_t *preq)
{
    const apr_array_header_t *elements = split_list(value, preq);
    int client = elements->nelts;

    if (elements->nelts == 0) {
        return;
    }
    if (rules->subnets == NULL) {
        wsgi_fields_set(variables, header->variable, APR_ARRAY_IDX(elements, 0, const char *));
        return;
    }
    while (client > 0 && is_trusted(rules, APR_ARRAY_IDX(elements, client - 1, const char *))) {
        client--;
    }
    client = client > 0 ? client - 1 : 0;
    wsgi_fields_set(variables, header->variable, apr_pstrdup(preq, APR_ARRAY_IDX(elements, client, const char *)));
    wsgi_fields_set(variables, header->name, join_from(elements, client, preq));
}

static void apply_scheme(wsgi_fields_t *variables, const char *value, const char *const on[], const char *const off[])
{
    for (int i = 0; on[i] != NULL; i++) {
        if (strcasecmp(value, on[i]) == 0) {
            wsgi_fields_set(variables, "HTTPS", "1");
        } else if (strcasecmp(value, off[i]) == 0) {
            wsgi_fields_unset(variables, "HTTPS");
        }
    }
}

static void apply_header(const wsgi_proxy_rules_t *rules, wsgi_fields_t *variables, const forwarded_t *header,
                         const char *value, apr_pool_t *preq)
{
    static const char *const https[] = { "https", NULL }, *const http[] = { "http", NULL };
    static const char *const on[] = { "On", "true", "1", NULL }, *const off[] = { "Off", "false", "0", NULL };

    switch (header->treatment) {
    case ADDRESS_LIST:
        apply_address_list(rules, variables, header, value, preq);
        break;
    case SCHEME_WORD:
        apply_scheme(variables, value, https, http);
        break;
    case SCHEME_FLAG:
        apply_scheme(variables, value, on, off);
        break;
    case VERBATIM:
        wsgi_fields_set(variables, header->variable, value);
        if (header->category == SCRIPT_NAME) {
            wsgi_fields_set(variables, "mod_wsgi.mount_point", value);
        }
        break;
    }
}

int wsgi_proxy_apply(const wsgi_proxy_rules_t *rules, wsgi_fields_t *variables, apr_pool_t *preq)
{
    const forwarded_t *winners[CATEGORY_COUNT] = { NULL };
    int is_matched[CATEGORY_COUNT] = { 0 };
    int trusted;

    if (rules->headers == NULL) {
        return 0;
    }
    trusted = rules->subnets == NULL || is_trusted(rules, wsgi_fields_get(variables, "REMOTE_ADDR"));
    for (int i = 0; i < rules->headers->nelts; i++) {
        const forwarded_t *header = APR_ARRAY_IDX(rules->headers, i, const forwarded_t *);
        const char *value = trusted ? wsgi_fields_get(variables, header->name) : NULL;

        is_matched[header->category] = 1;
        if (value != NULL) {
            winners[header->category] = header;
            apply_header(rules, variables, header, value, preq);
        }
    }
    for (int i = 0; i < KNOWN_HEADERS; i++) {
        const forwarded_t *header = &known_headers[i];
        if (is_matched[header->category] && winners[header->category] != header) {
            wsgi_fields_unset(variables, header->name);
        }
    }
    return winners[SCHEME] != NULL;
}
