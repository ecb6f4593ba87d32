#include "bridge/wsgi_interp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/wsgi_bounded.h"
#include "bridge/wsgi_equip.h"
#include "bridge/wsgi_pyerror.h"
#include "bridge/wsgi_pylog.h"

enum { FREEZE_LIMIT = 500000 }; /* microseconds to wait for a GIL */

static char *make_label(const char *name)
{
    static const char format[] = "sub-interpreter '%s'";
    size_t size = sizeof(format) + strlen(name);
    char *label;

    if (*name == '\0') {
        return strdup("main interpreter");
    }
    label = malloc(size);
    if (label != NULL) {
        snprintf(label, size, format, name);
    }
    return label;
}

static void free_interp(wsgi_interp_t *interp)
{
    if (interp != NULL) {
        wsgi_scripts_destroy(&interp->scripts);
        wsgi_turn_destroy(&interp->turn);
        free((char *)interp->name);
        free((char *)interp->label);
        free(interp);
    }
}

static wsgi_interp_t *alloc_interp(wsgi_runtime_t *runtime, const char *name)
{
    wsgi_interp_t *interp = calloc(1, sizeof(*interp));

    if (interp == NULL || wsgi_turn_init(&interp->turn) != 0) {
        free(interp);
        return NULL;
    }
    interp->runtime = runtime;
    interp->name = strdup(name);
    interp->label = make_label(name);
    wsgi_scopes_resolve(&interp->options, runtime->settings, name);
    if (interp->name == NULL || interp->label == NULL || wsgi_scripts_init(&interp->scripts, runtime) < 0) {
        free_interp(interp);
        return NULL;
    }
    return interp;
}

static void publish(wsgi_interp_t *interp)
{
    interp->next = atomic_load(&interp->runtime->interps);
    atomic_store(&interp->runtime->interps, interp); /* one writer: `creating` is held, or start has not returned */
}

static wsgi_interp_t *find(wsgi_runtime_t *runtime, const char *name)
{
    wsgi_interp_t *interp;

    for (interp = atomic_load(&runtime->interps); interp != NULL; interp = interp->next) {
        if (strcmp(interp->name, name) == 0) {
            return interp;
        }
    }
    return NULL;
}

/* GIL held, of the interpreter itself or, if there is none, of the main one. `why` NULL: Python did not say. */
static void report_failure(wsgi_interp_t *interp, const char *why)
{
    PyObject *exception = wsgi_compat_take_exception();

    wsgi_pylog_process(interp->runtime, WSGI_HERE, WSGI_LOG_CRIT, APR_SUCCESS,
                       WSGI_LOGNO(0035) "Unable to set up the %s %s%s%s.", interp->label, interp->runtime->process,
                       why != NULL ? ": " : "", why != NULL ? why : "");
    if (exception != NULL) {
        wsgi_compat_set_exception(exception);
        wsgi_pyerror_take_setup(interp);
    }
}

wsgi_interp_t *wsgi_interp_adopt_main(wsgi_runtime_t *runtime, wsgi_thread_t *thread)
{
    wsgi_interp_t *interp = alloc_interp(runtime, WSGI_MAIN_INTERPRETER);

    if (interp == NULL) {
        return NULL;
    }
    interp->state = PyInterpreterState_Get();
    runtime->main = interp;
    if (wsgi_thread_adopt(thread, interp, PyThreadState_Get()) < 0) {
        free_interp(interp);
        return NULL;
    }
    wsgi_pylog_process(runtime, WSGI_HERE, WSGI_LOG_INFO, APR_SUCCESS, "Setting up the %s %s.", interp->label,
                       runtime->process);
    if (wsgi_equip(interp) < 0) {
        report_failure(interp, NULL);
        wsgi_log(&runtime->host->log, WSGI_HERE, WSGI_LOG_ERR, APR_SUCCESS,
                 WSGI_LOGNO(0038) "The main interpreter %s could not be set up; Python handlers are unavailable.",
                 runtime->process);
        return NULL; /* stays allocated: the thread's record points to it for the rest of the process */
    }
    publish(interp);
    return interp;
}

/* No GIL. */
static void decide_gil(wsgi_interp_t *interp)
{
    wsgi_runtime_t *runtime = interp->runtime;

    interp->own_gil = WSGI_HAS_OWN_GIL && interp->options.per_interpreter_gil && !runtime->free_threaded;
    atomic_fetch_add(&runtime->own_gils, interp->own_gil);
    if (runtime->free_threaded && interp->options.per_interpreter_gil) {
        wsgi_log(&runtime->host->log, WSGI_HERE, WSGI_LOG_WARNING, APR_SUCCESS,
                 WSGI_LOGNO(0202) "The %s %s is to have its own GIL, but while free threading is active there is none.",
                 interp->label, runtime->process);
    }
    wsgi_log(&runtime->host->log, WSGI_HERE, WSGI_LOG_INFO, APR_SUCCESS, "Creating %s %s%s.", interp->label,
             runtime->process,
             interp->own_gil          ? ", with its own GIL"
             : runtime->free_threaded ? ", with free threading"
                                      : "");
}

