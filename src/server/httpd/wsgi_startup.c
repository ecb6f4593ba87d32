#include "httpd/wsgi_startup.h"

#include <ap_listen.h>
#include <ap_mpm.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_log.h>
#include <mpm_common.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>
#include <unixd.h>

#include "base/wsgi_loader.h"
#include "base/wsgi_pyhome.h"
#include "base/wsgi_version.h"
#include "config/wsgi_groups.h"
#include "httpd/wsgi_childend.h"
#include "httpd/wsgi_hostlog.h"
#include "httpd/wsgi_kept.h"
#include "httpd/wsgi_nudge.h"
#include "httpd/wsgi_plans.h"
#include "httpd/wsgi_review.h"

APLOG_USE_MODULE(wsgi);

enum { STOP_NOT_BEGUN, STOP_RUNS, STOP_DONE };
enum {
    STOP_PAUSE = 10000,    /* microseconds between two looks */
    JOIN_TIMEOUT = 1000000 /* for threads of applications: Apache complains of a child that takes 3 s */
};

/* The one record of this process. Written by its main thread before it serves requests, but for `running`. */
static struct {
    wsgi_setup_t *setup;
    wsgi_endpoint_t **endpoints; /* by position of the definition; NULL: did not start */
    wsgi_apache_t apache;
    wsgi_hostlog_servers_t servers;
    void **retained;             /* the supervisor's, in memory that outlives this module */
    wsgi_host_t host;
    const wsgi_bridge_t *bridge; /* NULL: no Python in this process */
    wsgi_runtime_t *runtime;
    wsgi_kept_t *kept;           /* connections to process groups */
    pid_t pid;                   /* of a child */
    int is_threaded;             /* MPM */
    atomic_int running;          /* embedded requests */
    atomic_int is_stopping;      /* STOP_*: the end of embedded Python */
} process;

const wsgi_bridge_t *wsgi_startup_python(wsgi_runtime_t **runtime)
{
    *runtime = process.runtime;
    return process.bridge;
}

const wsgi_endpoint_t *wsgi_startup_endpoint(const wsgi_definition_t *definition)
{
    return process.endpoints != NULL ? process.endpoints[definition->group.id - 1] : NULL;
}

wsgi_kept_t *wsgi_startup_kept(void)
{
    return process.kept;
}

int wsgi_startup_generation(void)
{
    return process.apache.generation;
}

pid_t wsgi_startup_pid(void)
{
    return process.pid;
}

void wsgi_startup_enter_request(void)
{
    atomic_fetch_add_explicit(&process.running, 1, memory_order_relaxed);
}

void wsgi_startup_leave_request(void)
{
    atomic_fetch_sub_explicit(&process.running, 1, memory_order_release);
}

/* ---- what Apache lends to the processes of groups ---- */

/* In a new keeper: nothing is written any more to the logs of hosts that cannot use the group. */
static void leave_logs(const wsgi_group_t *group)
{
    const wsgi_definition_t *definition = APR_ARRAY_IDX(process.setup->definitions, group->id - 1, wsgi_definition_t *);
    const server_rec *main_server = process.servers.main_server;

    for (server_rec *s = main_server->next; s != NULL; s = s->next) {
        if (s->error_log != main_server->error_log && !wsgi_groups_is_accessible(definition, s)) {
            s->error_log = main_server->error_log;
            s->error_fname = main_server->error_fname;
        }
    }
}

static int is_log(void *context, int fd)
{
    apr_os_file_t log;

    (void)context;
    for (const server_rec *s = process.servers.main_server; s != NULL; s = s->next) {
        if (s->error_log != NULL && apr_os_file_get(&log, s->error_log) == APR_SUCCESS && log == fd) {
            return 1;
        }
    }
    return 0;
}

/* In a new keeper. As exec would do it: handlers go, ignored signals stay ignored. */
static void leave_apache(void *context, const wsgi_group_t *group)
{
    struct sigaction action;
    sigset_t none;

    (void)context;
    ap_close_listeners();
    for (int signum = 1; signum < NSIG; signum++) {
        if (sigaction(signum, NULL, &action) == 0 && action.sa_handler != SIG_IGN && action.sa_handler != SIG_DFL) {
            action = (struct sigaction){ .sa_handler = SIG_DFL };
            (void)sigaction(signum, &action, NULL); /* fails for those that have no handler anyway */
        }
    }
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    leave_logs(group);
}

static server_rec *server_at(server_rec *s, int index)
{
    for (; index > 0 && s != NULL; index--) {
        s = s->next;
    }
    return s;
}

