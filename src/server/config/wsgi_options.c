#include "config/wsgi_options.h"

#include <apr_strings.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <string.h>

#include "base/wsgi_parse.h"

enum { MAX_PROCESSES = 10000, MAX_THREADS = 65533, MAX_INT = 0x7fffffff, MAX_COLLECTED = 64 << 20 };


#define GROUP_FIELD(member) APR_OFFSETOF(wsgi_definition_t, member)
#define BINDING_FIELD(member) APR_OFFSETOF(wsgi_binding_t, member)
#define IMPORT_FIELD(member) APR_OFFSETOF(wsgi_import_t, member)
#define CALLOUT_FIELD(member) APR_OFFSETOF(wsgi_callout_script_t, member)
#define ANY 0, 0
#define FROM(min) (min), WSGI_NO_LIMIT

const wsgi_option_t wsgi_options_group[] = {
    { "user", WSGI_OPT_USER_BUT_ROOT, GROUP_FIELD(user), ANY },
    { "group", WSGI_OPT_GROUP, GROUP_FIELD(user_group), ANY },
    { "supplementary-groups", WSGI_OPT_GROUPS, GROUP_FIELD(supplementary), ANY },
    { "processes", WSGI_OPT_SPAN, GROUP_FIELD(processes), 1, MAX_PROCESSES },
    { "minimum-processes", WSGI_OPT_INT, GROUP_FIELD(minimum_processes), 1, MAX_PROCESSES },
    { "maximum-processes", WSGI_OPT_INT, GROUP_FIELD(maximum_processes), 1, MAX_PROCESSES },
    { "threads", WSGI_OPT_INT, GROUP_FIELD(group.threads), 0, MAX_THREADS },
    { "umask", WSGI_OPT_OCTAL, GROUP_FIELD(group.umask), 0, 0777 },
    { "lang", WSGI_OPT_TEXT, GROUP_FIELD(group.lang), ANY },
    { "locale", WSGI_OPT_TEXT, GROUP_FIELD(group.locale), ANY },
    { "home", WSGI_OPT_PATH, GROUP_FIELD(group.home), ANY },
    { "chroot", WSGI_OPT_PATH, GROUP_FIELD(group.chroot), ANY },
    { "python-home", WSGI_OPT_NAME, GROUP_FIELD(group.python_home), ANY },
    { "python-path", WSGI_OPT_TEXT, GROUP_FIELD(group.python_path), ANY },
    { "python-eggs", WSGI_OPT_TEXT, GROUP_FIELD(group.python_eggs), ANY },
    { "switch-interval", WSGI_OPT_REAL, GROUP_FIELD(group.switch_interval), ANY },
    { "stack-size", WSGI_OPT_SIZE, GROUP_FIELD(group.stack_size), 1, MAX_INT },
    { "display-name", WSGI_OPT_TEXT, GROUP_FIELD(group.display_name), ANY },
    { "maximum-requests", WSGI_OPT_INT64, GROUP_FIELD(group.maximum_requests), FROM(0) },
    { "maximum-requests-jitter", WSGI_OPT_INT64, GROUP_FIELD(group.maximum_requests_jitter), 0, MAX_INT },
    { "maximum-rss", WSGI_OPT_INT64, GROUP_FIELD(group.maximum_rss), FROM(0) },
    { "restart-interval", WSGI_OPT_SECONDS, GROUP_FIELD(group.restart_interval), 0, MAX_INT },
    { "restart-interval-jitter", WSGI_OPT_SECONDS, GROUP_FIELD(group.restart_interval_jitter), 0, MAX_INT },
    { "inactivity-timeout", WSGI_OPT_SECONDS, GROUP_FIELD(group.inactivity_timeout), 0, MAX_INT },
    { "request-timeout", WSGI_OPT_SECONDS, GROUP_FIELD(group.request_timeout), 0, MAX_INT },
    { "interrupt-timeout", WSGI_OPT_SECONDS, GROUP_FIELD(group.interrupt_timeout), 0, MAX_INT },
    { "deadlock-timeout", WSGI_OPT_SECONDS, GROUP_FIELD(group.deadlock_timeout), 0, MAX_INT },
    { "startup-timeout", WSGI_OPT_SECONDS, GROUP_FIELD(group.startup_timeout), 0, MAX_INT },
    { "graceful-timeout", WSGI_OPT_SECONDS, GROUP_FIELD(group.graceful_timeout), 0, MAX_INT },
    { "eviction-timeout", WSGI_OPT_SECONDS, GROUP_FIELD(group.eviction_timeout), 0, MAX_INT },
    { "shutdown-timeout", WSGI_OPT_SECONDS, GROUP_FIELD(group.shutdown_timeout), 0, MAX_INT },
    { "connect-timeout", WSGI_OPT_SECONDS, GROUP_FIELD(group.connect_timeout), 0, MAX_INT },
    { "socket-timeout", WSGI_OPT_SECONDS, GROUP_FIELD(group.socket_timeout), 0, MAX_INT },
    { "queue-timeout", WSGI_OPT_SECONDS, GROUP_FIELD(group.queue_timeout), 0, MAX_INT },
    { "listen-backlog", WSGI_OPT_INT, GROUP_FIELD(group.listen_backlog), 0, MAX_INT },
    { "socket-user", WSGI_OPT_USER, GROUP_FIELD(socket_user), ANY },
    { "send-buffer-size", WSGI_OPT_BUFFER_INT, GROUP_FIELD(group.send_buffer_size), 512, MAX_INT },
    { "receive-buffer-size", WSGI_OPT_BUFFER_INT, GROUP_FIELD(group.receive_buffer_size), 512, MAX_INT },
    { "header-buffer-size", WSGI_OPT_BUFFER, GROUP_FIELD(group.header_buffer_size), 8192, MAX_INT },
    { "response-buffer-size", WSGI_OPT_BUFFER, GROUP_FIELD(group.response_buffer_size), 65536, MAX_INT },
    { "request-buffer-size", WSGI_OPT_SIZE, GROUP_FIELD(group.request_buffer_size), 0, MAX_COLLECTED },
    { "response-socket-timeout", WSGI_OPT_SECONDS, GROUP_FIELD(group.response_socket_timeout), 0, MAX_INT },
    { "response-flush-delay", WSGI_OPT_MILLISECONDS, GROUP_FIELD(group.response_flush_delay), 0, MAX_INT },
    { "script-user", WSGI_OPT_USER, GROUP_FIELD(script_user), ANY },
    { "script-group", WSGI_OPT_GROUP, GROUP_FIELD(script_group), ANY },
    { "cpu-time-limit", WSGI_OPT_SECONDS, GROUP_FIELD(group.cpu_time_limit), 0, MAX_INT },
    { "cpu-priority", WSGI_OPT_INT, GROUP_FIELD(group.cpu_priority), -20, 20 },
    { "memory-limit", WSGI_OPT_INT64, GROUP_FIELD(group.memory_limit), FROM(0) },
    { "virtual-memory-limit", WSGI_OPT_INT64, GROUP_FIELD(group.virtual_memory_limit), FROM(0) },
    { "replace", WSGI_OPT_REPLACE, GROUP_FIELD(group.stop_first), ANY },
    { "reload-fallback", WSGI_OPT_FALLBACK, GROUP_FIELD(group.reload_fallback_old), ANY },
    { "preload", WSGI_OPT_FLAG, GROUP_FIELD(group.preload), ANY },
    { "server-metrics", WSGI_OPT_FLAG, GROUP_FIELD(group.server_metrics), ANY },
    { NULL, WSGI_OPT_TEXT, 0, ANY }
};

