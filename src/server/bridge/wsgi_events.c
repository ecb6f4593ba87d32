#include "bridge/wsgi_events.h"

#include <apr_time.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "bridge/wsgi_interp.h"
#include "bridge/wsgi_pyerror.h"
#include "bridge/wsgi_pylog.h"

int wsgi_events_thread_cpu(apr_int64_t *user, apr_int64_t *system)
{
#if defined(RUSAGE_THREAD)
    struct rusage usage;

    if (getrusage(RUSAGE_THREAD, &usage) == 0) {
        *user = apr_time_from_sec((apr_int64_t)usage.ru_utime.tv_sec) + usage.ru_utime.tv_usec;
        *system = apr_time_from_sec((apr_int64_t)usage.ru_stime.tv_sec) + usage.ru_stime.tv_usec;
        return 0;
    }
#endif
    *user = *system = -1;
    return -1;
}

/* ---- delivery ---- */

/* The list of subscribers, new reference. @return 0 and NULL when the module has none under that name */
static PyObject *find_list(wsgi_interp_t *interp, PyObject *name)
{
    PyObject *list = NULL;

    if (wsgi_compat_dict_get(PyModule_GetDict(interp->module), name, &list) == 1 && PyList_Check(list)) {
        return list;
    }
    PyErr_Clear();
    Py_XDECREF(list);
    return NULL;
}

int wsgi_events_wanted(wsgi_interp_t *interp)
{
    PyObject *list = find_list(interp, WSGI_NAME(interp->pystate, EVENT_CALLBACKS));
    int wanted = list == NULL || PyList_GET_SIZE(list) > 0; /* none: so that delivery can report it */

    Py_XDECREF(list);
    return wanted;
}

static void deliver_to(wsgi_interp_t *interp, PyObject *callback, PyObject *name, PyObject *payload)
{
    PyObject *arguments = PyTuple_Pack(1, name);
    PyObject *result = arguments != NULL ? PyObject_Call(callback, arguments, payload) : NULL;

    if (result == NULL || (PyDict_Check(result) && PyDict_Update(payload, result) < 0)) {
        wsgi_pyerror_take_event(interp, PyUnicode_AsUTF8(name));
    }
    Py_XDECREF(result);
    Py_XDECREF(arguments);
}

/* `payload` is changed by what subscribers return. */
static void deliver(wsgi_interp_t *interp, PyObject *list_name, const char *event, PyObject *payload)
{
    PyObject *list = find_list(interp, list_name);
    PyObject *snapshot = list != NULL ? PyList_AsTuple(list) : NULL;
    PyObject *name = PyUnicode_FromString(event);
    Py_ssize_t i;

    if (list == NULL) {
        wsgi_pylog_process(interp->runtime, WSGI_HERE, WSGI_LOG_ERR, APR_SUCCESS,
                           WSGI_LOGNO(0114) "The list of subscribers is missing from module mod_wsgi; the event '%s' "
                           "is lost.", event);
    }
    for (i = 0; snapshot != NULL && name != NULL && i < PyTuple_GET_SIZE(snapshot); i++) {
        deliver_to(interp, PyTuple_GET_ITEM(snapshot, i), name, payload);
    }
    PyErr_Clear();
    Py_XDECREF(name);
    Py_XDECREF(snapshot);
    Py_XDECREF(list);
}

static void deliver_request_event(wsgi_call_t *call, const char *event, PyObject *payload)
{
    if (payload == NULL) {
        wsgi_pyerror_take_event(call->state->interp, event);
        return;
    }
    deliver(call->state->interp, WSGI_NAME(call->state, EVENT_CALLBACKS), event, payload);
}

/* ---- payloads ---- */

static double seconds(apr_int64_t microseconds)
{
    return (double)microseconds / 1e6;
}

/* Add an entry and let go of the value. @return 0, or -1 with an exception */
static int put(PyObject *payload, const char *key, PyObject *value)
{
    int rc = value != NULL ? PyDict_SetItemString(payload, key, value) : -1;

    Py_XDECREF(value);
    return rc;
}

static PyObject *server_pid(const wsgi_call_t *call)
{
    const char *text = wsgi_fields_get(call->request->variables, "mod_wsgi.server_pid");

    return PyLong_FromLong(text != NULL ? strtol(text, NULL, 10) : (long)call->state->runtime->pid);
}

