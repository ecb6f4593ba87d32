#include <apr_strings.h>
#include <http_core.h>
#include <http_log.h>
#include <string.h>

#include "base/wsgi_parse.h"
#include "config/wsgi_config.h"
#include "config/wsgi_groups.h"
#include "config/wsgi_options.h"
#include "config/wsgi_reporting.h"
#include "config/wsgi_sections.h"

APLOG_USE_MODULE(wsgi);

#define REQUEST_FIELD(name) (void *)APR_OFFSETOF(wsgi_dir_config_t, name)
#define SETUP_FIELD(name) (void *)APR_OFFSETOF(wsgi_setup_t, name)

static wsgi_setup_t *setup_of(const cmd_parms *cmd)
{
    return wsgi_server_config(cmd->server)->setup;
}

static const char *place_of(const cmd_parms *cmd)
{
    return apr_psprintf(cmd->pool, "%s:%d", cmd->directive->filename, cmd->directive->line_num);
}

static const char *wrong_value(const cmd_parms *cmd, const char *value, const char *expected)
{
    return apr_psprintf(cmd->pool, "%s cannot be '%s': %s is expected", cmd->cmd->name, value, expected);
}

/* @param group NULL: known only when a request is there */
static void add_mention(cmd_parms *cmd, const char *group)
{
    APR_ARRAY_PUSH(setup_of(cmd)->mentions, wsgi_mention_t) =
        (wsgi_mention_t){ group, cmd->server, cmd->cmd->name, place_of(cmd) };
}

/* Names that vary with the request begin with %; of those %{GLOBAL} alone is known now, and is no daemon group. */
static void mention_group(cmd_parms *cmd, const char *group)
{
    if (group != NULL && strcmp(group, "%{GLOBAL}") != 0) {
        add_mention(cmd, group[0] != '%' ? group : NULL);
    }
}

/* ---- settings that exist once, in the main server only ---- */

static const char *set_setup_flag(cmd_parms *cmd, void *dir, int flag)
{
    const char *error = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    (void)dir;
    if (error == NULL) {
        *(int *)((char *)setup_of(cmd) + (apr_size_t)cmd->info) = flag;
    }
    return error;
}

static const char *set_setup_text(cmd_parms *cmd, void *dir, const char *text)
{
    const char *error = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    (void)dir;
    if (error == NULL) {
        *(const char **)((char *)setup_of(cmd) + (apr_size_t)cmd->info) = text;
    }
    return error;
}

static const char *set_python_home(cmd_parms *cmd, void *dir, const char *text)
{
    wsgi_setup_t *setup = setup_of(cmd);
    const char *error = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    (void)dir;
    if (error == NULL) {
        setup->python.python_home = text;
        setup->python_home_place = place_of(cmd);
    }
    return error;
}

static const char *set_optimize(cmd_parms *cmd, void *dir, const char *word)
{
    const char *error = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    apr_int64_t level;

    (void)dir;
    if (error != NULL) {
        return error;
    }
    if (!wsgi_parse_integer(&level, word, -APR_INT32_MAX, APR_INT32_MAX)) {
        return wrong_value(cmd, word, "0, 1 or 2");
    }
    setup_of(cmd)->python.optimize = level < 0 ? 0 : level > 2 ? 2 : (int)level;
    return NULL;
}

static const char *add_warning_filter(cmd_parms *cmd, void *dir, const char *filter)
{
    const char *error = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    apr_array_header_t *warnings = (apr_array_header_t *)setup_of(cmd)->python.warnings; /* ours while we read */

    (void)dir;
    if (error == NULL) {
        APR_ARRAY_PUSH(warnings, const char *) = filter;
    }
    return error;
}

static const char *set_hash_seed(cmd_parms *cmd, void *dir, const char *word)
{
    const char *error = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    wsgi_runtime_settings_t *python = &setup_of(cmd)->python;
    apr_int64_t seed = 0;

    (void)dir;
    if (error != NULL) {
        return error;
    }
    python->hash_seed_given = strcasecmp(word, "random") != 0;
    if (python->hash_seed_given && !wsgi_parse_integer(&seed, word, 0, APR_UINT32_MAX)) {
        return wrong_value(cmd, word, "'random' or a whole number from 0 to 4294967295");
    }
    python->hash_seed = (unsigned long)seed;
    return NULL;
}

