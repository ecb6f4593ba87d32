#include "config/wsgi_groups.h"

#include <apr_strings.h>
#include <http_log.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>
#include <unixd.h>

#include "config/wsgi_options.h"
#include "config/wsgi_reporting.h"

APLOG_USE_MODULE(wsgi);

static const char directive[] = "WSGIDaemonProcess";

static void set_defaults(wsgi_group_t *group)
{
    group->umask = -1;
    group->processes = group->minimum_processes = 1;
    group->threads = 15;
    group->listen_backlog = 100;
    group->connect_timeout = apr_time_from_sec(15);
    group->request_buffer_size = 65536;
    group->response_flush_delay = apr_time_from_msec(5);
    group->deadlock_timeout = apr_time_from_sec(300);
    group->graceful_timeout = apr_time_from_sec(15);
    group->shutdown_timeout = apr_time_from_sec(5);
}

/* How many processes: processes=N, processes=LOW:HIGH, or minimum-processes= and maximum-processes=. */
static const char *complete_size(wsgi_definition_t *definition, apr_pool_t *pconf)
{
    wsgi_group_t *group = &definition->group;
    int low = definition->minimum_processes, high = definition->maximum_processes;

    if (definition->processes.high > 0 && (low > 0 || high > 0)) {
        return apr_psprintf(pconf, "%s %s: option 'processes' cannot be combined with '%s'", directive, group->name,
                            low > 0 ? "minimum-processes" : "maximum-processes");
    }
    if (definition->processes.high > 0) {
        low = definition->processes.low;
        high = definition->processes.high;
    }
    if (high > 0 && low > high) {
        return apr_psprintf(pconf, "%s %s: option 'minimum-processes' cannot be '%d': a number up to the %d of "
                                   "'maximum-processes' is expected",
                            directive, group->name, low, high);
    }
    if (low > 0 && high == 0 && definition->minimum_processes > 0) {
        return apr_psprintf(pconf, "%s %s: option 'minimum-processes' needs 'maximum-processes'", directive,
                            group->name);
    }
    group->processes_given = high > 0;
    group->processes = high > 0 ? high : 1;
    group->minimum_processes = low > 0 ? low : 1;
    return NULL;
}

/* Options that depend on each other, and those whose 0 means a default. */
static const char *complete(wsgi_definition_t *definition, apr_pool_t *pconf)
{
    wsgi_group_t *group = &definition->group;
    const char *error = complete_size(definition, pconf);

    if (error != NULL) {
        return error;
    }
    if (definition->script_user.is_given && definition->script_group.is_given) {
        return apr_psprintf(pconf, "%s %s: options 'script-user' and 'script-group' cannot be combined", directive,
                            group->name);
    }
    if (group->preload && group->threads == 0) {
        return apr_psprintf(pconf, "%s %s: option 'preload' cannot be 'On' with 'threads=0': the script of a service "
                                   "runs in its own process only",
                            directive, group->name);
    }
    if (group->chroot != NULL && geteuid() != 0) {
        return apr_psprintf(pconf, "%s %s: option 'chroot' cannot be '%s': Apache has to be started as root for it",
                            directive, group->name, group->chroot);
    }
    group->script_user = definition->script_user.name;
    group->script_group = definition->script_group.name;
    if (group->header_buffer_size == 0) {
        group->header_buffer_size = 32768;
    }
    if (group->response_buffer_size == 0) {
        group->response_buffer_size = 8388608;
    }
    if (group->display_name != NULL && strcmp(group->display_name, "%{GROUP}") == 0) {
        group->display_name = apr_psprintf(pconf, "(wsgi:%s)", group->name);
    }
    return NULL;
}

static const char *parse_definition(wsgi_definition_t **out, const char *name, const char *options, const char *place,
                                    apr_pool_t *pconf)
{
    wsgi_definition_t *definition = apr_pcalloc(pconf, sizeof(*definition));
    const char *error;

    definition->group.name = name;
    definition->group.defined_at = place;
    definition->options = apr_table_make(pconf, 8);
    definition->servers = apr_array_make(pconf, 2, sizeof(const server_rec *));
    set_defaults(&definition->group);
    error = wsgi_options_read(definition, definition->options, wsgi_options_group, options,
                              apr_pstrcat(pconf, directive, " ", name, NULL), pconf);
    *out = definition;
    return error != NULL ? error : complete(definition, pconf);
}

static int is_option_of(void *context, const char *name, const char *value)
{
    const char *other = apr_table_get(context, name);

    return other != NULL && strcmp(other, value) == 0;
}

static int same_options(const wsgi_definition_t *a, const wsgi_definition_t *b)
{
    return apr_table_elts(a->options)->nelts == apr_table_elts(b->options)->nelts
           && apr_table_do(is_option_of, b->options, a->options, NULL);
}

const char *wsgi_groups_define(cmd_parms *cmd, const char *name, const char *options)
{
    wsgi_setup_t *setup = wsgi_server_config(cmd->server)->setup;
    const char *place = apr_psprintf(cmd->pool, "%s:%d", cmd->directive->filename, cmd->directive->line_num);
    wsgi_definition_t *definition, *known = apr_hash_get(setup->definition_by_name, name, APR_HASH_KEY_STRING);
    const char *error = parse_definition(&definition, name, options, place, cmd->pool);

    if (error != NULL) {
        return error;
    }
    if (known != NULL && !same_options(definition, known)) {
        return apr_psprintf(cmd->pool,
                            "%s %s: there is another group of this name, defined differently at %s; a name can be "
                            "repeated only with the same options",
                            directive, name, known->group.defined_at);
    }
    if (definition->group.server_metrics) {
        wsgi_reporting_note_pending(setup, "server-metrics=On");
    }
    if (known != NULL) {
        known->cloned_at = place;
        definition = known;
    } else {
        APR_ARRAY_PUSH(setup->definitions, wsgi_definition_t *) = definition;
        definition->group.id = setup->definitions->nelts;
        apr_hash_set(setup->definition_by_name, name, APR_HASH_KEY_STRING, definition);
    }
    APR_ARRAY_PUSH(definition->servers, const server_rec *) = cmd->server;
    return NULL;
}

