#include "bridge/wsgi_runtime.h"

#include <apr_strings.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/wsgi_clock.h"
#include "base/wsgi_scopes.h"
#include "bridge/wsgi_bounded.h"
#include "bridge/wsgi_forked.h"
#include "bridge/wsgi_interp.h"
#include "bridge/wsgi_pylog.h"

int wsgi_runtime_is_embedded(const wsgi_runtime_t *runtime)
{
    return strcmp(runtime->settings->process_group, WSGI_EMBEDDED) == 0;
}

static char *join(const char *before, const char *middle, const char *after)
{
    size_t size = strlen(before) + strlen(middle) + strlen(after) + 1;
    char *text = malloc(size);

    if (text != NULL) {
        snprintf(text, size, "%s%s%s", before, middle, after);
    }
    return text;
}

static void warn_about_home(const wsgi_runtime_t *runtime, const char *home)
{
    const wsgi_log_sink_t *log = &runtime->host->log;
    struct stat info;

    wsgi_log(log, WSGI_HERE, WSGI_LOG_INFO, APR_SUCCESS, "Python home %s is '%s'.", runtime->process, home);
    if (strchr(home, ':') != NULL) {
        return; /* PREFIX:EXEC_PREFIX is for Python to judge */
    }
    if (stat(home, &info) != 0) {
        wsgi_log(log, WSGI_HERE, WSGI_LOG_WARNING, errno,
                 WSGI_LOGNO(0100) "Unable to examine the Python home '%s' %s. Check the path and the permissions of "
                 "each of its directories.", home, runtime->process);
    } else if (!S_ISDIR(info.st_mode)) {
        wsgi_log(log, WSGI_HERE, WSGI_LOG_WARNING, APR_SUCCESS,
                 WSGI_LOGNO(0101) "The Python home '%s' %s is not a directory.", home, runtime->process);
    } else if (access(home, X_OK) != 0) {
        wsgi_log(log, WSGI_HERE, WSGI_LOG_WARNING, errno,
                 WSGI_LOGNO(0102) "The Python home '%s' %s is not accessible. Check the permissions of each of its "
                 "directories.", home, runtime->process);
    }
}

/*
 * A virtual environment is found by its interpreter's path, any other installation by its prefix. With the former
 * Python would prefer a PYTHONHOME of Apache's environment; that of somebody else, which no program started from here
 * should follow either.
 */
static PyStatus set_home(PyConfig *config, const wsgi_runtime_t *runtime)
{
    const char *home = runtime->settings->python_home;
    PyStatus status = PyStatus_NoMemory();
    char *marker = join(home, "/pyvenv.cfg", "");
    char *program = join(home, "/bin/python", "");

    warn_about_home(runtime, home);
    if (unsetenv("PYTHONHOME") != 0) {
        goto cleanup;
    }
    if (marker != NULL && program != NULL) {
        status = access(marker, R_OK) == 0 ? PyConfig_SetBytesString(config, &config->program_name, program)
                                           : PyConfig_SetBytesString(config, &config->home, home);
    }
cleanup:
    free(marker);
    free(program);
    return status;
}

static PyStatus add_warnings(PyConfig *config, const apr_array_header_t *filters)
{
    PyStatus status = PyStatus_Ok();
    int i;

    for (i = 0; filters != NULL && i < filters->nelts && !PyStatus_Exception(status); i++) {
        wchar_t *filter = Py_DecodeLocale(APR_ARRAY_IDX(filters, i, const char *), NULL);
        if (filter == NULL) {
            return PyStatus_NoMemory();
        }
        status = PyWideStringList_Append(&config->warnoptions, filter);
        PyMem_RawFree(filter);
    }
    return status;
}

/* The configuration of a `python` program, so that PYTHON* variables and site count; only signals stay Apache's. */
static PyStatus initialise(const wsgi_runtime_t *runtime)
{
    const wsgi_runtime_settings_t *settings = runtime->settings;
    PyStatus status;
    PyConfig config;

    PyConfig_InitPythonConfig(&config);
    config.install_signal_handlers = 0;
    config.parse_argv = 0;
    config.configure_c_stdio = 0; /* the C streams are the host's */
    if (settings->dont_write_bytecode) {
        config.write_bytecode = 0;
    }
    if (settings->optimize > 0) {
        config.optimization_level = settings->optimize;
    }
    if (settings->hash_seed_given) {
        config.use_hash_seed = 1;
        config.hash_seed = settings->hash_seed;
    }
    /* A daemon that crashes shows where Python was; in an Apache child other modules may have views on SIGSEGV. */
    if (!wsgi_runtime_is_embedded(runtime) && getenv("PYTHONFAULTHANDLER") == NULL) {
        config.faulthandler = 1;
    }
    status = add_warnings(&config, settings->warnings);
    if (!PyStatus_Exception(status) && settings->python_home != NULL) {
        status = set_home(&config, runtime);
    }
    if (!PyStatus_Exception(status)) {
        status = wsgi_compat_initialise(&config, runtime->free_threaded);
    }
    PyConfig_Clear(&config);
    return status;
}