static const char *set_socket_prefix(cmd_parms *cmd, void *dir, const char *prefix)
{
    const char *error = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    wsgi_setup_t *setup = setup_of(cmd);

    (void)dir;
    if (error != NULL) {
        return error;
    }
    setup->socket_prefix = ap_server_root_relative(cmd->pool, prefix);
    return setup->socket_prefix != NULL ? NULL : wrong_value(cmd, prefix, "a path prefix that ServerRoot can complete");
}

static void add_relic(cmd_parms *cmd, int is_current)
{
    APR_ARRAY_PUSH(setup_of(cmd)->relics, wsgi_relic_t) =
        (wsgi_relic_t){ cmd->cmd->name, place_of(cmd), cmd->info, is_current };
}

/* Old configuration files must not keep Apache from starting. In .htaccess it would be said at every request: not. */
static const char *ignore_relic(cmd_parms *cmd, void *dir, const char *arguments)
{
    (void)dir;
    (void)arguments;
    if (ap_check_cmd_context(cmd, NOT_IN_HTACCESS) == NULL) {
        add_relic(cmd, 0);
    }
    return NULL;
}

static const char *ignore_accept_mutex(cmd_parms *cmd, void *dir, const char *method)
{
    static const char *const methods[] = { "default", "flock", "fcntl", "sysvsem", "posixsem", "pthread" };
    const char *error = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    (void)dir;
    if (error != NULL) {
        return error;
    }
    for (apr_size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (strcasecmp(method, methods[i]) == 0) {
            add_relic(cmd, 1);
            return NULL;
        }
    }
    return wrong_value(cmd, method, "default, flock, fcntl, sysvsem, posixsem or pthread");
}

/* ---- process groups and what runs in them ---- */

static const char *define_group(cmd_parms *cmd, void *dir, const char *arguments)
{
    const char *name = ap_getword_conf(cmd->pool, &arguments);

    (void)dir;
    if (*name == '\0') {
        return apr_psprintf(cmd->pool, "%s: the name of the process group is missing", cmd->cmd->name);
    }
    return wsgi_groups_define(cmd, name, arguments);
}

static const char *add_import(cmd_parms *cmd, const wsgi_import_t *import)
{
    wsgi_setup_t *setup = setup_of(cmd);

    if (*import->process_group != '\0') {
        const char *error = wsgi_groups_check_import(cmd, setup, import->process_group);
        if (error != NULL) {
            return error;
        }
    }
    APR_ARRAY_PUSH(setup->imports, wsgi_import_t) = *import;
    return NULL;
}

static const char *import_script(cmd_parms *cmd, void *dir, const char *arguments)
{
    wsgi_import_t import = { .script = ap_getword_conf(cmd->pool, &arguments) };
    const char *error;

    (void)dir;
    if (*import.script == '\0') {
        return apr_psprintf(cmd->pool, "%s: the path of the script is missing", cmd->cmd->name);
    }
    error = wsgi_options_read(&import, NULL, wsgi_options_import, arguments, cmd->cmd->name, cmd->pool);
    if (error != NULL) {
        return error;
    }
    if (import.process_group == NULL || import.application_group == NULL) {
        return apr_psprintf(cmd->pool, "%s: option '%s' is missing", cmd->cmd->name,
                            import.process_group == NULL ? "process-group" : "application-group");
    }
    if (*import.process_group == '\0') {
        setup_of(cmd)->needs_embedded = 1;
    }
    return add_import(cmd, &import);
}

/* %{GLOBAL} is known now and means "", other variables are not. @return NULL when the name is not known now */
static const char *settled(const char *name)
{
    if (name == NULL || strstr(name, "%{") == NULL) {
        return name;
    }
    return strcmp(name, "%{GLOBAL}") == 0 ? "" : NULL;
}