const wsgi_definition_t *wsgi_groups_find(const wsgi_setup_t *setup, const char *name)
{
    return apr_hash_get(setup->definition_by_name, name, APR_HASH_KEY_STRING);
}

static int same_host(const server_rec *a, const server_rec *b)
{
    return a->server_hostname != NULL && b->server_hostname != NULL
           && strcmp(a->server_hostname, b->server_hostname) == 0;
}

int wsgi_groups_is_accessible(const wsgi_definition_t *definition, const server_rec *server)
{
    for (int i = 0; i < definition->servers->nelts; i++) {
        const server_rec *owner = APR_ARRAY_IDX(definition->servers, i, const server_rec *);
        if (!owner->is_virtual || owner == server || same_host(owner, server)) {
            return 1;
        }
    }
    return 0;
}

/* Whether the ServerName of just one of two hosts is known yet, so that nothing can be said. */
static int is_undecided(const wsgi_definition_t *definition, const server_rec *server)
{
    for (int i = 0; i < definition->servers->nelts; i++) {
        const server_rec *owner = APR_ARRAY_IDX(definition->servers, i, const server_rec *);
        if ((owner->server_hostname == NULL) != (server->server_hostname == NULL)) {
            return 1;
        }
    }
    return 0;
}

const char *wsgi_groups_check_import(cmd_parms *cmd, const wsgi_setup_t *setup, const char *name)
{
    const wsgi_definition_t *definition = wsgi_groups_find(setup, name);

    if (definition == NULL) {
        return apr_psprintf(cmd->pool,
                            "%s: process group '%s' is not configured yet: its WSGIDaemonProcess has to come first",
                            cmd->cmd->name, name);
    }
    if (wsgi_groups_is_accessible(definition, cmd->server)) {
        return NULL;
    }
    if (is_undecided(definition, cmd->server)) {
        return apr_psprintf(cmd->pool,
                            "%s: process group '%s' (defined at %s) cannot be matched with this virtual host: "
                            "ServerName has to come before this directive",
                            cmd->cmd->name, name, definition->group.defined_at);
    }
    return apr_psprintf(cmd->pool,
                        "%s: process group '%s' is not accessible from here: it was defined at %s in a virtual host "
                        "of another ServerName",
                        cmd->cmd->name, name, definition->group.defined_at);
}

/* The list a process gets: its primary group, then those given. */
static void set_supplementary(wsgi_group_t *group, const apr_array_header_t *given, apr_pool_t *pconf)
{
    gid_t *list = apr_palloc(pconf, (apr_size_t)(given->nelts + 1) * sizeof(*list));
    int count = 0;

    list[count++] = group->gid;
    for (int i = 0; i < given->nelts; i++) {
        gid_t gid = APR_ARRAY_IDX(given, i, gid_t);
        if (gid != group->gid) {
            list[count++] = gid;
        }
    }
    group->supplementary = list;
    group->supplementary_count = count;
}

static void resolve_identity(wsgi_definition_t *definition, int is_root, apr_pool_t *pconf)
{
    wsgi_group_t *group = &definition->group;
    const struct passwd *entry;

    if (is_root) {
        group->uid = definition->user.is_given ? (uid_t)definition->user.id : ap_unixd_config.user_id;
        group->gid = definition->user_group.is_given ? (gid_t)definition->user_group.id : ap_unixd_config.group_id;
        group->socket_uid = definition->socket_user.is_given ? (uid_t)definition->socket_user.id
                                                             : ap_unixd_config.user_id;
        group->change_to_user_home = group->uid != ap_unixd_config.user_id && group->home == NULL;
        if (definition->supplementary != NULL) {
            set_supplementary(group, definition->supplementary, pconf);
        }
    } else {
        group->uid = geteuid();
        group->gid = getegid();
        group->socket_uid = group->uid;
    }
    entry = getpwuid(group->uid);
    group->user = entry != NULL ? apr_pstrdup(pconf, entry->pw_name) : NULL;
}

/* Apache lends a virtual host without any directive of ours the main server's settings; its position is its own. */
static wsgi_server_config_t *own_config(server_rec *s, server_rec *main_server, apr_pool_t *pconf)
{
    wsgi_server_config_t *config = wsgi_server_config(s);

    if (s != main_server && config == wsgi_server_config(main_server)) {
        config = apr_pmemdup(pconf, config, sizeof(*config));
        ap_set_module_config(s->module_config, &wsgi_module, config);
    }
    return config;
}

void wsgi_groups_resolve(wsgi_setup_t *setup, server_rec *main_server, int is_root)
{
    apr_pool_t *pconf = setup->definitions->pool;
    int index = 0;

    for (server_rec *s = main_server; s != NULL; s = s->next) {
        own_config(s, main_server, setup->definitions->pool)->index = index++;
    }
    for (int i = 0; i < setup->definitions->nelts; i++) {
        wsgi_definition_t *definition = APR_ARRAY_IDX(setup->definitions, i, wsgi_definition_t *);
        const server_rec *owner = APR_ARRAY_IDX(definition->servers, 0, const server_rec *);

        definition->group.server_index = wsgi_server_config(owner)->index;
        definition->group.server_hostname = owner->is_virtual ? owner->server_hostname : NULL;
        resolve_identity(definition, is_root, pconf);
    }
}
