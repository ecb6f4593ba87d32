#include "bridge/wsgi_watch.h"

#include "bridge/wsgi_bounded.h"
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

static void dump_main(void *argument)
{
    dump_all(argument);
}

void wsgi_watch_dump_stacks(wsgi_runtime_t *runtime, apr_interval_time_t wait)
{
    int done = wsgi_bounded_run(dump_main, runtime, wait);

    if (done < 0) {
        wsgi_log(&runtime->host->log, WSGI_HERE, WSGI_LOG_WARNING, APR_SUCCESS,
                 WSGI_LOGNO(0212) "The stacks of the threads %s are not dumped: no thread can be made for it.",
                 runtime->process);
    } else if (done == 0) {
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