/* An alias that says where its script will run lets it be loaded when that process starts. */
static const char *preload_target(cmd_parms *cmd, const wsgi_alias_t *alias)
{
    wsgi_import_t import = { .script = alias->target,
                             .process_group = settled(alias->binding.process_group),
                             .application_group = settled(alias->binding.application_group) };

    if (import.process_group == NULL || import.application_group == NULL
        || (alias->pattern != NULL && strchr(alias->target, '$') != NULL)) {
        return NULL;
    }
    return add_import(cmd, &import);
}

/* cmd->info is not NULL for the form that matches a pattern. */
static const char *add_alias(cmd_parms *cmd, void *dir, const char *arguments)
{
    wsgi_alias_t alias = { .binding.pass_authorization = WSGI_UNSET };
    const char *url = ap_getword_conf(cmd->pool, &arguments), *error;

    (void)dir;
    alias.target = ap_getword_conf(cmd->pool, &arguments);
    if (*url == '\0' || *alias.target == '\0') {
        return apr_psprintf(cmd->pool, "%s requires at least two arguments: what to map, and the script or folder",
                            cmd->cmd->name);
    }
    error = wsgi_options_read(&alias.binding, NULL, wsgi_options_alias, arguments, cmd->cmd->name, cmd->pool);
    if (error != NULL) {
        return error;
    }
    if (cmd->info == NULL) {
        alias.prefix = url;
    } else if ((alias.pattern = ap_pregcomp(cmd->pool, url, AP_REG_EXTENDED)) == NULL) {
        return apr_psprintf(cmd->pool, "%s: '%s' is not a valid regular expression", cmd->cmd->name, url);
    }
    mention_group(cmd, alias.binding.process_group);
    APR_ARRAY_PUSH(wsgi_server_config(cmd->server)->aliases, wsgi_alias_t) = alias;
    return preload_target(cmd, &alias);
}

/* ---- settings of a request ---- */

static const char *add_handler_script(cmd_parms *cmd, void *dir, const char *arguments)
{
    wsgi_dir_config_t *config = dir;
    wsgi_handler_script_t *handler = apr_pcalloc(cmd->pool, sizeof(*handler));
    const char *error = ap_check_cmd_context(cmd, NOT_IN_HTACCESS);
    const char *name = ap_getword_conf(cmd->pool, &arguments);

    if (error != NULL) {
        return error;
    }
    handler->script = ap_getword_conf(cmd->pool, &arguments);
    handler->binding.pass_authorization = WSGI_UNSET;
    if (*name == '\0' || *handler->script == '\0') {
        return apr_psprintf(cmd->pool, "%s: %s is missing", cmd->cmd->name,
                            *name == '\0' ? "the name of the handler" : "the path of the script");
    }
    error = wsgi_options_read(&handler->binding, NULL, wsgi_options_handler, arguments, cmd->cmd->name, cmd->pool);
    if (error != NULL) {
        return error;
    }
    if (config->handler_scripts == NULL) {
        config->handler_scripts = apr_hash_make(cmd->pool);
    }
    apr_hash_set(config->handler_scripts, name, APR_HASH_KEY_STRING, handler);
    mention_group(cmd, handler->binding.process_group);
    return NULL;
}

/* A script for Apache's own process; cmd->info is the place of its field. */
static const char *set_callout_script(cmd_parms *cmd, void *dir, const char *arguments)
{
    wsgi_callout_script_t *callout = apr_pcalloc(cmd->pool, sizeof(*callout));
    const char *error;

    callout->script = ap_getword_conf(cmd->pool, &arguments);
    if (*callout->script == '\0') {
        return apr_psprintf(cmd->pool, "%s: the path of the script is missing", cmd->cmd->name);
    }
    error = wsgi_options_read(callout, NULL, wsgi_options_callout, arguments, cmd->cmd->name, cmd->pool);
    if (error != NULL) {
        return error;
    }
    if (ap_check_cmd_context(cmd, NOT_IN_HTACCESS) == NULL) {
        setup_of(cmd)->needs_embedded = 1; /* .htaccess is read too late for that, while requests are served */
    }
    if (cmd->info == REQUEST_FIELD(dispatch_script)) {
        add_mention(cmd, NULL); /* it may answer with the name of any group */
    }
    *(const wsgi_callout_script_t **)((char *)dir + (apr_size_t)cmd->info) = callout;
    return NULL;
}