static int make_process_label(wsgi_runtime_t *runtime)
{
    runtime->process = wsgi_runtime_is_embedded(runtime)
                           ? strdup("in embedded mode")
                           : join("of daemon process '", runtime->settings->process_group, "'");
    return runtime->process != NULL ? 0 : -1;
}

static wsgi_runtime_t *make_runtime(const wsgi_runtime_settings_t *settings, const wsgi_host_t *host)
{
    wsgi_runtime_t *runtime = calloc(1, sizeof(*runtime));

    if (runtime == NULL) {
        return NULL;
    }
    runtime->settings = settings;
    runtime->host = host;
    runtime->pid = getpid();
    runtime->free_threaded = WSGI_HAS_FREE_THREADING && wsgi_scopes_free_threading(settings);
    if (make_process_label(runtime) < 0 || wsgi_forked_watch(runtime) != 0
        || wsgi_clock_cond_init(&runtime->leaving_done) != 0
        || wsgi_flusher_init(&runtime->flusher, &host->log, runtime->process) != 0
        || pthread_key_create(&runtime->thread_key, wsgi_thread_end) != 0) {
        free((char *)runtime->process);
        free(runtime);
        return NULL;
    }
    runtime->creating = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    runtime->leaving_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    runtime->streams_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    runtime->stream_ready = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    return runtime;
}

apr_status_t wsgi_runtime_start(wsgi_runtime_t **out, const wsgi_runtime_settings_t *settings, const wsgi_host_t *host)
{
    wsgi_runtime_t *runtime = make_runtime(settings, host);
    wsgi_thread_t *thread;
    wsgi_interp_t *interp;
    PyStatus status;

    *out = NULL;
    thread = runtime != NULL ? wsgi_thread_current(runtime) : NULL;
    if (thread == NULL) {
        return APR_ENOMEM;
    }
    wsgi_log(&host->log, WSGI_HERE, WSGI_LOG_INFO, APR_SUCCESS, "Initialising Python %s %s%s.", PY_VERSION,
             runtime->process, runtime->free_threaded ? ", with free threading" : "");
    status = initialise(runtime);
    if (PyStatus_Exception(status)) {
        wsgi_log(&host->log, WSGI_HERE, WSGI_LOG_CRIT, APR_SUCCESS,
                 WSGI_LOGNO(0036) "Python refuses its configuration %s: %s%s%s.", runtime->process,
                 status.func != NULL ? status.func : "", status.func != NULL ? ": " : "",
                 status.err_msg != NULL ? status.err_msg : "exit requested");
        return APR_EGENERAL;
    }
    interp = wsgi_interp_adopt_main(runtime, thread);
    wsgi_interp_leave();
    if (interp == NULL) {
        return APR_EGENERAL;
    }
    *out = runtime;
    return APR_SUCCESS;
}

int wsgi_runtime_begin_request(wsgi_runtime_t *runtime)
{
    atomic_fetch_add(&runtime->running, 1);
    return atomic_load(&runtime->closing) ? -1 : 0; /* one of us sees the other: both sides write first */
}

void wsgi_runtime_end_request(wsgi_runtime_t *runtime)
{
    atomic_fetch_sub(&runtime->running, 1);
}

int wsgi_runtime_begin_visit(wsgi_runtime_t *runtime)
{
    int may;

    pthread_mutex_lock(&runtime->leaving_lock);
    may = !atomic_load(&runtime->closing);
    runtime->visitors += may;
    pthread_mutex_unlock(&runtime->leaving_lock);
    return may ? 0 : -1;
}

void wsgi_runtime_end_visit(wsgi_runtime_t *runtime)
{
    pthread_mutex_lock(&runtime->leaving_lock);
    if (--runtime->visitors == 0) {
        pthread_cond_broadcast(&runtime->leaving_done);
    }
    pthread_mutex_unlock(&runtime->leaving_lock);
}

