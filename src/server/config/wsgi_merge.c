#include <apr_strings.h>

#include "config/wsgi_config.h"

static void set_python_defaults(wsgi_runtime_settings_t *python, apr_pool_t *pconf)
{
    python->process_group = WSGI_EMBEDDED;
    python->warnings = apr_array_make(pconf, 2, sizeof(const char *));
    python->destroy_interpreter = 1;
    python->base.restrict_signal = 1;
    python->scopes = apr_array_make(pconf, 2, sizeof(wsgi_scope_t));
#ifdef __APPLE__
    python->case_sensitive = 0; /* as the usual file systems there */
#else
    python->case_sensitive = 1;
#endif
}

/* The one of this configuration: made by the first server, found by the others through their common pool. */
static wsgi_setup_t *obtain_setup(apr_pool_t *pconf)
{
    static const char key[] = "mod_wsgi setup";
    void *found = NULL;
    wsgi_setup_t *setup;

    if (apr_pool_userdata_get(&found, key, pconf) == APR_SUCCESS && found != NULL) {
        return found;
    }
    setup = apr_pcalloc(pconf, sizeof(*setup));
    set_python_defaults(&setup->python, pconf);
    setup->socket_rotation = 1;
    setup->definitions = apr_array_make(pconf, 4, sizeof(wsgi_definition_t *));
    setup->definition_by_name = apr_hash_make(pconf);
    setup->imports = apr_array_make(pconf, 4, sizeof(wsgi_import_t));
    setup->mentions = apr_array_make(pconf, 8, sizeof(wsgi_mention_t));
    setup->relics = apr_array_make(pconf, 2, sizeof(wsgi_relic_t));
    setup->pending = apr_array_make(pconf, 2, sizeof(const char *));
    apr_pool_userdata_setn(setup, key, NULL, pconf);
    return setup;
}

void *wsgi_config_create_server(apr_pool_t *pconf, server_rec *s)
{
    wsgi_server_config_t *config = apr_pcalloc(pconf, sizeof(*config));

    (void)s;
    config->setup = obtain_setup(pconf);
    config->aliases = apr_array_make(pconf, 4, sizeof(wsgi_alias_t));
    return config;
}

void *wsgi_config_merge_server(apr_pool_t *pconf, void *base, void *added)
{
    const wsgi_server_config_t *outer = base, *inner = added;
    wsgi_server_config_t *config = apr_pmemdup(pconf, inner, sizeof(*config));

    config->aliases = apr_array_append(pconf, inner->aliases, outer->aliases);
    return config;
}

void *wsgi_config_create_dir(apr_pool_t *pconf, char *dir)
{
    wsgi_dir_config_t *config = apr_pcalloc(pconf, sizeof(*config));

    (void)dir;
    config->pass_authorization = WSGI_UNSET;
    config->pass_apache_request = WSGI_UNSET;
    config->script_reloading = WSGI_UNSET;
    config->error_override = WSGI_UNSET;
    config->chunked_request = WSGI_UNSET;
    config->map_head_to_get = WSGI_UNSET;
    config->ignore_activity = WSGI_UNSET;
    config->enable_sendfile = WSGI_UNSET;
    return config;
}

#define MERGE_POINTER(field) config->field = inner->field != NULL ? inner->field : outer->field
#define MERGE_FLAG(field) config->field = inner->field != WSGI_UNSET ? inner->field : outer->field

void *wsgi_config_merge_dir(apr_pool_t *pool, void *base, void *added)
{
    const wsgi_dir_config_t *outer = base, *inner = added;
    wsgi_dir_config_t *config = apr_palloc(pool, sizeof(*config));

    MERGE_POINTER(process_group);
    MERGE_POINTER(application_group);
    MERGE_POINTER(callable_object);
    MERGE_POINTER(restrict_process);
    MERGE_POINTER(dispatch_script);
    MERGE_POINTER(access_script);
    MERGE_POINTER(auth_user_script);
    MERGE_POINTER(auth_group_script);
    MERGE_FLAG(pass_authorization);
    MERGE_FLAG(pass_apache_request);
    MERGE_FLAG(script_reloading);
    MERGE_FLAG(error_override);
    MERGE_FLAG(chunked_request);
    MERGE_FLAG(map_head_to_get);
    MERGE_FLAG(ignore_activity);
    MERGE_FLAG(enable_sendfile);
    MERGE_POINTER(handler_scripts);
    if (inner->handler_scripts != NULL && outer->handler_scripts != NULL) {
        config->handler_scripts = apr_hash_overlay(pool, inner->handler_scripts, outer->handler_scripts);
    }
    MERGE_POINTER(proxy_rules);
    if (inner->proxy_rules != NULL && outer->proxy_rules != NULL) {
        config->proxy_rules = wsgi_proxy_merge(outer->proxy_rules, inner->proxy_rules, pool);
    }
    return config;
}
