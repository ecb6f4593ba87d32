#include "httpd/wsgi_vars.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <http_config.h>
#include <http_connection.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>
#include <http_ssl.h>
#include <string.h>
#include <util_filter.h>
#include <util_script.h>

#include "base/wsgi_httprules.h"
#include "config/wsgi_config.h"
#include "httpd/wsgi_startup.h"

enum { OWN_VARIABLES = 40 }; /* upper bound for those that are neither headers nor from the environment table */

/* For constant names, whose length the compiler knows. */
#define ADD(variables, name, value) add_named(variables, name, sizeof(name) - 1, value)

static void add_named(wsgi_fields_t *variables, const char *name, apr_size_t name_len, const char *value)
{
    wsgi_fields_addn(variables, name, (apr_uint32_t)name_len, value, (apr_uint32_t)strlen(value));
}

static const char *collapse(request_rec *r, const char *path, apr_size_t len)
{
    char *copy = apr_pstrmemdup(r->pool, path, len);

    wsgi_http_collapse_slashes(copy);
    return copy;
}

wsgi_paths_t wsgi_vars_paths(request_rec *r)
{
    apr_size_t script_len = strlen(r->uri);
    wsgi_paths_t paths = { .path_info = "" };

    if (r->path_info != NULL && *r->path_info != '\0') {
        paths.path_info = collapse(r, r->path_info, strlen(r->path_info));
        if (strcmp(r->protocol, "INCLUDED") != 0) {
            script_len = (apr_size_t)ap_find_path_info(r->uri, r->path_info);
        }
    }
    paths.script_name = collapse(r, r->uri, script_len);
    return paths;
}

static const core_dir_config *core_config(const request_rec *r)
{
    return ap_get_core_module_config(r->per_dir_config);
}

static int wants_current_uri(const core_dir_config *core)
{
    const char *rule = core->cgi_var_rules != NULL
                           ? apr_hash_get(core->cgi_var_rules, "REQUEST_URI", APR_HASH_KEY_STRING)
                           : NULL;

    return rule != NULL && strcmp(rule, "current-uri") == 0;
}

/* The second word of the request line, as it came. */
static const char *request_uri(request_rec *r)
{
    const char *start, *end;

    if (wants_current_uri(core_config(r))) {
        return r->uri;
    }
    if (r->the_request == NULL) {
        return "";
    }
    for (start = r->the_request; *start != '\0' && !apr_isspace(*start); start++) {
    }
    for (; apr_isspace(*start); start++) {
    }
    for (end = start; *end != '\0' && !apr_isspace(*end); end++) {
    }
    return apr_pstrmemdup(r->pool, start, (apr_size_t)(end - start));
}

/* A HEAD request whose response filters want to see the body, to compress or store it, has to produce that body. */
static const char *request_method(const request_rec *r)
{
    int map = wsgi_dir_config(r)->map_head_to_get;

    if (!r->header_only || r->method_number != M_GET || map == WSGI_OFF) {
        return r->method;
    }
    if (map == WSGI_ON || r->output_filters->frec->ftype < AP_FTYPE_PROTOCOL) {
        return "GET";
    }
    return r->method;
}

static void add_environment(wsgi_fields_t *variables, const apr_table_t *table)
{
    const apr_array_header_t *entries = apr_table_elts(table);

    for (int i = 0; i < entries->nelts; i++) {
        const apr_table_entry_t *entry = &APR_ARRAY_IDX(entries, i, apr_table_entry_t);
        if (entry->key != NULL && strncmp(entry->key, "mod_wsgi.x-", 11) != 0) {
            wsgi_fields_add(variables, entry->key, entry->val);
        }
    }
}

static void add_server(wsgi_fields_t *variables, request_rec *r, const char *server_name)
{
    ADD(variables, "SERVER_SIGNATURE", ap_psignature("", r));
    ADD(variables, "SERVER_SOFTWARE", ap_get_server_banner());
    ADD(variables, "SERVER_NAME", ap_escape_html(r->pool, server_name));
    ADD(variables, "SERVER_ADDR", r->connection->local_ip);
    ADD(variables, "SERVER_PORT", apr_itoa(r->pool, ap_get_server_port(r)));
    ADD(variables, "SERVER_PROTOCOL", r->protocol);
    if (r->server->server_admin != NULL) {
        ADD(variables, "SERVER_ADMIN", r->server->server_admin);
    }
    ADD(variables, "DOCUMENT_ROOT", ap_document_root(r));
}

