#include "bridge/wsgi_pymodule.h"

#include "base/wsgi_version.h"
#include "bridge/wsgi_filewrapper.h"
#include "bridge/wsgi_guards.h"
#include "bridge/wsgi_input.h"
#include "bridge/wsgi_interp.h"
#include "bridge/wsgi_keys.h"
#include "bridge/wsgi_loghandler.h"
#include "bridge/wsgi_pyerror.h"
#include "bridge/wsgi_pylog.h"
#include "bridge/wsgi_tlsprobe.h"

int wsgi_pymodule_set(PyObject *module, const char *name, PyObject *value)
{
    int rc = value != NULL ? PyObject_SetAttrString(module, name, value) : -1;

    Py_XDECREF(value);
    return rc;
}

/* ---- functions ---- */

static PyObject *subscribe(PyObject *module, PyObject *list_name, PyObject *callback)
{
    PyObject *list = PyObject_GetAttr(module, list_name);
    int rc = list != NULL ? PyList_Append(list, callback) : -1;

    Py_XDECREF(list);
    return rc == 0 ? Py_NewRef(callback) : NULL;
}

static PyObject *subscribe_events(PyObject *module, PyObject *callback)
{
    wsgi_pystate_t *state = PyModule_GetState(module);

    return subscribe(module, WSGI_NAME(state, EVENT_CALLBACKS), callback);
}

static PyObject *subscribe_shutdown(PyObject *module, PyObject *callback)
{
    wsgi_pystate_t *state = PyModule_GetState(module);

    return subscribe(module, WSGI_NAME(state, SHUTDOWN_CALLBACKS), callback);
}

static PyObject *subscribe_signals(PyObject *module, PyObject *callback)
{
    wsgi_pystate_t *state = PyModule_GetState(module);

    if (wsgi_runtime_is_embedded(state->runtime)) {
        wsgi_pylog_process(state->runtime, WSGI_HERE, WSGI_LOG_INFO, APR_SUCCESS,
                           "mod_wsgi.subscribe_signals() only works in daemon processes. Called from:");
        wsgi_pyerror_log_stack(state->interp, NULL, NULL);
        return Py_NewRef(callback);
    }
    return subscribe(module, WSGI_NAME(state, SIGNAL_CALLBACKS), callback);
}

static PyObject *request_data(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    wsgi_pystate_t *state = PyModule_GetState(module);
    wsgi_call_t *call = wsgi_pylog_current_call(state);

    if (call == NULL || call->data == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "no active request for thread");
        return NULL;
    }
    return Py_NewRef(call->data);
}

/* The class, made by this thread or another one that was faster; new reference. `made` is taken over, may be NULL. */
static PyObject *keep_log_handler(PyObject *module, PyObject *made)
{
    wsgi_pystate_t *state = PyModule_GetState(module);
    PyObject *kept;

    WSGI_BEGIN_CRITICAL(module)
    if (state->log_handler == NULL) {
        state->log_handler = made;
        made = NULL;
    }
    kept = Py_XNewRef(state->log_handler);
    WSGI_END_CRITICAL()
    Py_XDECREF(made);
    return kept;
}

/* Module __getattr__: LogHandler is made when somebody asks for it, since `logging` takes its time to import. */
static PyObject *module_getattr(PyObject *module, PyObject *name)
{
    PyObject *handler;

    if (!PyUnicode_Check(name) || PyUnicode_CompareWithASCIIString(name, "LogHandler") != 0) {
        PyErr_Format(PyExc_AttributeError, "module 'mod_wsgi' has no attribute %R", name);
        return NULL;
    }
    handler = keep_log_handler(module, NULL);
    if (handler == NULL) {
        handler = keep_log_handler(module, wsgi_loghandler_make(module));
        if (handler != NULL) {
            PyErr_Clear(); /* of our attempt, if another thread was luckier */
        }
        if (handler != NULL && PyObject_SetAttr(module, name, handler) < 0) {
            Py_CLEAR(handler);
        }
    }
    return handler;
}

