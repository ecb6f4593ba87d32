#include "httpd/wsgi_resolve.h"

#include <apr_strings.h>
#include <http_core.h>
#include <stdlib.h>
#include <string.h>

#include "httpd/wsgi_translate.h"

static const char default_callable[] = "application";
static const char handler_callable[] = "handle_request";

/* HOST:PORT; the standard ports are left out whatever the scheme, so that http and https share an interpreter. */
static const char *with_port(request_rec *r, const char *host)
{
    apr_port_t port = ap_get_server_port(r);

    if (port == DEFAULT_HTTP_PORT || port == DEFAULT_HTTPS_PORT) {
        return host;
    }
    return apr_psprintf(r->pool, "%s:%u", host, port);
}

static const char *expand_server(request_rec *r)
{
    return with_port(r, r->server->server_hostname != NULL ? r->server->server_hostname : "");
}

static const char *expand_host(request_rec *r)
{
    return r->hostname != NULL && *r->hostname != '\0' ? with_port(r, r->hostname) : expand_server(r);
}

static const char *expand_resource(request_rec *r, const char *script_name)
{
    char *name = apr_pstrdup(r->pool, script_name);

    if (!wsgi_server_config(r->server)->setup->python.case_sensitive) {
        ap_str_tolower(name);
    }
    return apr_pstrcat(r->pool, expand_server(r), "|", name, NULL);
}

static int is_env_variable(const char *text)
{
    return strncmp(text, "%{ENV:", 6) == 0;
}

/* The value of %{ENV:name}, NULL if there is none, or the text is not of that form. */
static const char *look_up_env(request_rec *r, const char *text)
{
    apr_size_t len = strlen(text);
    const char *name, *value;

    if (!is_env_variable(text) || text[len - 1] != '}') {
        return NULL;
    }
    name = apr_pstrmemdup(r->pool, text + 6, len - 7);
    value = apr_table_get(r->notes, name);
    if (value == NULL) {
        value = apr_table_get(r->subprocess_env, name);
    }
    return value != NULL ? value : getenv(name);
}

/* What a name of a group comes to in this request. Text that is no known variable stands for itself. */
static const char *expand(request_rec *r, const char *text, const char *script_name)
{
    if (is_env_variable(text)) {
        const char *value = look_up_env(r, text);
        if (value == NULL) {
            return text;
        }
        if (value[0] != '%' || is_env_variable(value)) {
            return value; /* followed one step only, so that no loop can arise */
        }
        text = value;
    }
    if (text[0] != '%') {
        return text;
    }
    if (strcmp(text, "%{GLOBAL}") == 0) {
        return "";
    }
    if (strcmp(text, "%{SERVER}") == 0) {
        return expand_server(r);
    }
    if (strcmp(text, "%{HOST}") == 0) {
        return expand_host(r);
    }
    if (strcmp(text, "%{RESOURCE}") == 0) {
        return expand_resource(r, script_name);
    }
    return text;
}

static const char *expand_callable(request_rec *r, const char *text)
{
    const char *value = text;

    if (text == NULL) {
        return default_callable;
    }
    if (text[0] == '%') {
        value = look_up_env(r, text);
    }
    return value != NULL && value[0] != '%' ? value : default_callable;
}

const char *wsgi_resolve_callout_group(request_rec *r, const char *text)
{
    if (text == NULL || strcmp(text, "%{GLOBAL}") == 0) {
        return WSGI_MAIN_INTERPRETER;
    }
    if (strcmp(text, "%{SERVER}") == 0) {
        return expand_server(r);
    }
    return strcmp(text, "%{HOST}") == 0 ? expand_host(r) : text;
}

void wsgi_resolve_dispatch(wsgi_route_t *route, request_rec *r, const char *const texts[WSGI_ANSWER_TEXTS],
                           const char *script_name)
{
    if (texts[0] != NULL) {
        route->process_group = expand(r, texts[0], script_name);
    }
    if (texts[1] != NULL) {
        route->application_group = expand(r, texts[1], script_name);
    }
    if (texts[2] != NULL && !route->is_handler_script) {
        route->callable_object = expand_callable(r, texts[2]);
    }
}

const wsgi_binding_t *wsgi_resolve_binding(const request_rec *r, const wsgi_handler_script_t *handler)
{
    const wsgi_alias_t *alias;

    if (handler != NULL) {
        return &handler->binding;
    }
    alias = wsgi_translate_alias(r);
    return alias != NULL ? &alias->binding : NULL;
}

/* The mapped file. A proxy that is not to see the query leaves it at the end of the name, and says so in a note. */
static const char *mapped_file(const request_rec *r)
{
    const char *query = apr_table_get(r->notes, "proxy-noquery") != NULL ? strchr(r->filename, '?') : NULL;

    return query == NULL ? r->filename : apr_pstrmemdup(r->pool, r->filename, (apr_size_t)(query - r->filename));
}

void wsgi_resolve_route(wsgi_route_t *route, request_rec *r, const wsgi_handler_script_t *handler,
                        const char *script_name)
{
    static const wsgi_binding_t nothing = { .pass_authorization = WSGI_UNSET };
    const wsgi_dir_config_t *config = wsgi_dir_config(r);
    const wsgi_binding_t *binding = wsgi_resolve_binding(r, handler);
    const char *process_group, *application_group;

    if (binding == NULL) {
        binding = &nothing;
    }
    process_group = binding->process_group != NULL ? binding->process_group : config->process_group;
    application_group = binding->application_group != NULL ? binding->application_group : config->application_group;
    route->process_group = process_group != NULL ? expand(r, process_group, script_name) : WSGI_EMBEDDED;
    route->application_group = application_group != NULL ? expand(r, application_group, script_name)
                                                         : expand_resource(r, script_name);
    if (handler != NULL) {
        route->callable_object = handler_callable;
    } else if (binding->callable_object != NULL) {
        route->callable_object = binding->callable_object;
    } else {
        route->callable_object = expand_callable(r, config->callable_object);
    }
    route->resource = mapped_file(r);
    route->script = handler != NULL ? handler->script : route->resource;
    route->handler = r->handler;
    route->script_mtime = handler == NULL && (r->finfo.valid & APR_FINFO_MTIME) ? r->finfo.mtime : 0;
    route->is_handler_script = handler != NULL;
    route->script_reloading = config->script_reloading != WSGI_OFF;
    route->ignore_activity = config->ignore_activity == WSGI_ON;
    route->enable_sendfile = config->enable_sendfile == WSGI_ON;
    route->error_override = config->error_override == WSGI_ON;
    route->pass_apache_request = config->pass_apache_request == WSGI_ON;
}
