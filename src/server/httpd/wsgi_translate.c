#include "httpd/wsgi_translate.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_request.h>
#include <string.h>

enum { MAX_SUBSTITUTIONS = 10 }; /* $0 to $9 */

/**
 * Match as mod_alias does: byte by byte, where a run of slashes matches a run of any length, up to the end of a path
 * segment.
 * @return number of bytes of `uri` that matched, 0 for no match
 */
static apr_size_t match_prefix(const char *uri, const char *prefix)
{
    const char *at = uri;

    while (*prefix != '\0') {
        if (*prefix == '/') {
            if (*at != '/') {
                return 0;
            }
            for (; *prefix == '/'; prefix++) {
            }
            for (; *at == '/'; at++) {
            }
        } else if (*at++ != *prefix++) {
            return 0;
        }
    }
    if (at > uri && at[-1] != '/' && *at != '\0' && *at != '/') {
        return 0;
    }
    return (apr_size_t)(at - uri);
}

static char *map_prefix(request_rec *r, const wsgi_alias_t *alias)
{
    apr_size_t matched = match_prefix(r->uri, alias->prefix);

    if (matched == 0) {
        return NULL;
    }
    return apr_pstrcat(r->pool, alias->target, strcmp(alias->prefix, "/") == 0 ? r->uri : r->uri + matched, NULL);
}

static char *map_pattern(request_rec *r, const wsgi_alias_t *alias)
{
    ap_regmatch_t matches[MAX_SUBSTITUTIONS];
    const char *target, *rest;

    if (ap_regexec(alias->pattern, r->uri, MAX_SUBSTITUTIONS, matches, 0) != 0 || matches[0].rm_eo <= 0) {
        return NULL;
    }
    target = ap_pregsub(r->pool, alias->target, r->uri, MAX_SUBSTITUTIONS, matches);
    if (target == NULL) {
        return NULL;
    }
    rest = r->uri + matches[0].rm_eo;
    if (matches[0].rm_eo == 1 && r->uri[0] == '/') {
        rest = r->uri;
    }
    return apr_pstrcat(r->pool, target, rest, NULL);
}

static int translate(request_rec *r)
{
    const apr_array_header_t *aliases = wsgi_server_config(r->server)->aliases;

    if (r->uri == NULL || r->uri[0] != '/') {
        return DECLINED;
    }
    for (int i = 0; i < aliases->nelts; i++) {
        const wsgi_alias_t *alias = &APR_ARRAY_IDX(aliases, i, wsgi_alias_t);
        char *filename = alias->prefix != NULL ? map_prefix(r, alias) : map_pattern(r, alias);

        if (filename != NULL) {
            r->filename = filename;
            r->handler = "wsgi-script";
            apr_table_setn(r->notes, "alias-forced-type", r->handler);
            ap_set_module_config(r->request_config, &wsgi_module, (void *)alias);
            return OK;
        }
    }
    return DECLINED;
}

const wsgi_alias_t *wsgi_translate_alias(const request_rec *r)
{
    return ap_get_module_config(r->request_config, &wsgi_module);
}

void wsgi_translate_register(void)
{
    static const char *const before[] = { "mod_alias.c", NULL };
    static const char *const after[] = { "mod_userdir.c", "mod_vhost_alias.c", NULL };

    ap_hook_translate_name(translate, before, after, APR_HOOK_MIDDLE);
}
