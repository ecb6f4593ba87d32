#include "bridge/wsgi_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "bridge/wsgi_interp.h"
#include "bridge/wsgi_pyerror.h"
#include "bridge/wsgi_pylog.h"

/* ---- interruption ---- */

static wsgi_thread_t *find_thread(wsgi_runtime_t *runtime, unsigned long ident)
{
    wsgi_thread_t *thread;

    for (thread = atomic_load(&runtime->threads); thread != NULL; thread = thread->next) {
        if (atomic_load(&thread->in_use) && atomic_load(&thread->ident) == ident) {
            return thread;
        }
    }
    return NULL;
}

/* sys._current_frames() of the current interpreter: dict of thread number to frame. */
static PyObject *current_frames(void)
{
    PyObject *function = PySys_GetObject("_current_frames"); /* borrowed */

    if (function == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "sys._current_frames is missing");
        return NULL;
    }
    return PyObject_CallObject(function, NULL);
}

static void log_thread(const wsgi_interp_t *interp, unsigned long ident)
{
    PyObject *frames = current_frames();
    PyObject *key = PyLong_FromUnsignedLong(ident);
    PyObject *frame = NULL;

    if (frames != NULL && key != NULL && wsgi_compat_dict_get(frames, key, &frame) == 1) {
        wsgi_pylog_process(interp->runtime, WSGI_HERE, WSGI_LOG_INFO, APR_SUCCESS,
                           "Stack of thread %lu in the %s %s:", ident, interp->label, interp->runtime->process);
        wsgi_pyerror_log_stack(interp, NULL, frame);
    }
    PyErr_Clear();
    Py_XDECREF(frame);
    Py_XDECREF(key);
    Py_XDECREF(frames);
}

int wsgi_watch_interrupt(wsgi_runtime_t *runtime, unsigned long ident)
{
    wsgi_thread_t *self = wsgi_thread_current(runtime);
    wsgi_thread_t *thread = find_thread(runtime, ident);
    wsgi_interp_t *interp = thread != NULL ? atomic_load(&thread->inside) : NULL;
    int injected = 0;

    if (self == NULL || interp == NULL || wsgi_interp_enter(self, interp) < 0) {
        return 0;
    }
    log_thread(interp, ident);
    /* It is with the GIL that a thread leaves `inside`, so what holds here holds until we let go. */
    if (atomic_load(&thread->inside) == interp && atomic_load(&thread->ident) == ident) {
        atomic_store(&thread->injected, 1);
        injected = PyThreadState_SetAsyncExc(ident, interp->pystate->request_timeout) > 0;
    }
    wsgi_interp_leave();
    return injected;
}

/* ---- stacks ---- */

static void dump_frames(const wsgi_interp_t *interp)
{
    PyObject *frames = current_frames();
    PyObject *key, *frame;
    Py_ssize_t position = 0;

    if (frames == NULL) {
        wsgi_pylog_process(interp->runtime, WSGI_HERE, WSGI_LOG_WARNING, APR_SUCCESS,
                           WSGI_LOGNO(0067) "The stacks of the threads in the %s %s cannot be had.", interp->label,
                           interp->runtime->process);
        wsgi_pyerror_take_setup(interp);
        return;
    }
    while (PyDict_Next(frames, &position, &key, &frame)) {
        wsgi_pylog_process(interp->runtime, WSGI_HERE, WSGI_LOG_INFO, APR_SUCCESS,
                           "Stack of thread %lu in the %s %s:", PyLong_AsUnsignedLongMask(key), interp->label,
                           interp->runtime->process);
        wsgi_pyerror_log_stack(interp, NULL, frame);
    }
    Py_DECREF(frames);
}

static void dump_all(wsgi_runtime_t *runtime)
{
    wsgi_thread_t *thread = wsgi_thread_current(runtime);
    wsgi_interp_t *interp = thread != NULL ? atomic_load(&runtime->interps) : NULL;

    for (; interp != NULL; interp = interp->next) {
        if (wsgi_interp_enter(thread, interp) == 0) {
            dump_frames(interp);
            wsgi_interp_leave();
        }
    }
}

/* Asking for the GIL knows no time limit, so a thread of its own asks, and may be left behind. */
typedef struct {
    wsgi_runtime_t *runtime;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int done;  /* guarded by lock */
    int users; /* guarded by lock: who lets go last frees it */
} dump_t;

static void release(dump_t *dump)
{
    int last = --dump->users == 0;

    pthread_mutex_unlock(&dump->lock);
    if (last) {
        pthread_mutex_destroy(&dump->lock);
        pthread_cond_destroy(&dump->changed);
        free(dump);
    }
}

static void *dump_main(void *argument)
{
    dump_t *dump = argument;

    dump_all(dump->runtime);
    pthread_mutex_lock(&dump->lock);
    dump->done = 1;
    pthread_cond_signal(&dump->changed);
    release(dump);
    return NULL;
}

static dump_t *make_dump(wsgi_runtime_t *runtime)
{
    dump_t *dump = calloc(1, sizeof(*dump));
    pthread_condattr_t attributes;

    if (dump == NULL) {
        return NULL;
    }
    dump->runtime = runtime;
    dump->users = 2;
    pthread_mutex_init(&dump->lock, NULL);
    pthread_condattr_init(&attributes);
#if !defined(__APPLE__)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
#endif
    pthread_cond_init(&dump->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return dump;
}

static struct timespec deadline_after(apr_interval_time_t wait)
{
    struct timespec deadline;

#if defined(__APPLE__)
    clock_gettime(CLOCK_REALTIME, &deadline); /* the only clock its condition variables know */
#else
    clock_gettime(CLOCK_MONOTONIC, &deadline);
#endif
    deadline.tv_sec += (time_t)apr_time_sec(wait);
    deadline.tv_nsec += (long)apr_time_usec(wait) * 1000;
    if (deadline.tv_nsec >= 1000000000L) {
        deadline.tv_sec++;
        deadline.tv_nsec -= 1000000000L;
    }
    return deadline;
}

void wsgi_watch_dump_stacks(wsgi_runtime_t *runtime, apr_interval_time_t wait)
{
    dump_t *dump = make_dump(runtime);
    struct timespec deadline = deadline_after(wait);
    pthread_t worker;
    int done, rc = 0;

    if (dump == NULL || pthread_create(&worker, NULL, dump_main, dump) != 0) {
        wsgi_log(&runtime->host->log, WSGI_HERE, WSGI_LOG_WARNING, APR_SUCCESS,
                 WSGI_LOGNO(0212) "The stacks of the threads %s are not dumped: no thread can be made for it.",
                 runtime->process);
        if (dump != NULL) {
            dump->users = 1;
            pthread_mutex_lock(&dump->lock);
            release(dump);
        }
        return;
    }
    pthread_detach(worker);
    pthread_mutex_lock(&dump->lock);
    while (!dump->done && rc != ETIMEDOUT) {
        rc = pthread_cond_timedwait(&dump->changed, &dump->lock, &deadline);
    }
    done = dump->done;
    release(dump);
    if (!done) {
        wsgi_log(&runtime->host->log, WSGI_HERE, WSGI_LOG_WARNING, APR_SUCCESS,
                 WSGI_LOGNO(0213) "The stacks of the threads %s are not dumped: Python cannot be entered.",
                 runtime->process);
    }
}

void wsgi_watch_probe(wsgi_runtime_t *runtime)
{
    wsgi_thread_t *thread = wsgi_thread_current(runtime);

    if (thread != NULL && wsgi_interp_enter(thread, runtime->main) == 0) {
        wsgi_interp_leave();
    }
}