/* No further visit begins once `closing` is set. @return 0 if one goes on */
static int see_visitors_out(wsgi_runtime_t *runtime)
{
    apr_interval_time_t limit = runtime->settings->join_timeout;
    apr_time_t deadline = wsgi_clock_now() + limit;
    int gone;

    pthread_mutex_lock(&runtime->leaving_lock);
    while (runtime->visitors > 0 && (limit == 0 || wsgi_clock_now() < deadline)) {
        if (limit == 0) {
            pthread_cond_wait(&runtime->leaving_done, &runtime->leaving_lock);
        } else {
            (void)wsgi_clock_cond_wait(&runtime->leaving_done, &runtime->leaving_lock,
                                       deadline - wsgi_clock_now() + 1);
        }
    }
    gone = runtime->visitors == 0;
    pthread_mutex_unlock(&runtime->leaving_lock);
    return gone;
}

/* From here on threads that end leave their thread states to us. */
static void bar_threads(wsgi_runtime_t *runtime)
{
    pthread_mutex_lock(&runtime->leaving_lock);
    runtime->ended = 1;
    while (runtime->leaving > 0) {
        pthread_cond_wait(&runtime->leaving_done, &runtime->leaving_lock);
    }
    pthread_mutex_unlock(&runtime->leaving_lock);
}

static void run_down(void *argument)
{
    wsgi_interp_t *interp = argument;
    wsgi_thread_t *thread = wsgi_thread_current(interp->runtime);

    if (thread != NULL && wsgi_interp_enter(thread, interp) == 0) {
        (void)wsgi_interp_run_down(interp);
        wsgi_interp_leave();
    }
}

/*
 * Requests are still running and would lose the ground under their feet. What users rely on, threads joined and
 * atexit functions run, is done all the same; the rest goes with the process. An interpreter with its own GIL may be
 * out of reach while the others are not: no more than twice the time of its threads is spent on it.
 */
static void run_down_all(wsgi_runtime_t *runtime)
{
    apr_interval_time_t limit = runtime->settings->join_timeout;
    wsgi_interp_t *interp;

    for (interp = atomic_load(&runtime->interps); interp != NULL; interp = interp->next) {
        if (!interp->own_gil || limit == 0) {
            run_down(interp);
        } else if (wsgi_bounded_run(run_down, interp, limit * 2) != 1) {
            wsgi_log(&runtime->host->log, WSGI_HERE, WSGI_LOG_INFO, APR_SUCCESS,
                     "The %s %s cannot be entered in time; its exit functions may not have run.", interp->label,
                     runtime->process);
        }
    }
}

/* No request is running. GIL held, of the main interpreter; still held on return, or gone with Python. */
static void destroy_all(wsgi_runtime_t *runtime, wsgi_thread_t *thread)
{
    wsgi_interp_t *interp;
    int all = 1;

    for (interp = atomic_load(&runtime->interps); interp != NULL; interp = interp->next) {
        if (interp != runtime->main) {
            all &= wsgi_interp_destroy(thread, interp);
        }
    }
    wsgi_pylog_process(runtime, WSGI_HERE, WSGI_LOG_INFO, APR_SUCCESS, "Terminating Python %s.", runtime->process);
    wsgi_scripts_clear(&runtime->main->scripts);
    /*
     * Python cannot be taken down under daemon threads of a sub-interpreter, and would wait for ever for threads
     * that do not end. Then all GILs stay taken: nothing of theirs runs while the process exits.
     */
    if (!all || runtime->settings->join_timeout > 0) {
        all &= wsgi_interp_run_down(runtime->main);
    }
    if (!all) {
        return;
    }
    Py_CLEAR(runtime->main->module);
    Py_FinalizeEx();
    wsgi_log(&runtime->host->log, WSGI_HERE, WSGI_LOG_INFO, APR_SUCCESS, "Terminated Python %s.", runtime->process);
}

void wsgi_runtime_stop(wsgi_runtime_t *runtime)
{
    wsgi_thread_t *thread = wsgi_thread_current(runtime);

    pthread_mutex_lock(&runtime->leaving_lock);
    atomic_store(&runtime->closing, 1);
    pthread_mutex_unlock(&runtime->leaving_lock);
    if (atomic_load(&runtime->running) == 0) {
        wsgi_flusher_stop(&runtime->flusher);
    }
    if (!runtime->settings->destroy_interpreter || thread == NULL) {
        bar_threads(runtime);
        return;
    }
    if (atomic_load(&runtime->running) > 0 || !see_visitors_out(runtime)) {
        wsgi_log(&runtime->host->log, WSGI_HERE, WSGI_LOG_INFO, APR_SUCCESS,
                 "Requests are still running %s: Python is not destroyed.", runtime->process);
        run_down_all(runtime);
        return;
    }
    bar_threads(runtime);
    if (wsgi_interp_enter(thread, runtime->main) == 0) {
        destroy_all(runtime, thread);
    }
}