static void add_context(wsgi_fields_t *variables, request_rec *r)
{
    ADD(variables, "GATEWAY_INTERFACE", "CGI/1.1");
    ADD(variables, "CONTEXT_PREFIX", ap_context_prefix(r));
    ADD(variables, "CONTEXT_DOCUMENT_ROOT", ap_context_document_root(r));
}

static const char *known_remote_host(const request_rec *r)
{
    const char *host = r->useragent_addr == r->connection->client_addr ? r->connection->remote_host : r->useragent_host;

    return host != NULL && *host != '\0' ? host : NULL;
}

static void add_client(wsgi_fields_t *variables, request_rec *r)
{
    const char *host = known_remote_host(r);

    ADD(variables, "REMOTE_ADDR", r->useragent_ip);
    ADD(variables, "REMOTE_PORT", apr_itoa(r->pool, r->connection->client_addr->port));
    if (host != NULL) {
        ADD(variables, "REMOTE_HOST", host);
    }
}

static void add_user(wsgi_fields_t *variables, request_rec *r)
{
    if (r->ap_auth_type != NULL) {
        ADD(variables, "AUTH_TYPE", r->ap_auth_type);
    }
    if (r->user != NULL) {
        ADD(variables, "REMOTE_USER", r->user);
        return;
    }
    for (const request_rec *earlier = r->prev; earlier != NULL; earlier = earlier->prev) {
        if (earlier->user != NULL) {
            ADD(variables, "REDIRECT_REMOTE_USER", earlier->user);
            return;
        }
    }
}

static void add_redirect(wsgi_fields_t *variables, request_rec *r)
{
    const request_rec *earlier = r->prev;
    int is_qualified = core_config(r)->qualify_redirect_url == AP_CORE_CONFIG_ON;

    if (earlier == NULL) {
        return;
    }
    if (earlier->args != NULL) {
        ADD(variables, "REDIRECT_QUERY_STRING", earlier->args);
    }
    if (earlier->uri != NULL) {
        ADD(variables, "REDIRECT_URL", is_qualified ? ap_construct_url(r->pool, earlier->uri, r->prev) : earlier->uri);
    }
}

static void add_request(wsgi_fields_t *variables, request_rec *r, const wsgi_paths_t *paths, const char *resource)
{
    ADD(variables, "REQUEST_METHOD", request_method(r));
    ADD(variables, "REQUEST_SCHEME", ap_http_scheme(r));
    ADD(variables, "REQUEST_URI", request_uri(r));
    ADD(variables, "QUERY_STRING", r->args != NULL ? r->args : "");
    ADD(variables, "SCRIPT_FILENAME", resource);
    ADD(variables, "SCRIPT_NAME", paths->script_name);
    ADD(variables, "PATH_INFO", paths->path_info);
    ADD(variables, "mod_wsgi.script_name", paths->script_name);
    ADD(variables, "mod_wsgi.path_info", paths->path_info);
}

/* As the Listen directive names it, "" when it names none. */
static const char *listener_host(const conn_rec *c)
{
    if (c->local_host != NULL) {
        return c->local_host;
    }
    return c->local_addr->hostname != NULL ? c->local_addr->hostname : "";
}

static void add_module(wsgi_fields_t *variables, request_rec *r)
{
    const conn_rec *c = r->connection;

    if (r->log_id == NULL) {
        ap_run_generate_log_id(r->connection, r, &r->log_id);
    }
    if (r->log_id != NULL) {
        ADD(variables, "mod_wsgi.request_id", r->log_id);
    }
    if (c->log_id != NULL) {
        ADD(variables, "mod_wsgi.connection_id", c->log_id);
    }
    ADD(variables, "mod_wsgi.listener_host", listener_host(c));
    ADD(variables, "mod_wsgi.listener_port", apr_itoa(r->pool, c->local_addr->port));
    ADD(variables, "mod_wsgi.server_pid", apr_ltoa(r->pool, (long)wsgi_startup_pid()));
}

/* Headers that are not passed as HTTP_*, or not by default. @return 0 for an ordinary one */
static int add_special_header(wsgi_fields_t *variables, const apr_table_entry_t *header, int authorization,
                              int proxy_authorization)
{
    const char *name = header->key;

    if (strcasecmp(name, "Content-Type") == 0) {
        ADD(variables, "CONTENT_TYPE", header->val);
        return 1;
    }
    if (strcasecmp(name, "Content-Length") == 0) {
        ADD(variables, "CONTENT_LENGTH", header->val);
        return 1;
    }
    return (!authorization && strcasecmp(name, "Authorization") == 0)
           || (!proxy_authorization && strcasecmp(name, "Proxy-Authorization") == 0)
           || strcasecmp(name, "Proxy") == 0; /* https://httpoxy.org */
}

