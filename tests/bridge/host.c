/*
 * A host for a bridge without any web server: reads commands from standard input, one a line, and answers with
 * JSON objects on standard output, the last one of each command being {"type": "done"}. README.md lists the
 * commands.
 */
#include <apr_general.h>
#include <apr_strings.h>
#include <apr_time.h>
#include <ctype.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/wsgi_bridge.h"
#include "memory.h"

#define MAX_THREADS 64

typedef struct {
    const wsgi_bridge_t *bridge;
    wsgi_runtime_t *runtime;
    wsgi_runtime_settings_t settings;
    apr_array_header_t *scopes; /* of settings */
    wsgi_host_t host;
    wsgi_route_t route;
    wsgi_request_t request;
    wsgi_fields_t variables;
    memory_plan_t plan;
    apr_pool_t *pool;
    pthread_t spawned[MAX_THREADS];
    int spawned_count;
    atomic_long activity;
} host_t;

/* ---- what the host lends ---- */

static void server_log(void *context, const wsgi_record_t *record)
{
    (void)context;
    memory_log("server", record);
}

static int server_log_enabled(void *context, wsgi_log_level_t level)
{
    return (int)level <= ((host_t *)context)->plan.log_level;
}

static void activity(void *context)
{
    atomic_fetch_add(&((host_t *)context)->activity, 1);
}

/* ---- words ---- */

/* "\n" and "\xHH" in place. @return the length */
static size_t unescape(char *text)
{
    char *to = text;
    const char *from = text;

    while (*from != '\0') {
        if (from[0] == '\\' && from[1] == 'x' && isxdigit((unsigned char)from[2]) && isxdigit((unsigned char)from[3])) {
            char digits[3] = { from[2], from[3], '\0' };
            *to++ = (char)strtol(digits, NULL, 16);
            from += 4;
        } else if (from[0] == '\\' && from[1] == 'n') {
            *to++ = '\n';
            from += 2;
        } else {
            *to++ = *from++;
        }
    }
    *to = '\0';
    return (size_t)(to - text);
}

/* Cut the first word off. @return it; *rest is what follows, "" if nothing does */
static char *word(char **rest)
{
    char *start = *rest;
    char *end = start + strcspn(start, " ");

    *rest = *end == ' ' ? end + 1 : end;
    *end = '\0';
    return start;
}

