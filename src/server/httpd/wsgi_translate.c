#include "httpd/wsgi_translate.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_request.h>
#include <string.h>

#include "base/wsgi_httprules.h"

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

/* Where an alias leads: the file it names and what of the URL's path is left. */
typedef struct {
    const char *target;
    const char *rest;
} mapped_t;

/* @return whether the alias is for this request */
static int map_prefix(mapped_t *mapped, const request_rec *r, const wsgi_alias_t *alias)
{
    apr_size_t matched = match_prefix(r->uri, alias->prefix);

    mapped->target = alias->target;
    mapped->rest = strcmp(alias->prefix, "/") == 0 ? r->uri : r->uri + matched;
    return matched > 0;
}

static int map_pattern(mapped_t *mapped, request_rec *r, const wsgi_alias_t *alias)
{
    ap_regmatch_t matches[MAX_SUBSTITUTIONS];

    if (ap_regexec(alias->pattern, r->uri, MAX_SUBSTITUTIONS, matches, 0) != 0 || matches[0].rm_eo <= 0) {
        return 0;
    }
    mapped->target = ap_pregsub(r->pool, alias->target, r->uri, MAX_SUBSTITUTIONS, matches);
    mapped->rest = matches[0].rm_eo == 1 && r->uri[0] == '/' ? r->uri : r->uri + matches[0].rm_eo;
    return mapped->target != NULL;
}

/* An absolute path of a file that is the same however it is read: without empty segments, "." and "..". */
static int is_plain(const char *path)
{
    while (*path == '/') {
        apr_size_t len = strcspn(++path, "/");

        if (len == 0 || (len == 1 && *path == '.') || (len == 2 && path[0] == '.' && path[1] == '.')) {
            return 0;
        }
        path += len;
        if (*path == '\0') {
            return 1;
        }
    }
    return 0;
}

/*
 * Say where the script ends and its path info begins, when that is plain: the target is a file, and a path follows.
 * Left together, as they have to be for a folder of scripts, Apache's directory walk asks the file system about each
 * part of the path in every request to find it out.
 */
static void place(request_rec *r, const mapped_t *mapped)
{
    if (is_plain(mapped->target) && (*mapped->rest == '/' || *mapped->rest == '\0') &&
        apr_stat(&r->finfo, mapped->target, APR_FINFO_MIN, r->pool) == APR_SUCCESS && r->finfo.filetype == APR_REG) {
        char *path_info = apr_pstrdup(r->pool, mapped->rest);
        wsgi_http_collapse_slashes(path_info);
        r->filename = apr_pstrdup(r->pool, mapped->target);
        r->path_info = path_info;
        return;
    }
    r->finfo.filetype = APR_NOFILE; /* of the request's file nothing is known */
    r->filename = apr_pstrcat(r->pool, mapped->target, mapped->rest, NULL);
}

static int translate(request_rec *r)
{
    const apr_array_header_t *aliases = wsgi_server_config(r->server)->aliases;

    if (r->uri == NULL || r->uri[0] != '/') {
        return DECLINED;
    }
    for (int i = 0; i < aliases->nelts; i++) {
        const wsgi_alias_t *alias = &APR_ARRAY_IDX(aliases, i, wsgi_alias_t);
        mapped_t mapped;

        if (alias->prefix != NULL ? map_prefix(&mapped, r, alias) : map_pattern(&mapped, r, alias)) {
            place(r, &mapped);
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