/* What all events of a request have; NULL with an exception on failure. */
static PyObject *base_payload(const wsgi_call_t *call)
{
    PyObject *payload = PyDict_New();

    if (payload != NULL && ((call->request_id != NULL && put(payload, "request_id", Py_NewRef(call->request_id)) < 0) ||
                            (call->data != NULL && put(payload, "request_data", Py_NewRef(call->data)) < 0))) {
        Py_CLEAR(payload);
    }
    return payload;
}

static int put_moments(PyObject *payload, const wsgi_call_t *call)
{
    const wsgi_moments_t *moments = &call->request->moments;

    return put(payload, "thread_id", PyLong_FromLong(call->thread->number)) < 0 ||
                   put(payload, "server_pid", server_pid(call)) < 0 ||
                   put(payload, "request_start", PyFloat_FromDouble(seconds(moments->request_start))) < 0 ||
                   put(payload, "queue_start", PyFloat_FromDouble(seconds(moments->queue_start))) < 0 ||
                   put(payload, "daemon_start", PyFloat_FromDouble(seconds(moments->daemon_start))) < 0 ||
                   put(payload, "application_start", PyFloat_FromDouble(seconds(call->tally.started))) < 0
               ? -1
               : 0;
}

static int put_start(PyObject *payload, const wsgi_call_t *call, PyObject *application, PyObject *environ)
{
    const wsgi_request_t *request = call->request;

    return put_moments(payload, call) < 0 ||
                   put(payload, "daemon_connects", PyLong_FromLong(request->daemon_connects)) < 0 ||
                   put(payload, "daemon_restarts", PyLong_FromLong(request->daemon_restarts)) < 0 ||
                   put(payload, "application_object", Py_NewRef(application)) < 0 ||
                   put(payload, "callable_object", PyUnicode_FromString(request->route->callable_object)) < 0 ||
                   put(payload, "request_environ", Py_NewRef(environ)) < 0
               ? -1
               : 0;
}

PyObject *wsgi_events_request_started(wsgi_call_t *call, PyObject *application, PyObject *environ)
{
    PyObject *payload = base_payload(call);
    PyObject *key = PyUnicode_FromString("application_object");
    PyObject *chosen = NULL;

    if (payload != NULL && put_start(payload, call, application, environ) < 0) {
        Py_CLEAR(payload);
    }
    deliver_request_event(call, "request_started", payload);
    if (payload == NULL || key == NULL || wsgi_compat_dict_get(payload, key, &chosen) < 0) {
        PyErr_Clear();
    }
    Py_XDECREF(key);
    Py_XDECREF(payload);
    return chosen != NULL ? chosen : Py_NewRef(application);
}

void wsgi_events_response_started(wsgi_call_t *call, PyObject *status, PyObject *headers, PyObject *exc_info)
{
    PyObject *payload = base_payload(call);

    if (payload != NULL && (put(payload, "response_status", Py_NewRef(status)) < 0 ||
                            put(payload, "response_headers", Py_NewRef(headers)) < 0 ||
                            put(payload, "exception_info", Py_NewRef(exc_info)) < 0)) {
        Py_CLEAR(payload);
    }
    deliver_request_event(call, "response_started", payload);
    Py_XDECREF(payload);
}

void wsgi_events_request_exception(wsgi_call_t *call, PyObject *exception)
{
    PyObject *payload = base_payload(call);
    PyObject *traceback = PyException_GetTraceback(exception);
    PyObject *info = PyTuple_Pack(3, (PyObject *)Py_TYPE(exception), exception,
                                  traceback != NULL ? traceback : Py_None);

    Py_XDECREF(traceback);
    if (payload != NULL && put(payload, "exception_info", info) < 0) {
        Py_CLEAR(payload);
    }
    deliver_request_event(call, "request_exception", payload);
    Py_XDECREF(payload);
}