/*
 * One pass over the headers. Those whose names HTTP allows but CGI could confuse with others ("X_Real_IP" and
 * "X-Real-IP" are one variable) are left out.
 * @return const char *, their names; NULL if there are none
 */
static apr_array_header_t *add_headers(wsgi_fields_t *variables, request_rec *r, int authorization,
                                       int proxy_authorization)
{
    const apr_array_header_t *headers = apr_table_elts(r->headers_in);
    apr_array_header_t *refused = NULL;

    for (int i = 0; i < headers->nelts; i++) {
        const apr_table_entry_t *header = &APR_ARRAY_IDX(headers, i, apr_table_entry_t);
        apr_size_t len = header->key != NULL ? strlen(header->key) : 0;
        apr_uint32_t name_len;
        const char *name;

        if (len == 0 || add_special_header(variables, header, authorization, proxy_authorization)) {
            continue;
        }
        if (!wsgi_http_is_passable(header->key, len)) {
            if (refused == NULL) {
                refused = apr_array_make(r->pool, 2, sizeof(const char *));
            }
            APR_ARRAY_PUSH(refused, const char *) = header->key;
            continue;
        }
        name = wsgi_http_cgi_name(header->key, len, &name_len, r->pool);
        wsgi_fields_addn(variables, name, name_len, header->val, (apr_uint32_t)strlen(header->val));
    }
    return refused;
}

/* Headers with odd names are taken from the request altogether, so that no later module is confused by them either. */
static void add_headers_and_purge(wsgi_fields_t *variables, request_rec *r, int pass_authorization)
{
    int passes_auth = core_config(r)->cgi_pass_auth == AP_CGI_PASS_AUTH_ON;
    const apr_array_header_t *refused = add_headers(variables, r, pass_authorization || passes_auth, passes_auth);

    for (int i = 0; refused != NULL && i < refused->nelts; i++) {
        apr_table_unset(r->headers_in, APR_ARRAY_IDX(refused, i, const char *));
    }
}

static int says_https(const wsgi_fields_t *variables)
{
    const char *value = wsgi_fields_get(variables, "HTTPS");

    return value != NULL && (strcmp(value, "1") == 0 || strcasecmp(value, "on") == 0);
}

void wsgi_vars_build(wsgi_fields_t *variables, int *is_https, request_rec *r, const wsgi_paths_t *paths,
                     const char *resource, int pass_authorization)
{
    const wsgi_proxy_rules_t *proxy_rules = wsgi_dir_config(r)->proxy_rules;
    int count = OWN_VARIABLES + apr_table_elts(r->subprocess_env)->nelts + apr_table_elts(r->headers_in)->nelts;
    int is_settled = 0;

    wsgi_fields_init(variables, (apr_uint32_t)count, r->pool);
    add_environment(variables, r->subprocess_env);
    add_headers_and_purge(variables, r, pass_authorization);
    add_server(variables, r, ap_get_server_name_for_url(r));
    add_context(variables, r);
    add_client(variables, r);
    add_user(variables, r);
    add_redirect(variables, r);
    add_request(variables, r, paths, resource);
    add_module(variables, r);
    if (proxy_rules != NULL) {
        is_settled = wsgi_proxy_apply(proxy_rules, variables, r->pool);
    }
    *is_https = says_https(variables) || (!is_settled && ap_ssl_conn_is_ssl(r->connection));
}

void wsgi_vars_build_early(wsgi_fields_t *variables, request_rec *r)
{
    const char *path_info = r->path_info != NULL ? r->path_info : "";
    int script_len = *path_info != '\0' ? ap_find_path_info(r->uri, path_info) : (int)strlen(r->uri);

    wsgi_fields_init(variables, (apr_uint32_t)(OWN_VARIABLES + apr_table_elts(r->headers_in)->nelts), r->pool);
    (void)add_headers(variables, r, 0, 0);
    add_server(variables, r, ap_get_server_name(r));
    add_client(variables, r);
    ADD(variables, "REQUEST_METHOD", r->method);
    ADD(variables, "REQUEST_URI", request_uri(r));
    ADD(variables, "QUERY_STRING", r->args != NULL ? r->args : "");
    ADD(variables, "SCRIPT_NAME", apr_pstrmemdup(r->pool, r->uri, (apr_size_t)script_len));
    ADD(variables, "PATH_INFO", path_info);
}