static const char *set_process_group(cmd_parms *cmd, void *dir, const char *name)
{
    mention_group(cmd, name);
    return ap_set_string_slot(cmd, dir, name);
}

static const char *restrict_process(cmd_parms *cmd, void *dir, int argc, char *const argv[])
{
    wsgi_dir_config_t *config = dir;
    apr_array_header_t *names = apr_array_make(cmd->pool, argc > 0 ? argc : 1, sizeof(const char *));

    for (int i = 0; i < argc; i++) {
        APR_ARRAY_PUSH(names, const char *) = strcmp(argv[i], "%{GLOBAL}") == 0 ? "" : argv[i];
    }
    config->restrict_process = names;
    return NULL;
}

static const char *set_map_head(cmd_parms *cmd, void *dir, const char *word)
{
    wsgi_dir_config_t *config = dir;

    if (strcasecmp(word, "Auto") == 0) {
        config->map_head_to_get = WSGI_AUTO;
        return NULL;
    }
    return wsgi_parse_flag(&config->map_head_to_get, word) ? NULL : wrong_value(cmd, word, "On, Off or Auto");
}

static wsgi_proxy_rules_t *proxy_rules_of(wsgi_dir_config_t *config, apr_pool_t *pool)
{
    if (config->proxy_rules == NULL) {
        config->proxy_rules = wsgi_proxy_create(pool);
    }
    return config->proxy_rules;
}

static const char *trust_proxy(cmd_parms *cmd, void *dir, const char *address)
{
    if (wsgi_proxy_trust_address(proxy_rules_of(dir, cmd->pool), address)) {
        return NULL;
    }
    return wrong_value(cmd, address, "an IP address, or a subnet as address/bits or address/netmask,");
}

static const char *trust_proxy_header(cmd_parms *cmd, void *dir, const char *header)
{
    if (wsgi_proxy_trust_header(proxy_rules_of(dir, cmd->pool), header, cmd->pool)) {
        return NULL;
    }
    return wrong_value(cmd, header, "the name of a request header, of letters, digits and '-',");
}

#define IN_SECTIONS (RSRC_CONF | ACCESS_CONF)
#define ANYWHERE (OR_ALL | RSRC_CONF | ACCESS_CONF)
#define REQUEST_FLAG(name, field, where, help) AP_INIT_FLAG(name, ap_set_flag_slot, REQUEST_FIELD(field), where, help)
#define SETUP_FLAG(name, field, help) AP_INIT_FLAG(name, set_setup_flag, SETUP_FIELD(field), RSRC_CONF, help)
#define SCOPE_FIELD(name) (void *)APR_OFFSETOF(wsgi_scope_t, name)
#define SCOPE_FLAG(name, field, help) AP_INIT_FLAG(name, wsgi_sections_flag, SCOPE_FIELD(field), RSRC_CONF, help)
#define SETUP_TEXT(name, field, help) AP_INIT_TAKE1(name, set_setup_text, SETUP_FIELD(field), RSRC_CONF, help)
#define CALLOUT(name, field, where, help) \
    AP_INIT_RAW_ARGS(name, set_callout_script, REQUEST_FIELD(field), where, help)
#define RELIC(name, why) AP_INIT_RAW_ARGS(name, ignore_relic, (void *)(why), ANYWHERE, "Accepted, without effect")

