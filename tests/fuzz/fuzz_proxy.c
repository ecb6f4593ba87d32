/* sources: base/wsgi_proxy.c base/wsgi_fields.c base/wsgi_httprules.c base/wsgi_parse.c */
/*
 * Trusted proxies: a line of addresses, a line of headers, the address of the peer, then names and values of what came
 * with the request. Neither the configuration nor the headers need make sense.
 */
#include "base/wsgi_proxy.h"

#include "fuzz.h"

static void configure(wsgi_proxy_rules_t *rules, char *addresses, char *headers, apr_pool_t *pool)
{
    char *word, *rest = NULL;

    for (word = apr_strtok(addresses, " ", &rest); word != NULL; word = apr_strtok(NULL, " ", &rest)) {
        wsgi_proxy_trust_address(rules, word);
    }
    for (word = apr_strtok(headers, " ", &rest); word != NULL; word = apr_strtok(NULL, " ", &rest)) {
        wsgi_proxy_trust_header(rules, word, pool);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *pool = fuzz_pool();
    char *text = fuzz_text(data, size), *lines = text, *name, *value;
    char *addresses = fuzz_line(&lines), *headers = fuzz_line(&lines), *peer = fuzz_line(&lines);
    wsgi_proxy_rules_t *rules = wsgi_proxy_create(pool);
    wsgi_fields_t variables;

    wsgi_fields_init(&variables, 1, pool);
    if (peer != NULL) {
        configure(rules, addresses, headers, pool);
        wsgi_fields_add(&variables, "REMOTE_ADDR", peer);
        while ((name = fuzz_line(&lines)) != NULL && (value = fuzz_line(&lines)) != NULL) {
            wsgi_fields_add(&variables, name, value);
        }
        wsgi_proxy_apply(wsgi_proxy_merge(rules, rules, pool), &variables, pool);
        FUZZ_CHECK(wsgi_fields_get(&variables, "REMOTE_ADDR") != NULL);
    }
    for (apr_uint32_t i = 0; i < variables.count; i++) {
        const wsgi_field_t *field = &variables.items[i];
        FUZZ_CHECK(strlen(field->name) == field->name_len);
        FUZZ_CHECK(field->value == NULL || strlen(field->value) == field->value_len);
    }
    apr_pool_destroy(pool);
    free(text);
    return 0;
}