static int put_cpu(PyObject *payload, const wsgi_call_t *call, apr_int64_t elapsed)
{
    apr_int64_t user, system;
    double scale = 1.0;

    if (call->tally.cpu_user < 0 || wsgi_events_thread_cpu(&user, &system) < 0) {
        return 0;
    }
    user -= call->tally.cpu_user;
    system -= call->tally.cpu_system;
    if (user + system > elapsed && user + system > 0) { /* the clocks tick differently */
        scale = (double)elapsed / (double)(user + system);
    }
    return put(payload, "cpu_user_time", PyFloat_FromDouble(seconds(user) * scale)) < 0 ||
                   put(payload, "cpu_system_time", PyFloat_FromDouble(seconds(system) * scale)) < 0 ||
                   put(payload, "cpu_time", PyFloat_FromDouble(seconds(user + system) * scale)) < 0
               ? -1
               : 0;
}

static int put_tally(PyObject *payload, const wsgi_tally_t *tally)
{
    return put(payload, "input_reads", PyLong_FromLongLong(tally->input_reads)) < 0 ||
                   put(payload, "input_length", PyLong_FromLongLong(tally->input_length)) < 0 ||
                   put(payload, "input_time", PyFloat_FromDouble(seconds(tally->input_time))) < 0 ||
                   put(payload, "output_writes", PyLong_FromLongLong(tally->output_writes)) < 0 ||
                   put(payload, "output_length", PyLong_FromLongLong(tally->output_length)) < 0 ||
                   put(payload, "output_time", PyFloat_FromDouble(seconds(tally->output_time))) < 0 ||
                   put(payload, "gil_wait_time", PyFloat_FromDouble(seconds(tally->gil_wait_time))) < 0 ||
                   put(payload, "gil_wait_count", PyLong_FromLongLong(tally->gil_waits)) < 0
               ? -1
               : 0;
}

void wsgi_events_request_finished(wsgi_call_t *call, int status)
{
    PyObject *payload = base_payload(call);
    apr_time_t now = apr_time_now();
    apr_int64_t elapsed = now > call->tally.started ? now - call->tally.started : 0;

    if (payload != NULL && (put_moments(payload, call) < 0 ||
                            put(payload, "application_finish", PyFloat_FromDouble(seconds(now))) < 0 ||
                            put(payload, "application_time", PyFloat_FromDouble(seconds(elapsed))) < 0 ||
                            put_tally(payload, &call->tally) < 0 || put_cpu(payload, call, elapsed) < 0 ||
                            put(payload, "status", PyLong_FromLong(status)) < 0)) {
        Py_CLEAR(payload);
    }
    deliver_request_event(call, "request_finished", payload);
    Py_XDECREF(payload);
}

/* ---- process events ---- */

void wsgi_events_process_stopping(wsgi_interp_t *interp, const char *reason)
{
    PyObject *payload = Py_BuildValue("{s:s}", "shutdown_reason", reason);

    if (payload == NULL) {
        wsgi_pylog_process(interp->runtime, WSGI_HERE, WSGI_LOG_ERR, APR_SUCCESS,
                           WSGI_LOGNO(0104) "The event 'process_stopping' cannot be built for the %s %s.",
                           interp->label, interp->runtime->process);
        PyErr_Clear();
        return;
    }
    deliver(interp, WSGI_NAME(interp->pystate, EVENT_CALLBACKS), "process_stopping", payload);
    deliver(interp, WSGI_NAME(interp->pystate, SHUTDOWN_CALLBACKS), "process_stopping", payload);
    Py_DECREF(payload);
}

void wsgi_events_process_signal(wsgi_interp_t *interp, int signum)
{
    const char *name = signum == SIGHUP ? "SIGHUP" : signum == SIGUSR2 ? "SIGUSR2" : "";
    PyObject *payload = Py_BuildValue("{s:s,s:i}", "signame", name, "signum", signum);

    if (payload == NULL) {
        wsgi_pylog_process(interp->runtime, WSGI_HERE, WSGI_LOG_ERR, APR_SUCCESS,
                           WSGI_LOGNO(0209) "The event 'process_signal' cannot be built for the %s %s.",
                           interp->label, interp->runtime->process);
        PyErr_Clear();
        return;
    }
    deliver(interp, WSGI_NAME(interp->pystate, EVENT_CALLBACKS), "process_signal", payload);
    deliver(interp, WSGI_NAME(interp->pystate, SIGNAL_CALLBACKS), "process_signal", payload);
    Py_DECREF(payload);
}