static int same(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* ---- settings ---- */

typedef struct {
    const char *name;
    size_t offset;
    int is_text;
} place_t;

#define TEXT(type, field) { #field, offsetof(type, field), 1 }
#define NUMBER(type, field) { #field, offsetof(type, field), 0 }

static const place_t setting_places[] = {
    TEXT(wsgi_runtime_settings_t, process_group),     TEXT(wsgi_runtime_settings_t, python_home),
    TEXT(wsgi_runtime_settings_t, python_eggs),
    TEXT(wsgi_runtime_settings_t, home),              NUMBER(wsgi_runtime_settings_t, set_user_environment),
    NUMBER(wsgi_runtime_settings_t, optimize),        NUMBER(wsgi_runtime_settings_t, dont_write_bytecode),
    NUMBER(wsgi_runtime_settings_t, hash_seed_given), NUMBER(wsgi_runtime_settings_t, destroy_interpreter),
    NUMBER(wsgi_runtime_settings_t, case_sensitive),
    NUMBER(wsgi_runtime_settings_t, is_service),      NUMBER(wsgi_runtime_settings_t, multithread),
    NUMBER(wsgi_runtime_settings_t, multiprocess),    NUMBER(wsgi_runtime_settings_t, run_once),
    NUMBER(wsgi_runtime_settings_t, is_single_process),
    { NULL, 0, 0 },
};

static const place_t scope_places[] = {
    TEXT(wsgi_scope_t, process_group),         TEXT(wsgi_scope_t, application_group),
    TEXT(wsgi_scope_t, python_path),           NUMBER(wsgi_scope_t, restrict_stdin),
    NUMBER(wsgi_scope_t, restrict_stdout),     NUMBER(wsgi_scope_t, restrict_signal),
    NUMBER(wsgi_scope_t, per_interpreter_gil), NUMBER(wsgi_scope_t, free_threading),
    { NULL, 0, 0 },
};

static const place_t route_places[] = {
    TEXT(wsgi_route_t, process_group),      TEXT(wsgi_route_t, application_group), TEXT(wsgi_route_t, callable_object),
    TEXT(wsgi_route_t, script),             TEXT(wsgi_route_t, resource),          TEXT(wsgi_route_t, handler),
    NUMBER(wsgi_route_t, is_handler_script), NUMBER(wsgi_route_t, script_reloading),
    NUMBER(wsgi_route_t, ignore_activity),  NUMBER(wsgi_route_t, enable_sendfile),
    { NULL, 0, 0 },
};

static int set_place(const place_t *places, void *base, const char *name, const char *value, apr_pool_t *pool)
{
    for (; places->name != NULL; places++) {
        char *field = (char *)base + places->offset;
        if (!same(places->name, name)) {
            continue;
        }
        if (places->is_text) {
            *(const char **)(void *)field = apr_pstrdup(pool, value);
        } else {
            *(int *)(void *)field = atoi(value);
        }
        return 1;
    }
    return 0;
}

/* A field of the base, or of a scope. */
static int set_scope(wsgi_scope_t *scope, const char *name, const char *value, apr_pool_t *pool)
{
    if (same(name, "switch_interval")) {
        scope->switch_interval = atof(value);
        return 1;
    }
    return set_place(scope_places, scope, name, value, pool);
}

/* scope: a new one; those that follow set its fields with `scoped NAME VALUE`. */
static int add_scope(host_t *host)
{
    wsgi_scope_t scope = { .per_interpreter_gil = WSGI_INHERIT, .free_threading = WSGI_INHERIT,
                           .restrict_stdin = WSGI_INHERIT, .restrict_stdout = WSGI_INHERIT,
                           .restrict_signal = WSGI_INHERIT };

    if (host->scopes == NULL) {
        host->scopes = apr_array_make(host->pool, 4, sizeof(wsgi_scope_t));
        host->settings.scopes = host->scopes;
    }
    APR_ARRAY_PUSH(host->scopes, wsgi_scope_t) = scope;
    return 1;
}

static int set_last_scope(host_t *host, const char *name, const char *value)
{
    return host->scopes != NULL &&
           set_scope(&APR_ARRAY_IDX(host->scopes, host->scopes->nelts - 1, wsgi_scope_t), name, value, host->pool);
}

static int set_plan(host_t *host, const char *name, char *value)
{
    if (same(name, "body")) {
        host->plan.body_length = unescape(value);
        host->plan.body = apr_pmemdup(host->pool, value, host->plan.body_length + 1);
    } else if (same(name, "body_size")) { /* lines of 64 bytes */
        host->plan.body_length = (size_t)atol(value);
        char *body = apr_palloc(host->pool, host->plan.body_length + 1);
        for (size_t i = 0; i < host->plan.body_length; i++) {
            body[i] = i % 64 == 63 ? '\n' : (char)('a' + i % 26);
        }
        host->plan.body = body;
    } else if (same(name, "read_limit")) {
        host->plan.read_limit = (size_t)atol(value);
    } else if (same(name, "read_status")) {
        host->plan.read_status = same(value, "timeup") ? APR_TIMEUP : same(value, "again") ? EAGAIN : atoi(value);
    } else if (same(name, "tells")) {
        host->plan.tells = atoi(value);
    } else if (same(name, "sends_before_abort")) {
        host->plan.sends_before_abort = atoi(value);
    } else if (same(name, "discard")) {
        host->plan.discard = atoi(value);
    } else if (same(name, "log_level")) {
        host->plan.log_level = atoi(value);
    } else if (same(name, "change")) {
        host->plan.change = same(value, "reload")   ? WSGI_CHANGE_RELOAD
                            : same(value, "reject") ? WSGI_CHANGE_REJECT
                                                    : WSGI_CHANGE_IGNORE;
    } else if (same(name, "url_scheme")) {
        host->request.url_scheme = apr_pstrdup(host->pool, value);
    } else if (same(name, "request_start")) {
        host->request.moments.request_start = atoll(value);
    } else if (same(name, "queue_start")) {
        host->request.moments.queue_start = atoll(value);
    } else if (same(name, "daemon_start")) {
        host->request.moments.daemon_start = atoll(value);
    } else if (same(name, "daemon_connects")) {
        host->request.daemon_connects = atoi(value);
    } else if (same(name, "daemon_restarts")) {
        host->request.daemon_restarts = atoi(value);
    } else if (same(name, "apache_request")) {
        host->request.apache_request = host; /* any address will do */
    } else {
        return 0;
    }
    return 1;
}

static void set_variable(host_t *host, char *rest)
{
    const char *name = apr_pstrdup(host->pool, word(&rest));

    unescape(rest);
    wsgi_fields_set(&host->variables, name, same(rest, "<null>") ? NULL : apr_pstrdup(host->pool, rest));
}

/* ---- requests ---- */

typedef struct {
    host_t *host;
    const wsgi_request_t *request;
    const memory_plan_t *plan;
    long count;
    int is_reported;
} share_t;

static void run_one(const share_t *share)
{
    host_t *host = share->host;
    memory_t memory;
    wsgi_outcome_t outcome;

    memory_open(&memory, share->plan);
    outcome = host->bridge->execute(host->runtime, share->request, &memory.exchange);
    if (memory.finishes + memory.lasts != 1) {
        abort(); /* a response ends exactly once */
    }
    if (share->is_reported) {
        memory_report(&memory, outcome);
    }
    memory_close(&memory);
}

static void *thread_main(void *argument)
{
    const share_t *share = argument;

    for (long i = 0; i < share->count; i++) {
        run_one(share);
    }
    return NULL;
}

/* So many times in a row on this thread. */
static void run_here(host_t *host, long count, int is_reported)
{
    share_t share = { host, &host->request, &host->plan, count, is_reported };

    (void)thread_main(&share);
}

/* run_many REQUESTS THREADS: the same request again and again; no report but the time it took. */
static void run_many(host_t *host, long requests, int threads)
{
    share_t share = { host, &host->request, &host->plan, requests / threads, 0 };
    apr_time_t before = apr_time_now();
    pthread_t ids[MAX_THREADS];
    report_t report;

    for (int i = 0; i < threads; i++) {
        if (pthread_create(&ids[i], NULL, thread_main, &share) != 0) {
            abort();
        }
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
    }
    report_open(&report, "many");
    report_number(&report, "requests", share.count * threads);
    report_number(&report, "microseconds", apr_time_now() - before);
    report_close(&report);
}

/* Commands change the request while one that was spawned still runs. */
static const wsgi_request_t *copy_request(const host_t *host)
{
    wsgi_request_t *request = apr_pmemdup(host->pool, &host->request, sizeof(*request));
    wsgi_fields_t *variables = apr_pmemdup(host->pool, &host->variables, sizeof(*variables));

    variables->items = apr_pmemdup(host->pool, variables->items, variables->count * sizeof(*variables->items));
    request->variables = variables;
    request->route = apr_pmemdup(host->pool, &host->route, sizeof(host->route));
    return request;
}

/* spawn: run the request on a thread of its own and go on; join waits for all of them. */
static void spawn(host_t *host)
{
    share_t *share = apr_palloc(host->pool, sizeof(*share));

    *share = (share_t){ host, copy_request(host), apr_pmemdup(host->pool, &host->plan, sizeof(host->plan)), 1, 1 };
    if (host->spawned_count == MAX_THREADS ||
        pthread_create(&host->spawned[host->spawned_count], NULL, thread_main, share) != 0) {
        abort();
    }
    host->spawned_count++;
}

static void join_all(host_t *host)
{
    while (host->spawned_count > 0) {
        pthread_join(host->spawned[--host->spawned_count], NULL);
    }
}

static long resident_pages(void)
{
    long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    if (file != NULL) {
        if (fscanf(file, "%ld %ld", &size, &resident) != 2) {
            resident = 0;
        }
        fclose(file);
    }
    return resident;
}

static void report_value(const char *type, long long value)
{
    report_t report;

    report_open(&report, type);
    report_number(&report, "value", value);
    report_close(&report);
}

/* ---- commands ---- */

static int do_request_command(host_t *host, const char *command, char *rest)
{
    if (same(command, "run")) {
        run_here(host, 1, 1);
    } else if (same(command, "run_many")) {
        long requests = atol(word(&rest));
        run_many(host, requests, atoi(rest));
    } else if (same(command, "repeat")) {
        run_here(host, atol(rest), 0);
    } else if (same(command, "spawn")) {
        spawn(host);
    } else if (same(command, "join")) {
        join_all(host);
    } else if (same(command, "rss")) {
        report_value("rss", resident_pages() * sysconf(_SC_PAGESIZE));
    } else if (same(command, "activity")) {
        report_value("activity", atomic_load(&host->activity));
    } else {
        return 0;
    }
    return 1;
}

static int do_process_command(host_t *host, const char *command, char *rest)
{
    const wsgi_bridge_t *bridge = host->bridge;

    if (same(command, "start")) {
        report_value("start", bridge->start(&host->runtime, &host->settings, &host->host));
    } else if (same(command, "preload")) {
        const char *script = word(&rest);
        report_value("preload", bridge->preload(host->runtime, script, rest));
    } else if (same(command, "interrupt")) {
        report_value("interrupt", bridge->interrupt(host->runtime, (unsigned long)host->spawned[atoi(rest)]));
    } else if (same(command, "dump_stacks")) {
        bridge->dump_stacks(host->runtime, apr_time_from_msec(atol(rest)));
    } else if (same(command, "probe")) {
        bridge->probe(host->runtime);
    } else if (same(command, "signalled")) {
        bridge->signalled(host->runtime, atoi(rest));
    } else if (same(command, "stopping")) {
        bridge->stopping(host->runtime, rest);
    } else if (same(command, "stop")) {
        bridge->stop(host->runtime);
    } else {
        return 0;
    }
    return 1;
}

static int do_setting_command(host_t *host, const char *command, char *rest)
{
    if (same(command, "var")) {
        set_variable(host, rest);
    } else if (same(command, "unvar")) {
        wsgi_fields_unset(&host->variables, rest);
    } else if (same(command, "setting")) {
        const char *name = word(&rest);
        if (same(name, "join_timeout")) {
            host->settings.join_timeout = atoll(rest);
            return 1;
        }
        if (same(name, "warnings")) {
            apr_array_header_t *filters = apr_array_make(host->pool, 1, sizeof(char *));
            APR_ARRAY_PUSH(filters, const char *) = apr_pstrdup(host->pool, rest);
            host->settings.warnings = filters;
            return 1;
        }
        return set_place(setting_places, &host->settings, name, rest, host->pool) ||
               set_scope(&host->settings.base, name, rest, host->pool);
    } else if (same(command, "scope")) {
        return add_scope(host);
    } else if (same(command, "scoped")) {
        const char *name = word(&rest);
        return set_last_scope(host, name, rest);
    } else if (same(command, "route")) {
        const char *name = word(&rest);
        return set_place(route_places, &host->route, name, rest, host->pool);
    } else if (same(command, "plan")) {
        const char *name = word(&rest);
        return set_plan(host, name, rest);
    } else {
        return 0;
    }
    return 1;
}

static void do_line(host_t *host, char *line)
{
    char *rest = line;
    const char *command = word(&rest);
    int known = do_setting_command(host, command, rest) || do_request_command(host, command, rest) ||
                do_process_command(host, command, rest);

    report_value(known ? "done" : "unknown", known);
}

static void set_defaults(host_t *host)
{
    host->settings.process_group = "";
    host->settings.destroy_interpreter = 1;
    host->settings.base.restrict_signal = 1;
    host->settings.case_sensitive = 1;
    host->settings.multithread = 1;
    host->settings.maximum_processes = 2;
    host->settings.threads_per_process = 5;
    host->settings.mpm_processes = 4;
    host->settings.mpm_threads = 25;
    host->settings.apache_version[0] = 2;
    host->settings.apache_version[1] = 4;
    host->settings.apache_version[2] = 62;
    host->settings.apache_description = "Test host";
    host->settings.apache_build_date = "today";
    host->settings.mpm_name = "none";
    host->host.log.write = server_log;
    host->host.log.enabled = server_log_enabled;
    host->host.log.context = host;
    host->host.activity = activity;
    host->host.context = host;
    host->route = (wsgi_route_t){ .process_group = "", .application_group = "", .callable_object = "application",
                                  .script = "", .resource = "", .handler = "wsgi-script", .script_reloading = 1 };
    host->request = (wsgi_request_t){ .route = &host->route, .variables = &host->variables, .url_scheme = "http" };
    host->request.moments.request_start = apr_time_now();
    host->plan = (memory_plan_t){ .body = "", .sends_before_abort = -1, .change = WSGI_CHANGE_RELOAD,
                                  .log_level = WSGI_LOG_TRACE1 };
}

static void add_usual_variables(host_t *host)
{
    static const char *const usual[][2] = {
        { "REQUEST_METHOD", "GET" },         { "SCRIPT_NAME", "" },
        { "PATH_INFO", "/" },                { "QUERY_STRING", "" },
        { "REQUEST_URI", "/" },              { "SERVER_PROTOCOL", "HTTP/1.1" },
        { "SERVER_NAME", "localhost" },      { "SERVER_PORT", "8000" },
        { "SERVER_ADDR", "127.0.0.1" },      { "SERVER_SOFTWARE", "Apache/2.4.62 (Unix)" },
        { "REMOTE_ADDR", "127.0.0.1" },      { "REMOTE_PORT", "54321" },
        { "REQUEST_SCHEME", "http" },        { "DOCUMENT_ROOT", "/var/www/html" },
        { "CONTEXT_PREFIX", "" },            { "CONTEXT_DOCUMENT_ROOT", "/var/www/html" },
        { "GATEWAY_INTERFACE", "CGI/1.1" },  { "SERVER_SIGNATURE", "" },
        { "SERVER_ADMIN", "webmaster@localhost" }, { "SCRIPT_FILENAME", "/var/www/app.wsgi" },
        { "HTTP_HOST", "localhost:8000" },   { "HTTP_USER_AGENT", "Mozilla/5.0 (X11; Linux x86_64)" },
        { "HTTP_ACCEPT", "text/html,application/xhtml+xml,*/*;q=0.8" },
        { "HTTP_ACCEPT_ENCODING", "gzip, deflate" },
        { "HTTP_ACCEPT_LANGUAGE", "en-GB,en;q=0.5" },
        { "HTTP_CONNECTION", "keep-alive" }, { "mod_wsgi.script_name", "" },
        { "mod_wsgi.path_info", "/" },       { "mod_wsgi.listener_host", "" },
        { "mod_wsgi.listener_port", "8000" }, { "mod_wsgi.server_pid", "4711" },
        { "mod_wsgi.request_id", "Z0abcdefghijklmnopqrst" },
    };

    wsgi_fields_init(&host->variables, 64, host->pool);
    for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
        wsgi_fields_add(&host->variables, usual[i][0], usual[i][1]);
    }
}

static const wsgi_bridge_t *open_bridge(const char *path)
{
    void *object = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    const wsgi_bridge_t *bridge = object != NULL ? dlsym(object, WSGI_BRIDGE_SYMBOL) : NULL;

    if (bridge == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
    if (bridge->abi != WSGI_BRIDGE_ABI || bridge->size != sizeof(*bridge)) {
        fprintf(stderr, "%s has another interface\n", path);
        exit(2);
    }
    return bridge;
}

int main(int argc, char **argv)
{
    static host_t host;
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;

    if (argc != 2 || dup2(1, 3) < 0) {
        fprintf(stderr, "usage: %s BRIDGE < commands\n", argv[0]);
        return 2;
    }
    apr_initialize();
    apr_pool_create(&host.pool, NULL);
    host.bridge = open_bridge(argv[1]);
    set_defaults(&host);
    add_usual_variables(&host);
    while ((length = getline(&line, &capacity, stdin)) > 0) {
        line[length - (line[length - 1] == '\n')] = '\0';
        do_line(&host, line);
    }
    free(line);
    return 0;
}