/*
 * In a new worker. Errors of the process as a whole, and what libraries write to standard error, belong into the log of
 * the virtual host that defined the group, if it has one of its own.
 */
static void adopt_log(void *context, const wsgi_group_t *group)
{
    server_rec *main_server = process.servers.main_server, *owner = server_at(main_server, group->server_index);
    apr_os_file_t fd;

    (void)context;
    if (owner == NULL || owner == main_server || owner->error_log == main_server->error_log) {
        return;
    }
    main_server->error_log = owner->error_log;
    main_server->error_fname = owner->error_fname;
    main_server->log = owner->log;
    if (owner->error_log != NULL && apr_os_file_get(&fd, owner->error_log) == APR_SUCCESS
        && dup2(fd, STDERR_FILENO) < 0) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, errno, main_server,
                     WSGI_LOGNO(0286) "Standard error of a process of group '%s' cannot be sent to the log of its "
                                      "virtual host.",
                     group->name);
    }
}

/* While pconf is cleared. Only a graceful restart leaves clients of this generation. */
static int is_ungraceful(void *context)
{
    const ap_unixd_mpm_retained_data *mpm = ap_unixd_mpm_get_retained_data();

    (void)context;
    return mpm->is_ungraceful || !mpm->restart_pending;
}

/* ---- start of Apache ---- */

static const char *socket_prefix(const wsgi_setup_t *setup, apr_pool_t *pconf)
{
    return setup->socket_prefix != NULL ? setup->socket_prefix : ap_runtime_dir_relative(pconf, "wsgi");
}

static int query_mpm(int what)
{
    int result = 0;

    return ap_mpm_query(what, &result) == APR_SUCCESS ? result : 0;
}

static void lend_apache(wsgi_apache_t *apache, server_rec *main_server, apr_pool_t *pconf)
{
    process.servers.main_server = main_server;
    process.servers.generation = query_mpm(AP_MPMQ_GENERATION);
    *apache = (wsgi_apache_t){ .socket_prefix = socket_prefix(process.setup, pconf),
                               .socket_rotation = process.setup->socket_rotation,
                               .is_root = geteuid() == 0,
                               .is_single_process = process.setup->python.is_single_process,
                               .apache_uid = geteuid() == 0 ? ap_unixd_config.user_id : geteuid(),
                               .generation = process.servers.generation,
                               .timeout = main_server->timeout,
                               .argv = main_server->process->argv,
                               .argc = main_server->process->argc,
                               .core_dumps = ap_coredumpdir_configured,
                               .log = wsgi_hostlog_server(main_server),
                               .request_log = wsgi_hostlog_origin(&process.servers),
                               .leave_apache = leave_apache,
                               .is_log = is_log,
                               .adopt_log = adopt_log,
                               .is_ungraceful = is_ungraceful };
}

static void **retained_slot(void)
{
    static const char key[] = "mod_wsgi supervisor";
    void **slot = ap_retained_data_get(key);

    return slot != NULL ? slot : ap_retained_data_create(key, sizeof(*slot));
}

static void add_product_tokens(apr_pool_t *pconf)
{
    ap_add_version_component(pconf, "mod_wsgi/" WSGI_VERSION_TEXT);
#ifdef WSGI_PYTHON_VERSION_TEXT
    if (WSGI_PYTHON_VERSION_TEXT[0] != '\0') {
        ap_add_version_component(pconf, "Python/" WSGI_PYTHON_VERSION_TEXT);
    }
#endif
}

static int post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *main_server)
{
    wsgi_setup_t *setup = wsgi_server_config(main_server)->setup;

    (void)plog;
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) {
        return OK; /* Apache reads its files twice when it starts; only the second time is for good */
    }
    add_product_tokens(pconf);
    process.setup = setup;
    process.is_threaded = query_mpm(AP_MPMQ_IS_THREADED) != AP_MPMQ_NOT_SUPPORTED;
    process.retained = retained_slot();
    wsgi_groups_resolve(setup, main_server, geteuid() == 0);
    wsgi_plans_describe_apache(&setup->python);
    lend_apache(&process.apache, main_server, pconf);
    wsgi_review(setup, main_server, process.apache.socket_prefix, ptemp);
    /* What fails is logged and costs only the group it concerns. */
    (void)wsgi_supervisor_start(&process.endpoints, &process.apache, wsgi_plans_make(setup, pconf),
                                setup->definitions->nelts, process.retained, pconf);
    if (process.apache.generation > 0) {
        wsgi_nudge_begin(pconf);
    }
    return OK;
}