const command_rec wsgi_directives[] = {
    AP_INIT_RAW_ARGS("WSGIScriptAlias", add_alias, NULL, RSRC_CONF,
                     "Map a URL path to a WSGI script or a folder of them"),
    AP_INIT_RAW_ARGS("WSGIScriptAliasMatch", add_alias, (void *)1, RSRC_CONF,
                     "Map URL paths that match a regular expression to WSGI scripts"),
    AP_INIT_RAW_ARGS("WSGIHandlerScript", add_handler_script, NULL, IN_SECTIONS,
                     "Let a script serve the files of an Apache handler"),
    AP_INIT_RAW_ARGS("WSGIDaemonProcess", define_group, NULL, RSRC_CONF, "Define a group of daemon processes"),
    AP_INIT_RAW_ARGS("WSGIImportScript", import_script, NULL, RSRC_CONF, "Load a script when a process starts"),
    CALLOUT("WSGIDispatchScript", dispatch_script, IN_SECTIONS, "Let a script choose where a request runs"),
    CALLOUT("WSGIAccessScript", access_script, OR_AUTHCFG, "Let a script decide by the client's host who may come in"),
    CALLOUT("WSGIAuthUserScript", auth_user_script, OR_AUTHCFG, "Script of the authentication provider 'wsgi'"),
    CALLOUT("WSGIAuthGroupScript", auth_group_script, OR_AUTHCFG, "Script of 'Require wsgi-group'"),

    AP_INIT_TAKE1("WSGIProcessGroup", set_process_group, REQUEST_FIELD(process_group), IN_SECTIONS,
                  "Process group in which applications run"),
    AP_INIT_TAKE1("WSGIApplicationGroup", ap_set_string_slot, REQUEST_FIELD(application_group), IN_SECTIONS,
                  "Python interpreter in which applications run"),
    AP_INIT_TAKE1("WSGICallableObject", ap_set_string_slot, REQUEST_FIELD(callable_object), OR_FILEINFO,
                  "Name of the WSGI callable in the script file"),
    AP_INIT_TAKE_ARGV("WSGIRestrictProcess", restrict_process, NULL, IN_SECTIONS,
                      "Process groups that requests may be sent to"),
    REQUEST_FLAG("WSGIPassAuthorization", pass_authorization, OR_FILEINFO,
                 "Pass the Authorization header of requests to applications"),
    REQUEST_FLAG("WSGIPassApacheRequest", pass_apache_request, IN_SECTIONS,
                 "Pass Apache's request record to embedded applications"),
    REQUEST_FLAG("WSGIScriptReloading", script_reloading, OR_FILEINFO,
                 "Reload a script file when its modification time changes"),
    REQUEST_FLAG("WSGIErrorOverride", error_override, OR_FILEINFO,
                 "Replace error responses of daemon processes by those of Apache"),
    REQUEST_FLAG("WSGIChunkedRequest", chunked_request, OR_FILEINFO, "Accept request bodies of unknown length"),
    AP_INIT_TAKE1("WSGIMapHEADToGET", set_map_head, NULL, OR_FILEINFO, "Present HEAD requests as GET: On, Off or Auto"),
    REQUEST_FLAG("WSGIIgnoreActivity", ignore_activity, OR_FILEINFO,
                 "Do not let requests count as activity for the inactivity timeout"),
    REQUEST_FLAG("WSGIEnableSendfile", enable_sendfile, OR_FILEINFO, "Let the kernel send files of wsgi.file_wrapper"),
    AP_INIT_ITERATE("WSGITrustedProxies", trust_proxy, NULL, OR_FILEINFO, "Addresses of proxies that are trusted"),
    AP_INIT_ITERATE("WSGITrustedProxyHeaders", trust_proxy_header, NULL, OR_FILEINFO,
                    "Headers of trusted proxies that are believed"),

    AP_INIT_TAKE1("WSGISocketPrefix", set_socket_prefix, NULL, RSRC_CONF, "Folder and name prefix of daemon sockets"),
    SETUP_FLAG("WSGISocketRotation", socket_rotation, "Give daemon sockets another name after each restart"),
    AP_INIT_TAKE1("WSGIAcceptMutex", ignore_accept_mutex,
                  (void *)"the processes of a group share their socket without a lock", RSRC_CONF,
                  "Accepted, without effect"),
    SETUP_FLAG("WSGIRestrictEmbedded", restrict_embedded, "Keep applications out of Apache's own processes"),
    AP_INIT_TAKE1("WSGIPythonHome", set_python_home, NULL, RSRC_CONF,
                  "Python installation or virtual environment"),
    AP_INIT_TAKE1("WSGIPythonPath", wsgi_sections_text, SCOPE_FIELD(python_path), RSRC_CONF,
                  "Further folders for Python modules in embedded mode, or in the interpreters of a section"),
    SETUP_TEXT("WSGIPythonEggs", python.python_eggs, "Folder where embedded Python unpacks eggs"),
    AP_INIT_TAKE1("WSGIPythonOptimize", set_optimize, NULL, RSRC_CONF, "Level of Python's optimization: 0, 1 or 2"),
    AP_INIT_TAKE1("WSGIPythonWarnings", add_warning_filter, NULL, RSRC_CONF, "A warning filter, as for python -W"),
    AP_INIT_TAKE1("WSGIPythonHashSeed", set_hash_seed, NULL, RSRC_CONF, "'random', or the seed of string hashes"),
    SETUP_FLAG("WSGIDontWriteBytecode", python.dont_write_bytecode, "Keep Python from writing .pyc files"),
    AP_INIT_TAKE1("WSGISwitchInterval", wsgi_sections_seconds, SCOPE_FIELD(switch_interval), RSRC_CONF,
                  "Seconds between thread switches in embedded mode, or in the interpreters of a section"),
    SETUP_FLAG("WSGIDestroyInterpreter", python.destroy_interpreter, "Destroy Python when a process ends"),
    SCOPE_FLAG("WSGIRestrictStdin", restrict_stdin, "Keep applications from reading standard input"),
    SCOPE_FLAG("WSGIRestrictStdout", restrict_stdout, "Keep applications from writing to standard output"),
    SCOPE_FLAG("WSGIRestrictSignal", restrict_signal, "Keep applications from setting signal handlers"),
    SCOPE_FLAG("WSGIPerInterpreterGIL", per_interpreter_gil, "Give sub-interpreters a GIL of their own"),
    SCOPE_FLAG("WSGIFreeThreading", free_threading, "Run Python without its GIL"),
    AP_INIT_RAW_ARGS("<WSGIInterpreterOptions", wsgi_sections_read, NULL, RSRC_CONF,
                     "Settings for the interpreters of a process group or application group"),
    SETUP_FLAG("WSGICaseSensitivity", python.case_sensitive, "Tell script files apart by the case of their names"),

    AP_INIT_FLAG("WSGIServerMetrics", wsgi_reporting_set_metrics, NULL, RSRC_CONF,
                 "Let embedded applications ask for Apache's scoreboard"),
    AP_INIT_TAKE12("WSGITelemetryService", wsgi_reporting_set_service, NULL, RSRC_CONF,
                   "Socket that gets telemetry, as unix:/path, and interval=SECONDS"),
    AP_INIT_TAKE_ARGV("WSGITelemetryOptions", wsgi_reporting_set_options, NULL, RSRC_CONF,
                      "What telemetry contains: None, All, or flags"),
    AP_INIT_TAKE1("WSGISlowRequests", wsgi_reporting_set_slow_requests, NULL, RSRC_CONF,
                  "Seconds from which telemetry reports a request by itself"),

    RELIC("WSGIVerboseDebugging", "use 'LogLevel wsgi:debug' or 'LogLevel wsgi:trace1'"),
    RELIC("WSGILazyInitialization", "Python is always initialised in the processes that use it"),
    RELIC("WSGIReloadMechanism", "see WSGIScriptReloading"),
    RELIC("WSGIPy3kWarningFlag", "it concerned Python 2"),
    RELIC("WSGINewRelicConfigFile", "start the agent from the WSGI script"),
    RELIC("WSGINewRelicEnvironment", "start the agent from the WSGI script"),
    RELIC("WSGIGroupAuthoritative", "Apache 2.4 combines authorization by <RequireAny> and its like"),
    { .name = NULL }
};
