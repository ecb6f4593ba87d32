#include "bridge/wsgi_pyerror.h"

#include <stdio.h>
#include <string.h>

#include "bridge/wsgi_interp.h"
#include "bridge/wsgi_pylog.h"

/* Which number a header line begins with, for SystemExit and for anything else. */
typedef struct {
    const char *number;
    const char *exit_number;
} numbers_t;

/* "[script /path] " when the message belongs to a request; the numbered header is the only line with a prefix. */
static void print_prefix(char *out, size_t size, const wsgi_call_t *call)
{
    const char *resource = call != NULL && call->request != NULL ? call->request->route->resource : NULL;

    out[0] = '\0';
    if (resource != NULL && *resource != '\0') {
        snprintf(out, size, "[script %s] ", resource);
    }
}

static void log_header(const wsgi_interp_t *interp, wsgi_call_t *call, const numbers_t *numbers, PyObject *exception,
                       const char *where)
{
    int is_exit = PyErr_GivenExceptionMatches(exception, PyExc_SystemExit);
    wsgi_record_t form = { .level = WSGI_LOG_ERR, .file = __FILE__, .line = __LINE__, .plain = 1 };
    char prefix[4096 + 16];
    char text[8192];

    print_prefix(prefix, sizeof(prefix), call);
    snprintf(text, sizeof(text), "%s%sException '%s' in %s, %s %s%s.", is_exit ? numbers->exit_number : numbers->number,
             prefix, Py_TYPE(exception)->tp_name, where, interp->label, interp->runtime->process,
             is_exit ? "; it was ignored" : "");
    wsgi_pylog_lines(interp->runtime, call, &form, text, strlen(text), 0);
}

static PyObject *call_traceback(const char *function, PyObject *arguments)
{
    PyObject *module = arguments != NULL ? PyImport_ImportModule("traceback") : NULL;
    PyObject *callable = module != NULL ? PyObject_GetAttrString(module, function) : NULL;
    PyObject *lines = callable != NULL ? PyObject_CallObject(callable, arguments) : NULL;
    PyObject *empty = lines != NULL ? PyUnicode_FromString("") : NULL;
    PyObject *text = empty != NULL ? PyUnicode_Join(empty, lines) : NULL;

    Py_XDECREF(empty);
    Py_XDECREF(lines);
    Py_XDECREF(callable);
    Py_XDECREF(module);
    return text;
}

static PyObject *format_traceback(PyObject *exception)
{
    PyObject *traceback = PyException_GetTraceback(exception);
    PyObject *arguments =
        PyTuple_Pack(3, (PyObject *)Py_TYPE(exception), exception, traceback != NULL ? traceback : Py_None);
    PyObject *text = call_traceback("format_exception", arguments);

    Py_XDECREF(arguments);
    Py_XDECREF(traceback);
    return text;
}

static PyObject *take(const wsgi_interp_t *interp, wsgi_call_t *call, const numbers_t *numbers, const char *where)
{
    wsgi_record_t form = { .level = WSGI_LOG_ERR, .file = __FILE__, .line = __LINE__, .plain = 1 };
    PyObject *exception = wsgi_compat_take_exception();
    PyObject *text;

    if (exception == NULL) {
        return NULL;
    }
    log_header(interp, call, numbers, exception, where);
    text = format_traceback(exception);
    if (text != NULL) {
        wsgi_pylog_text(interp->runtime, call, &form, text, 1);
        Py_DECREF(text);
        return exception;
    }
    PyErr_Clear();
    if (PyErr_GivenExceptionMatches(exception, PyExc_SystemExit)) {
        Py_DECREF(exception);
        return NULL; /* PyErr_Print would end the process */
    }
    wsgi_compat_set_exception(exception);
    PyErr_PrintEx(0);
    return NULL;
}

PyObject *wsgi_pyerror_take(const wsgi_interp_t *interp, wsgi_call_t *call, const char *script)
{
    static const numbers_t numbers = { WSGI_LOGNO(0174), WSGI_LOGNO(0175) };
    char where[4096 + 16];

    snprintf(where, sizeof(where), "script '%s'", script);
    return take(interp, call, &numbers, where);
}

void wsgi_pyerror_take_setup(const wsgi_interp_t *interp)
{
    static const numbers_t numbers = { WSGI_LOGNO(0188), WSGI_LOGNO(0189) };
    PyObject *exception = take(interp, NULL, &numbers, "the set-up of an interpreter");

    Py_XDECREF(exception);
}

void wsgi_pyerror_take_event(const wsgi_interp_t *interp, const char *event)
{
    static const numbers_t numbers = { WSGI_LOGNO(0112), WSGI_LOGNO(0190) };
    char where[128];
    PyObject *exception;

    snprintf(where, sizeof(where), "a subscriber of the event '%s'", event);
    exception = take(interp, NULL, &numbers, where);
    Py_XDECREF(exception);
}

void wsgi_pyerror_log_stack(const wsgi_interp_t *interp, wsgi_call_t *call, PyObject *frame)
{
    wsgi_record_t form = { .level = WSGI_LOG_INFO, .file = __FILE__, .line = __LINE__ };
    PyObject *arguments = frame != NULL ? PyTuple_Pack(1, frame) : PyTuple_New(0);
    PyObject *text = call_traceback("format_stack", arguments);

    if (text != NULL) {
        wsgi_pylog_text(interp->runtime, call, &form, text, 1);
    } else {
        PyErr_Clear();
    }
    Py_XDECREF(text);
    Py_XDECREF(arguments);
}