const wsgi_option_t wsgi_options_alias[] = {
    { "process-group", WSGI_OPT_NAME, BINDING_FIELD(process_group), ANY },
    { "application-group", WSGI_OPT_NAME, BINDING_FIELD(application_group), ANY },
    { "callable-object", WSGI_OPT_NAME, BINDING_FIELD(callable_object), ANY },
    { "pass-authorization", WSGI_OPT_FLAG, BINDING_FIELD(pass_authorization), ANY },
    { NULL, WSGI_OPT_TEXT, 0, ANY }
};

const wsgi_option_t wsgi_options_handler[] = {
    { "process-group", WSGI_OPT_NAME, BINDING_FIELD(process_group), ANY },
    { "application-group", WSGI_OPT_NAME, BINDING_FIELD(application_group), ANY },
    { "pass-authorization", WSGI_OPT_FLAG, BINDING_FIELD(pass_authorization), ANY },
    { NULL, WSGI_OPT_TEXT, 0, ANY }
};

const wsgi_option_t wsgi_options_import[] = {
    { "process-group", WSGI_OPT_SCOPE, IMPORT_FIELD(process_group), ANY },
    { "application-group", WSGI_OPT_SCOPE, IMPORT_FIELD(application_group), ANY },
    { NULL, WSGI_OPT_TEXT, 0, ANY }
};

const wsgi_option_t wsgi_options_callout[] = {
    { "application-group", WSGI_OPT_NAME, CALLOUT_FIELD(application_group), ANY },
    { NULL, WSGI_OPT_TEXT, 0, ANY }
};