static PyMethodDef module_methods[] = {
    { "subscribe_events", subscribe_events, METH_O, "Call a function at every event of requests and processes." },
    { "subscribe_shutdown", subscribe_shutdown, METH_O, "Call a function when the process is about to end." },
    { "subscribe_signals", subscribe_signals, METH_O, "Call a function when a daemon gets SIGHUP or SIGUSR2." },
    { "request_data", request_data, METH_NOARGS, "Dictionary private to the request the thread is handling." },
    { "__getattr__", module_getattr, METH_O, NULL },
    { NULL, NULL, 0, NULL },
};

/* ---- life ---- */

static int module_exec(PyObject *module)
{
    wsgi_pystate_t *state = PyModule_GetState(module);
    static const char *const texts[] = {
#define WSGI_NAME_TEXT(id, text) text,
        WSGI_NAMES(WSGI_NAME_TEXT)
#undef WSGI_NAME_TEXT
    };
    int i;

    for (i = 0; i < WSGI_NAME_COUNT; i++) {
        state->names[i] = PyUnicode_InternFromString(texts[i]);
        if (state->names[i] == NULL) {
            return -1;
        }
    }
    state->request_timeout = PyErr_NewExceptionWithDoc(
        "mod_wsgi.RequestTimeout", "Raised in the thread of a request that has taken too long.",
        PyExc_BaseException, NULL);
    state->active_requests = PyDict_New();
    state->keys = wsgi_keys_make();
    if (state->request_timeout == NULL || state->active_requests == NULL || state->keys == NULL) {
        return -1;
    }
    return wsgi_call_register(module, state) < 0 || wsgi_input_register(module, state) < 0 ||
                   wsgi_pylog_register(module, state) < 0 || wsgi_filewrapper_register(module, state) < 0 ||
                   wsgi_guards_register(module, state) < 0 || wsgi_tlsprobe_register(module, state) < 0
               ? -1
               : 0;
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    wsgi_pystate_t *state = PyModule_GetState(module);

    Py_VISIT(state->call_type);
    Py_VISIT(state->input_type);
    Py_VISIT(state->log_type);
    Py_VISIT(state->stream_type);
    Py_VISIT(state->filewrapper_type);
    Py_VISIT(state->restricted_type);
    Py_VISIT(state->tls_type);
    Py_VISIT(state->signal_type);
    Py_VISIT(state->request_timeout);
    Py_VISIT(state->log_handler);
    Py_VISIT(state->active_requests);
    Py_VISIT(state->base_environ);
    Py_VISIT(state->environ_template);
    return 0;
}

static int module_clear(PyObject *module)
{
    wsgi_pystate_t *state = PyModule_GetState(module);
    int i;

    Py_CLEAR(state->call_type);
    Py_CLEAR(state->input_type);
    Py_CLEAR(state->log_type);
    Py_CLEAR(state->stream_type);
    Py_CLEAR(state->filewrapper_type);
    Py_CLEAR(state->restricted_type);
    Py_CLEAR(state->tls_type);
    Py_CLEAR(state->signal_type);
    Py_CLEAR(state->request_timeout);
    Py_CLEAR(state->log_handler);
    Py_CLEAR(state->active_requests);
    Py_CLEAR(state->base_environ);
    Py_CLEAR(state->environ_template);
    for (i = 0; i < WSGI_NAME_COUNT; i++) {
        Py_CLEAR(state->names[i]);
    }
    return 0;
}

static void module_free(void *module)
{
    wsgi_pystate_t *state = PyModule_GetState(module);

    module_clear(module);
    wsgi_keys_free(state->keys);
    state->keys = NULL;
}

static PyModuleDef_Slot module_slots[] = { { Py_mod_exec, module_exec }, WSGI_MODULE_SLOTS, { 0, NULL } };

static PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "mod_wsgi",
    .m_doc = "What an application can see of the Apache module that runs it.",
    .m_size = sizeof(wsgi_pystate_t),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

static PyObject *make_spec(void)
{
    PyObject *machinery = PyImport_ImportModule("importlib.machinery");
    PyObject *spec = machinery != NULL ? PyObject_CallMethod(machinery, "ModuleSpec", "sO", "mod_wsgi", Py_None) : NULL;

    Py_XDECREF(machinery);
    return spec;
}