/* apachectl configtest */
static void test_config(apr_pool_t *pconf, server_rec *main_server)
{
    wsgi_setup_t *setup = wsgi_server_config(main_server)->setup;

    wsgi_groups_resolve(setup, main_server, geteuid() == 0);
    wsgi_review(setup, main_server, socket_prefix(setup, pconf), pconf);
}

/* ---- embedded Python ---- */

/*
 * Bring Python down, once: by the child's own clean-up, or because requests that still run would delay that for too
 * long. The prefork MPM ends a child from its signal handler, maybe in the middle of a request and of Python itself:
 * then Python cannot be asked for anything any more.
 */
static void stop_python(void)
{
    const wsgi_bridge_t *bridge = process.bridge;
    int begun = STOP_NOT_BEGUN;

    if (bridge == NULL || (!process.is_threaded && atomic_load(&process.running) > 0)
        || !atomic_compare_exchange_strong(&process.is_stopping, &begun, STOP_RUNS)) {
        return;
    }
    bridge->stopping(process.runtime, "");
    bridge->stop(process.runtime);
    atomic_store(&process.is_stopping, STOP_DONE);
}

/* The same, and wait when another thread was first; that one is bounded. */
static void see_python_stopped(void)
{
    stop_python();
    while (atomic_load(&process.is_stopping) == STOP_RUNS && process.is_threaded) {
        apr_sleep(STOP_PAUSE);
    }
}

static apr_status_t clean_up_python(void *unused)
{
    (void)unused;
    see_python_stopped();
    return APR_SUCCESS;
}

static void child_stopping(apr_pool_t *pchild, int graceful)
{
    static const wsgi_childend_t end = { see_python_stopped };

    (void)pchild;
    if (!graceful && process.is_threaded && process.setup != NULL && !process.setup->python.is_single_process) {
        wsgi_childend_limit(&end);
    }
}

static void preload(const wsgi_setup_t *setup)
{
    for (int i = 0; i < setup->imports->nelts; i++) {
        const wsgi_import_t *import = &APR_ARRAY_IDX(setup->imports, i, wsgi_import_t);
        if (*import->process_group == '\0') {
            (void)process.bridge->preload(process.runtime, import->script, import->application_group); /* logs */
        }
    }
}

static void start_python(apr_pool_t *pchild, server_rec *main_server)
{
    const wsgi_bridge_t *bridge;
    const char *why = NULL;
    apr_status_t rv = wsgi_loader_open(&bridge, &why, process.setup->python.python_home, pchild);

    if (rv == APR_SUCCESS) {
        process.host.log = process.apache.log;
        rv = bridge->start(&process.runtime, &process.setup->python, &process.host);
    }
    if (rv != APR_SUCCESS) {
        const char *wrong = wsgi_pyhome_explain(process.setup->python.python_home, pchild);
        why = wrong != NULL ? wrong : why;
        ap_log_error(APLOG_MARK, APLOG_CRIT, 0, main_server,
                     WSGI_LOGNO(0001) "Python cannot be started in this process, which will refuse requests for "
                                      "embedded applications: %s.",
                     why != NULL ? why : "see the messages above");
        return;
    }
    process.bridge = bridge;
    process.setup->python.join_timeout = JOIN_TIMEOUT;
    preload(process.setup);
    apr_pool_cleanup_register(pchild, NULL, clean_up_python, apr_pool_cleanup_null);
}

/* In the parent, every few seconds. */
static int monitor(apr_pool_t *pool, server_rec *main_server)
{
    (void)pool;
    (void)main_server;
    if (process.retained != NULL) {
        wsgi_supervisor_tend(*process.retained);
    }
    return DECLINED;
}

static void child_init(apr_pool_t *pchild, server_rec *main_server)
{
    const wsgi_setup_t *setup = process.setup;

    process.pid = getpid();
    if (setup == NULL) {
        return;
    }
    wsgi_nudge_forget();
    wsgi_supervisor_enter_child(*process.retained);
    process.kept = wsgi_kept_create(setup->definitions->nelts, setup->python.mpm_threads, pchild);
    if (!setup->restrict_embedded || setup->needs_embedded) {
        start_python(pchild, main_server);
    }
}

void wsgi_startup_register(void)
{
    /*
     * After modules that fork a helper without exec (mod_cgid, mod_fcgid): it would inherit the end of a pipe by which
     * the processes of groups know that Apache is alive.
     */
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_test_config(test_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_monitor(monitor, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(child_init, NULL, NULL, APR_HOOK_MIDDLE);
#if AP_MODULE_MAGIC_AT_LEAST(20120211, 110)
    ap_hook_child_stopping(child_stopping, NULL, NULL, APR_HOOK_MIDDLE);
#endif
}
