#include "bridge/wsgi_guards.h"

#include <signal.h>
#include <unistd.h>

#include "bridge/wsgi_interp.h"
#include "bridge/wsgi_pyerror.h"
#include "bridge/wsgi_pylog.h"

/* ---- streams ---- */

typedef struct {
    PyObject_HEAD
    const char *name;
} restricted_t;

static PyObject *restricted_getattro(PyObject *self, PyObject *Py_UNUSED(name))
{
    PyErr_Format(PyExc_OSError, "%s access is restricted by mod_wsgi", ((restricted_t *)self)->name);
    return NULL;
}

static int restricted_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    return 0;
}

static void restricted_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot restricted_slots[] = {
    { Py_tp_dealloc, restricted_dealloc },
    { Py_tp_traverse, restricted_traverse },
    { Py_tp_getattro, restricted_getattro },
    { 0, NULL },
};

static PyType_Spec restricted_spec = {
    .name = "mod_wsgi.Restricted",
    .basicsize = sizeof(restricted_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | WSGI_TPFLAGS_INTERNAL,
    .slots = restricted_slots,
};

PyObject *wsgi_guards_restricted(wsgi_pystate_t *state, const char *name)
{
    restricted_t *self = (restricted_t *)state->restricted_type->tp_alloc(state->restricted_type, 0);

    if (self != NULL) {
        self->name = name;
    }
    return (PyObject *)self;
}

/* ---- signals ---- */

typedef struct {
    PyObject_HEAD
    const wsgi_interp_t *interp; /* constant; lasts as long as the process */
    PyObject *original;          /* signal.signal */
} signal_t;

static PyObject *signal_call(PyObject *object, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = { "signalnum", "handler", NULL };
    signal_t *self = (signal_t *)object;
    wsgi_runtime_t *runtime = self->interp->runtime;
    PyObject *number, *handler;

    if (getpid() != runtime->pid) {
        return PyObject_Call(self->original, arguments, keywords); /* forked by the application: its own affair */
    }
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OO:signal", names, &number, &handler)) {
        return NULL;
    }
    number = PyObject_Str(number);
    if (number == NULL) {
        return NULL;
    }
    wsgi_pylog_process(runtime, WSGI_HERE, WSGI_LOG_INFO, APR_SUCCESS,
                       "Registration of a handler for signal %s was ignored: signals belong to Apache. Called from:",
                       PyUnicode_AsUTF8(number) != NULL ? PyUnicode_AsUTF8(number) : "?");
    Py_DECREF(number);
    PyErr_Clear();
    wsgi_pyerror_log_stack(self->interp, NULL, NULL);
    return Py_NewRef(handler);
}

static int signal_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((signal_t *)self)->original);
    return 0;
}

static int signal_clear(PyObject *self)
{
    Py_CLEAR(((signal_t *)self)->original);
    return 0;
}

static void signal_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    signal_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot signal_slots[] = {
    { Py_tp_dealloc, signal_dealloc }, { Py_tp_traverse, signal_traverse }, { Py_tp_clear, signal_clear },
    { Py_tp_call, signal_call },       { 0, NULL },
};

static PyType_Spec signal_spec = {
    .name = "mod_wsgi.SignalIntercept",
    .basicsize = sizeof(signal_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | WSGI_TPFLAGS_INTERNAL,
    .slots = signal_slots,
};

int wsgi_guards_install_signal(wsgi_pystate_t *state)
{
    PyObject *module = PyImport_ImportModule("signal");
    PyObject *original = module != NULL ? PyObject_GetAttrString(module, "signal") : NULL;
    signal_t *self = original != NULL ? (signal_t *)state->signal_type->tp_alloc(state->signal_type, 0) : NULL;
    int rc = -1;

    if (self != NULL) {
        self->interp = state->interp;
        self->original = Py_NewRef(original);
        rc = PyObject_SetAttrString(module, "signal", (PyObject *)self);
    }
    Py_XDECREF(self);
    Py_XDECREF(original);
    Py_XDECREF(module);
    return rc;
}

static PyObject *raise_exit(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(arguments))
{
    PyErr_SetString(PyExc_SystemExit, "SIGTERM");
    return NULL;
}

static PyMethodDef exit_def = { "exit_on_signal", raise_exit, METH_VARARGS, "Handler that ends a service process." };

int wsgi_guards_install_term(PyObject *module)
{
    PyObject *handler = PyCFunction_New(&exit_def, module);
    PyObject *signals = handler != NULL ? PyImport_ImportModule("signal") : NULL;
    PyObject *result = signals != NULL ? PyObject_CallMethod(signals, "signal", "iO", SIGTERM, handler) : NULL;
    int rc = result != NULL ? 0 : -1;

    Py_XDECREF(result);
    Py_XDECREF(signals);
    Py_XDECREF(handler);
    return rc;
}

int wsgi_guards_register(PyObject *module, wsgi_pystate_t *state)
{
    state->restricted_type = wsgi_compat_seal(PyType_FromModuleAndSpec(module, &restricted_spec, NULL));
    state->signal_type = wsgi_compat_seal(PyType_FromModuleAndSpec(module, &signal_spec, NULL));
    return state->restricted_type != NULL && state->signal_type != NULL ? 0 : -1;
}
