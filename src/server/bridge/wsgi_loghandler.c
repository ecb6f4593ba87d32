#include "bridge/wsgi_loghandler.h"

#include "bridge/wsgi_pylog.h"

static wsgi_log_level_t apache_level(long number)
{
    return number >= 50   ? WSGI_LOG_CRIT
           : number >= 40 ? WSGI_LOG_ERR
           : number >= 30 ? WSGI_LOG_WARNING
           : number >= 20 ? WSGI_LOG_INFO
                          : WSGI_LOG_DEBUG;
}

/* An attribute of a LogRecord as a number; 0 when it is none. */
static long number_of(PyObject *record, const char *name)
{
    PyObject *value = PyObject_GetAttrString(record, name);
    long number = value != NULL && PyLong_Check(value) ? PyLong_AsLong(value) : 0;

    Py_XDECREF(value);
    PyErr_Clear();
    return number;
}

/* What logging expects of a handler that fails: handleError(), called while the exception is being handled. */
static PyObject *hand_error_back(PyObject *self, PyObject *record)
{
    PyObject *exception = wsgi_compat_take_exception();
    PyObject *type = NULL, *value = NULL, *traceback = NULL, *result;

    PyErr_GetExcInfo(&type, &value, &traceback);
    PyErr_SetExcInfo(Py_NewRef((PyObject *)Py_TYPE(exception)), Py_NewRef(exception),
                     PyException_GetTraceback(exception));
    result = PyObject_CallMethod(self, "handleError", "O", record);
    PyErr_SetExcInfo(type, value, traceback);
    Py_DECREF(exception);
    return result;
}

static PyObject *handler_emit(PyObject *self, PyTypeObject *defining_class, PyObject *const *arguments,
                              Py_ssize_t count, PyObject *keywords)
{
    wsgi_pystate_t *state = PyType_GetModuleState(defining_class);
    wsgi_call_t *call = wsgi_pylog_current_call(state);
    wsgi_record_t form = { .file = __FILE__ };
    PyObject *path = NULL, *text = NULL;
    PyObject *record;

    if (count != 1 || (keywords != NULL && PyTuple_GET_SIZE(keywords) > 0)) {
        PyErr_SetString(PyExc_TypeError, "emit() takes exactly one argument, the log record");
        return NULL;
    }
    record = arguments[0];
    form.level = apache_level(number_of(record, "levelno"));
    if (!wsgi_pylog_enabled(state->runtime, call, form.level)) {
        Py_RETURN_NONE;
    }
    text = PyObject_CallMethod(self, "format", "O", record);
    if (text == NULL) {
        return hand_error_back(self, record);
    }
    path = PyObject_GetAttrString(record, "pathname");
    if (path != NULL && PyUnicode_Check(path) && PyUnicode_AsUTF8(path) != NULL) {
        form.file = PyUnicode_AsUTF8(path);
        form.line = (int)number_of(record, "lineno");
    }
    PyErr_Clear();
    if (PyObject_IsTrue(text) == 1) {
        wsgi_pylog_text(state->runtime, call, &form, text, 0);
    }
    Py_XDECREF(path);
    Py_DECREF(text);
    Py_RETURN_NONE;
}

static PyMethodDef handler_methods[] = {
    { "emit", (PyCFunction)(void (*)(void))handler_emit, METH_METHOD | METH_FASTCALL | METH_KEYWORDS,
      "Write a log record to the error log of Apache, at its own level." },
    { NULL, NULL, 0, NULL },
};

PyDoc_STRVAR(handler_doc, "Handler that writes to the error log of Apache and keeps level and source position.");

static PyType_Slot handler_slots[] = {
    { Py_tp_doc, (void *)handler_doc },
    { Py_tp_methods, handler_methods },
    { 0, NULL },
};

static PyType_Spec handler_spec = {
    .name = "mod_wsgi.LogHandler",
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = handler_slots,
};

PyObject *wsgi_loghandler_make(PyObject *module)
{
    PyObject *logging = PyImport_ImportModule("logging");
    PyObject *base = logging != NULL ? PyObject_GetAttrString(logging, "Handler") : NULL;
    PyObject *bases = base != NULL ? PyTuple_Pack(1, base) : NULL;
    PyObject *type = bases != NULL ? PyType_FromModuleAndSpec(module, &handler_spec, bases) : NULL;

    Py_XDECREF(bases);
    Py_XDECREF(base);
    Py_XDECREF(logging);
    return type;
}