static const char *describe_integers(const wsgi_option_t *option, const char *unit, apr_pool_t *pool)
{
    if (option->max == WSGI_NO_LIMIT) {
        return apr_psprintf(pool, "a whole number%s of at least %" APR_INT64_T_FMT, unit, option->min);
    }
    return apr_psprintf(pool, "a whole number%s from %" APR_INT64_T_FMT " to %" APR_INT64_T_FMT, unit, option->min,
                        option->max);
}

/* What a value may be, to complete "... is expected". */
static const char *describe(const wsgi_option_t *option, apr_pool_t *pool)
{
    switch (option->type) {
    case WSGI_OPT_NAME:
    case WSGI_OPT_SCOPE:
        return "a value that is not empty";
    case WSGI_OPT_PATH:
        return "an absolute path";
    case WSGI_OPT_FLAG:
        return "On or Off";
    case WSGI_OPT_FALLBACK:
        return "old or none";
    case WSGI_OPT_REPLACE:
        return "start-first or stop-first";
    case WSGI_OPT_SPAN:
        return apr_pstrcat(pool, describe_integers(option, "", pool), ", or two of them as lowest:highest,", NULL);
    case WSGI_OPT_INT:
    case WSGI_OPT_INT64:
        return describe_integers(option, "", pool);
    case WSGI_OPT_SIZE:
        return describe_integers(option, " of bytes", pool);
    case WSGI_OPT_BUFFER:
    case WSGI_OPT_BUFFER_INT:
        return apr_pstrcat(pool, "0 or ", describe_integers(option, " of bytes", pool), NULL);
    case WSGI_OPT_OCTAL:
        return apr_psprintf(pool, "an octal number from 0 to %o", (unsigned)option->max);
    case WSGI_OPT_SECONDS:
        return describe_integers(option, " of seconds", pool);
    case WSGI_OPT_MILLISECONDS:
        return describe_integers(option, " of milliseconds", pool);
    case WSGI_OPT_REAL:
        return "a number greater than 0";
    case WSGI_OPT_USER:
        return "the name of a user, or # and the number of one that has a name,";
    case WSGI_OPT_USER_BUT_ROOT:
        return "the name of a user other than root, or # and the number of one that has a name,";
    case WSGI_OPT_GROUP:
        return "the name of a group, or # and its number,";
    case WSGI_OPT_GROUPS:
        return apr_psprintf(pool, "a list of at most %d groups, each a name or # and a number, separated by commas,",
                            NGROUPS_MAX - 1);
    default:
        return "a value";
    }
}

/* The number after '#'. @return 0 when there is none that fits an id */
static int parse_id(unsigned long *id, const char *word)
{
    apr_int64_t number;

    if (word[0] != '#' || !wsgi_parse_integer(&number, word + 1, 0, APR_UINT32_MAX - 1)) {
        return 0;
    }
    *id = (unsigned long)number;
    return 1;
}

static int read_user(wsgi_account_t *account, const char *value, apr_pool_t *pconf)
{
    unsigned long id;
    const struct passwd *entry = parse_id(&id, value) ? getpwuid((uid_t)id) : getpwnam(value);

    if (entry == NULL) {
        return 0;
    }
    *account = (wsgi_account_t){ 1, entry->pw_uid, apr_pstrdup(pconf, entry->pw_name) };
    return 1;
}

static int read_group(wsgi_account_t *account, const char *value, apr_pool_t *pconf)
{
    unsigned long id;
    int is_number = parse_id(&id, value);
    const struct group *entry = is_number ? getgrgid((gid_t)id) : getgrnam(value);

    if (entry == NULL && !is_number) {
        return 0;
    }
    *account = (wsgi_account_t){ 1, entry ? entry->gr_gid : id, entry ? apr_pstrdup(pconf, entry->gr_name) : NULL };
    return 1;
}

static int read_groups(apr_array_header_t **out, const char *value, apr_pool_t *pconf)
{
    apr_array_header_t *groups = apr_array_make(pconf, 4, sizeof(gid_t));
    char *rest = apr_pstrdup(pconf, value), *word;

    while ((word = strsep(&rest, ",")) != NULL) {
        wsgi_account_t account;
        if (!read_group(&account, word, pconf) || groups->nelts >= NGROUPS_MAX - 1) {
            return 0;
        }
        APR_ARRAY_PUSH(groups, gid_t) = (gid_t)account.id;
    }
    *out = groups;
    return 1;
}

static int read_integer(apr_int64_t *number, const wsgi_option_t *option, const char *value)
{
    int may_be_zero = option->type == WSGI_OPT_BUFFER || option->type == WSGI_OPT_BUFFER_INT;

    return wsgi_parse_integer(number, value, option->min, option->max)
           || (may_be_zero && wsgi_parse_integer(number, value, 0, 0));
}