/*
 * The first thread state stays with the interpreter until its end: CPython 3.11 aborts when an interpreter without any
 * is given a new one, and a thread that goes must not take along what module threading has attached to it.
 * A free-threaded build counts references by threads, and takes a state for its thread's as long as it exists: there it
 * is handed to the thread that made it.
 */
static int settle_home(wsgi_thread_t *thread, wsgi_interp_t *interp)
{
    if (!WSGI_HAS_FREE_THREADING) {
        return 0;
    }
    if (wsgi_thread_adopt(thread, interp, interp->home) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    interp->home = NULL;
    return 0;
}

/* GIL held, of the main interpreter on entry and on return. */
static int start_interp(wsgi_thread_t *thread, wsgi_interp_t *interp)
{
    PyThreadState *caller = PyThreadState_Get();
    const char *why;
    int rc;

    interp->home = wsgi_compat_new_interpreter(interp->own_gil, &why);
    if (interp->home == NULL) {
        report_failure(interp, why);
        return -1;
    }
    interp->state = PyThreadState_GetInterpreter(interp->home);
    rc = wsgi_equip(interp) < 0 || settle_home(thread, interp) < 0 ? -1 : 0;
    if (rc < 0) {
        report_failure(interp, NULL);
        Py_CLEAR(interp->module);
        Py_EndInterpreter(interp->home);
    }
    PyThreadState_Swap(caller);
    return rc;
}

/* `creating` is held. */
static wsgi_interp_t *create(wsgi_thread_t *thread, const char *name)
{
    wsgi_runtime_t *runtime = thread->runtime;
    wsgi_interp_t *interp = alloc_interp(runtime, name);
    int rc;

    if (interp == NULL) {
        return NULL;
    }
    decide_gil(interp);
    if (wsgi_interp_enter(thread, runtime->main) < 0) {
        free_interp(interp);
        return NULL;
    }
    rc = start_interp(thread, interp);
    wsgi_interp_leave();
    if (rc < 0) {
        wsgi_log(&runtime->host->log, WSGI_HERE, WSGI_LOG_ERR, APR_SUCCESS,
                 WSGI_LOGNO(0103) "The %s %s could not be created; the next request for it tries again.",
                 interp->label, runtime->process);
        free_interp(interp);
        return NULL;
    }
    publish(interp);
    return interp;
}

wsgi_interp_t *wsgi_interp_acquire(wsgi_thread_t *thread, const char *name)
{
    wsgi_runtime_t *runtime = thread->runtime;
    wsgi_interp_t *interp = find(runtime, name);

    if (interp != NULL) {
        return interp;
    }
    pthread_mutex_lock(&runtime->creating);
    interp = find(runtime, name);
    if (interp == NULL) {
        interp = create(thread, name);
    }
    pthread_mutex_unlock(&runtime->creating);
    return interp;
}

int wsgi_interp_enter(wsgi_thread_t *thread, wsgi_interp_t *interp)
{
    PyThreadState *tstate = wsgi_thread_state(thread, interp);

    if (tstate == NULL) {
        wsgi_log(&interp->runtime->host->log, WSGI_HERE, WSGI_LOG_ERR, APR_SUCCESS,
                 WSGI_LOGNO(0191) "No thread state can be made for thread %d in the %s %s.", thread->number,
                 interp->label, interp->runtime->process);
        return -1;
    }
    PyEval_RestoreThread(tstate);
    return 0;
}

void wsgi_interp_leave(void)
{
    PyEval_SaveThread();
}

static void give_turn(wsgi_thread_t *thread)
{
    if (thread->turn != NULL) {
        wsgi_turn_give(thread->turn);
        thread->turn = NULL;
    }
}

int wsgi_interp_enter_in_turn(wsgi_thread_t *thread, wsgi_interp_t *interp)
{
    wsgi_runtime_t *runtime = interp->runtime;
    wsgi_turn_t *turn = interp->own_gil ? &interp->turn : &runtime->main->turn;

    if (!runtime->free_threaded && thread->turn == NULL && wsgi_turn_take(turn)) {
        thread->turn = turn;
    }
    if (wsgi_interp_enter(thread, interp) < 0) {
        give_turn(thread);
        return -1;
    }
    return 0;
}

void wsgi_interp_leave_in_turn(wsgi_thread_t *thread)
{
    wsgi_interp_leave();
    give_turn(thread);
}

static void call_module_function(const char *module_name, const char *function)
{
    PyObject *module = PyImport_ImportModule(module_name);
    PyObject *result = module != NULL ? PyObject_CallMethod(module, function, NULL) : NULL;

    if (result == NULL) {
        PyErr_WriteUnraisable(module);
    }
    Py_XDECREF(result);
    Py_XDECREF(module);
}

/*
 * Up to Python 3.12 threading._shutdown() also waits for the thread that imported threading, unless that is the
 * caller. In a sub-interpreter it is a request thread, and the thread state concerned is the one that lasts: so the
 * caller takes its place.
 */
static void become_main_thread(PyObject *threading)
{
    PyObject *thread = PyObject_GetAttrString(threading, "_main_thread");
    PyObject *lock = thread != NULL ? PyObject_GetAttrString(thread, "_tstate_lock") : NULL;
    PyObject *locked = lock != NULL ? PyObject_CallMethod(lock, "locked", NULL) : NULL;
    PyObject *ident = locked == Py_True ? PyObject_CallMethod(threading, "get_ident", NULL) : NULL;

    if (ident == NULL || PyObject_SetAttrString(thread, "_ident", ident) < 0) {
        PyErr_Clear(); /* not of that kind, or that thread is gone: nobody waits for it */
    }
    Py_XDECREF(ident);
    Py_XDECREF(locked);
    Py_XDECREF(lock);
    Py_XDECREF(thread);
}

/* What Python itself calls at its end; joins all threads that are not daemons, however long they take. GIL held. */
static void join_threads(void)
{
    PyObject *threading = wsgi_compat_loaded_module("threading");

    if (threading != NULL) {
        become_main_thread(threading);
        call_module_function("threading", "_shutdown");
        Py_DECREF(threading);
    }
}

/* No GIL. On a thread of its own, with a thread state that is gone again before anybody is told. */
static void join_threads_elsewhere(void *argument)
{
    wsgi_interp_t *interp = argument;
    PyThreadState *tstate = PyThreadState_New(interp->state);

    if (tstate != NULL) {
        PyEval_RestoreThread(tstate);
        join_threads();
        PyThreadState_Clear(tstate);
        PyThreadState_DeleteCurrent();
    }
}

int wsgi_interp_run_down(wsgi_interp_t *interp)
{
    apr_interval_time_t limit = interp->runtime->settings->join_timeout;
    PyThreadState *tstate;
    int ended = 1;

    if (limit > 0) {
        tstate = PyEval_SaveThread();
        ended = wsgi_bounded_run(join_threads_elsewhere, interp, limit) == 1;
        PyEval_RestoreThread(tstate);
    } else {
        join_threads();
    }
    if (!ended) {
        wsgi_pylog_process(interp->runtime, WSGI_HERE, WSGI_LOG_INFO, APR_SUCCESS,
                           "Threads of the application in the %s %s do not end; its exit functions run nevertheless.",
                           interp->label, interp->runtime->process);
    }
    call_module_function("atexit", "_run_exitfuncs");
    return ended;
}

/* No GIL. Take that of an interpreter and never give it back: no thread of the application runs any more. */
static void freeze(void *argument)
{
    wsgi_interp_t *interp = argument;
    PyThreadState *tstate = PyThreadState_New(interp->state);

    if (tstate != NULL) {
        PyEval_RestoreThread(tstate);
    }
}

static int is_alone(void)
{
    PyThreadState *first = PyInterpreterState_ThreadHead(PyInterpreterState_Get());

    return first != NULL && PyThreadState_Next(first) == NULL;
}

/*
 * Py_EndInterpreter() aborts the process when a thread state is left, and a daemon thread of the application is
 * enough for that. So its first two steps are done here, and the rest only when nobody else is left.
 */
int wsgi_interp_destroy(wsgi_thread_t *thread, wsgi_interp_t *interp)
{
    PyThreadState *caller = PyEval_SaveThread();
    PyThreadState *last = interp->home != NULL ? interp->home : wsgi_thread_state(thread, interp);
    int alone;

    if (last == NULL) {
        wsgi_log(&interp->runtime->host->log, WSGI_HERE, WSGI_LOG_ERR, APR_SUCCESS,
                 WSGI_LOGNO(0192) "No thread state can be made to destroy the %s %s; it is left as it is.",
                 interp->label, interp->runtime->process);
        PyEval_RestoreThread(caller);
        return 0;
    }
    PyEval_RestoreThread(last);
    wsgi_pylog_process(interp->runtime, WSGI_HERE, WSGI_LOG_INFO, APR_SUCCESS, "Destroying %s %s.", interp->label,
                       interp->runtime->process);
    wsgi_thread_detach_all(interp, last);
    alone = wsgi_interp_run_down(interp) && is_alone();
    if (alone) {
        /* Not twice: threading._shutdown() of some versions fails when it is called again. */
        PyDict_DelItemString(PyImport_GetModuleDict(), "threading");
        PyErr_Clear();
        Py_CLEAR(interp->module);
        wsgi_scripts_clear(&interp->scripts);
        Py_EndInterpreter(last);
        PyThreadState_Swap(caller);
    } else {
        PyEval_SaveThread();
        if (interp->own_gil) {
            (void)wsgi_bounded_run(freeze, interp, FREEZE_LIMIT);
        }
        PyEval_RestoreThread(caller);
    }
    return alone;
}