int wsgi_pymodule_install(wsgi_interp_t *interp)
{
    PyObject *spec = make_spec();
    PyObject *module = spec != NULL ? PyModule_FromDefAndSpec(&module_def, spec) : NULL;
    wsgi_pystate_t *state;
    int rc = -1;

    if (module != NULL && PyModule_ExecDef(module, &module_def) == 0 &&
        PyObject_SetAttrString(module, "__spec__", spec) == 0) {
        rc = PyDict_SetItemString(PyImport_GetModuleDict(), "mod_wsgi", module);
    }
    if (rc == 0) {
        state = PyModule_GetState(module);
        state->runtime = interp->runtime;
        state->interp = interp;
        interp->module = Py_NewRef(module);
        interp->pystate = state;
    }
    Py_XDECREF(module);
    Py_XDECREF(spec);
    return rc;
}

/* ---- attributes ---- */

static PyObject *version(void)
{
    return Py_BuildValue("(iii)", WSGI_VERSION_MAJOR, WSGI_VERSION_MINOR, WSGI_VERSION_PATCH);
}

static int publish_lists(PyObject *module)
{
    return wsgi_pymodule_set(module, "event_callbacks", PyList_New(0)) < 0 ||
                   wsgi_pymodule_set(module, "shutdown_callbacks", PyList_New(0)) < 0 ||
                   wsgi_pymodule_set(module, "signal_callbacks", PyList_New(0)) < 0
               ? -1
               : 0;
}

int wsgi_pymodule_publish(wsgi_interp_t *interp)
{
    const wsgi_runtime_settings_t *settings = interp->runtime->settings;
    wsgi_pystate_t *state = interp->pystate;
    PyObject *module = interp->module;

    return wsgi_pymodule_set(module, "version", version()) < 0 ||
                   wsgi_pymodule_set(module, "process_group", PyUnicode_FromString(settings->process_group)) < 0 ||
                   wsgi_pymodule_set(module, "application_group", PyUnicode_FromString(interp->name)) < 0 ||
                   wsgi_pymodule_set(module, "maximum_processes", PyLong_FromLong(settings->maximum_processes)) < 0 ||
                   wsgi_pymodule_set(module, "threads_per_process",
                                     PyLong_FromLong(settings->threads_per_process)) < 0 ||
                   wsgi_pymodule_set(module, "FileWrapper", Py_NewRef((PyObject *)state->filewrapper_type)) < 0 ||
                   wsgi_pymodule_set(module, "RequestTimeout", Py_NewRef(state->request_timeout)) < 0 ||
                   wsgi_pymodule_set(module, "active_requests", Py_NewRef(state->active_requests)) < 0 ||
                   publish_lists(module) < 0
               ? -1
               : 0;
}

/* ---- the package on disk ---- */

/* With the built-in module out of the way, an import finds the package, runs it and knows its __path__. */
static PyObject *import_package(void)
{
    PyObject *package = PyImport_ImportModule("mod_wsgi");
    PyObject *path;

    if (package == NULL) {
        return NULL;
    }
    path = PyObject_GetAttrString(package, "__path__");
    Py_DECREF(package);
    return path;
}

void wsgi_pymodule_adopt_package(wsgi_interp_t *interp)
{
    PyObject *modules = PyImport_GetModuleDict();
    PyObject *path = NULL;

    if (PyDict_DelItemString(modules, "mod_wsgi") == 0) {
        path = import_package();
    }
    if (path == NULL && !PyErr_ExceptionMatches(PyExc_ModuleNotFoundError)) {
        wsgi_pyerror_take_setup(interp);
    }
    PyErr_Clear();
    if (path != NULL) {
        wsgi_pylog_process(interp->runtime, WSGI_HERE, WSGI_LOG_INFO, APR_SUCCESS,
                           "The package mod_wsgi was found; its subpackages can be imported.");
    }
    if (PyDict_SetItemString(modules, "mod_wsgi", interp->module) < 0 ||
        (path != NULL && PyObject_SetAttrString(interp->module, "__path__", path) < 0)) {
        wsgi_pyerror_take_setup(interp);
    }
    Py_XDECREF(path);
}