static int read_span(wsgi_span_t *span, const wsgi_option_t *option, const char *value, apr_pool_t *pconf)
{
    const char *colon = strchr(value, ':');
    const char *low = colon != NULL ? apr_pstrmemdup(pconf, value, (apr_size_t)(colon - value)) : value;
    const char *high = colon != NULL ? colon + 1 : value;
    apr_int64_t lowest, highest;

    if (!wsgi_parse_integer(&lowest, low, option->min, option->max)
        || !wsgi_parse_integer(&highest, high, lowest, option->max)) {
        return 0;
    }
    *span = (wsgi_span_t){ (int)lowest, (int)highest };
    return 1;
}

/* Put a value where it belongs. @return 0 when it is not one of those allowed */
static int store(void *field, const wsgi_option_t *option, const char *value, apr_pool_t *pconf)
{
    apr_int64_t number;

    switch (option->type) {
    case WSGI_OPT_NAME:
    case WSGI_OPT_SCOPE:
    case WSGI_OPT_PATH:
        if (*value == '\0' || (option->type == WSGI_OPT_PATH && *value != '/')) {
            return 0;
        }
        if (option->type == WSGI_OPT_SCOPE && strcmp(value, "%{GLOBAL}") == 0) {
            value = "";
        }
        *(const char **)field = value;
        return 1;
    case WSGI_OPT_FLAG:
        return wsgi_parse_flag(field, value);
    case WSGI_OPT_FALLBACK:
        *(int *)field = strcmp(value, "old") == 0;
        return *(int *)field || strcmp(value, "none") == 0;
    case WSGI_OPT_REPLACE:
        *(int *)field = strcmp(value, "stop-first") == 0;
        return *(int *)field || strcmp(value, "start-first") == 0;
    case WSGI_OPT_SPAN:
        return read_span(field, option, value, pconf);
    case WSGI_OPT_INT:
    case WSGI_OPT_BUFFER_INT:
        if (!read_integer(&number, option, value)) {
            return 0;
        }
        *(int *)field = (int)number;
        return 1;
    case WSGI_OPT_INT64:
        return read_integer(field, option, value);
    case WSGI_OPT_SIZE:
    case WSGI_OPT_BUFFER:
        if (!read_integer(&number, option, value)) {
            return 0;
        }
        *(apr_size_t *)field = (apr_size_t)number;
        return 1;
    case WSGI_OPT_OCTAL:
        return wsgi_parse_octal(field, value, (int)option->max);
    case WSGI_OPT_SECONDS:
        return wsgi_parse_seconds(field, value, option->min, option->max);
    case WSGI_OPT_MILLISECONDS:
        return wsgi_parse_milliseconds(field, value, option->min, option->max);
    case WSGI_OPT_REAL:
        return wsgi_parse_real(field, value, 0);
    case WSGI_OPT_USER:
        return read_user(field, value, pconf);
    case WSGI_OPT_USER_BUT_ROOT:
        return read_user(field, value, pconf) && ((const wsgi_account_t *)field)->id != 0;
    case WSGI_OPT_GROUP:
        return read_group(field, value, pconf);
    case WSGI_OPT_GROUPS:
        return read_groups(field, value, pconf);
    default:
        *(const char **)field = value;
        return 1;
    }
}

static const char *known_names(const wsgi_option_t *table, apr_pool_t *pool)
{
    const char *names = table->name;

    for (table++; table->name != NULL; table++) {
        names = apr_pstrcat(pool, names, ", ", table->name, NULL);
    }
    return names;
}

static const char *read_one(void *record, const wsgi_option_t *table, const char *name, const char *value,
                            const char *directive, apr_pool_t *pconf)
{
    const wsgi_option_t *option = table;

    while (option->name != NULL && strcmp(option->name, name) != 0) {
        option++;
    }
    if (option->name == NULL) {
        return apr_psprintf(pconf, "%s: there is no option '%s' that could be '%s'; known are: %s", directive, name,
                            value, known_names(table, pconf));
    }
    if (!store((char *)record + option->offset, option, value, pconf)) {
        return apr_psprintf(pconf, "%s: option '%s' cannot be '%s': %s is expected", directive, name, value,
                            describe(option, pconf));
    }
    return NULL;
}

const char *wsgi_options_read(void *record, apr_table_t *given, const wsgi_option_t *table, const char *line,
                              const char *directive, apr_pool_t *pconf)
{
    const char *name, *value, *error;
    int taken;

    while ((taken = wsgi_parse_option(&name, &value, &line, pconf)) == 1) {
        error = read_one(record, table, name, value, directive, pconf);
        if (error != NULL) {
            return error;
        }
        if (given != NULL) {
            apr_table_setn(given, name, value);
        }
    }
    if (taken < 0) {
        return apr_psprintf(pconf, "%s: '%s' is not an option: name=value is expected", directive, name);
    }
    return NULL;
}
