#ifndef WSGI_COMPAT_H
#define WSGI_COMPAT_H

/**
 * CPython 3.9 to 3.15, with and without the GIL, behind one set of names. The only file that tests
 * PY_VERSION_HEX; includes Python.h, which must come before any system header.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#if PY_VERSION_HEX < 0x03090000
#error "Python 3.9 or newer is needed"
#endif

/* What this bridge was compiled for. A build that knows the whole SOABI, platform included, defines WSGI_SOABI. */
#if !defined(WSGI_SOABI)
#define WSGI_COMPAT_TEXT_(x) #x
#define WSGI_COMPAT_TEXT(x) WSGI_COMPAT_TEXT_(x)
#if defined(Py_GIL_DISABLED)
#define WSGI_SOABI "cpython-" WSGI_COMPAT_TEXT(PY_MAJOR_VERSION) WSGI_COMPAT_TEXT(PY_MINOR_VERSION) "t"
#else
#define WSGI_SOABI "cpython-" WSGI_COMPAT_TEXT(PY_MAJOR_VERSION) WSGI_COMPAT_TEXT(PY_MINOR_VERSION)
#endif
#endif

#if PY_VERSION_HEX < 0x030C0000
#include <structmember.h>
#define Py_T_PYSSIZET T_PYSSIZET
#define Py_READONLY READONLY
#endif

/* Types that applications meet but cannot create; before 3.10 wsgi_compat_seal() does the same job. */
#if PY_VERSION_HEX >= 0x030A0000
#define WSGI_TPFLAGS_INTERNAL (Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE)
#define WSGI_TPFLAGS_FIXED Py_TPFLAGS_IMMUTABLETYPE
#else
#define WSGI_TPFLAGS_INTERNAL 0
#define WSGI_TPFLAGS_FIXED 0
#endif

/** Forbid instances made by calling the type. Does nothing for NULL. */
static inline PyTypeObject *wsgi_compat_seal(PyObject *type)
{
#if PY_VERSION_HEX < 0x030A0000
    if (type != NULL) {
        ((PyTypeObject *)type)->tp_new = NULL;
    }
#endif
    return (PyTypeObject *)type;
}

/* What the built-in module declares: usable in interpreters with a GIL of their own and without any GIL. */
#if PY_VERSION_HEX >= 0x030D0000
#define WSGI_MODULE_SLOTS                                                                   \
    { Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED },                 \
    {                                                                                       \
        Py_mod_gil, Py_MOD_GIL_NOT_USED                                                     \
    }
#elif PY_VERSION_HEX >= 0x030C0000
#define WSGI_MODULE_SLOTS                                                                   \
    {                                                                                       \
        Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED                  \
    }
#else
#define WSGI_MODULE_SLOTS                                                                   \
    {                                                                                       \
        0, NULL                                                                             \
    }
#endif

/* Whether a sub-interpreter can have a GIL of its own; whether this Python was built to do without any. */
#if PY_VERSION_HEX >= 0x030C0000
#define WSGI_HAS_OWN_GIL 1
#else
#define WSGI_HAS_OWN_GIL 0
#endif
#if defined(Py_GIL_DISABLED)
#define WSGI_HAS_FREE_THREADING 1
#else
#define WSGI_HAS_FREE_THREADING 0
#endif

/** A number that the GIL guards, and that is atomic where there is none. */
#if WSGI_HAS_FREE_THREADING
#define WSGI_GUARDED(type) _Atomic(type)
#else
#define WSGI_GUARDED(type) type
#endif

/**
 * Make a sub-interpreter. GIL: held, of the main interpreter; on success that of the new one is, on failure the
 * caller's again. With a GIL of its own it follows the rules that Python sets for such: no fork, no exec, no daemon
 * threads, only extension modules that declare support.
 * @return its first thread state; NULL with `why` set to a constant text, or NULL if Python does not say
 */
static inline PyThreadState *wsgi_compat_new_interpreter(int own_gil, const char **why)
{
    PyThreadState *caller = PyThreadState_Get();
    PyThreadState *made = NULL;
#if PY_VERSION_HEX >= 0x030C0000
    PyInterpreterConfig config = {
        .use_main_obmalloc = !own_gil,
        .allow_fork = !own_gil,
        .allow_exec = !own_gil,
        .allow_threads = 1,
        .allow_daemon_threads = !own_gil,
        .check_multi_interp_extensions = own_gil || WSGI_HAS_FREE_THREADING, /* such builds refuse anything else */
        .gil = own_gil ? PyInterpreterConfig_OWN_GIL : PyInterpreterConfig_SHARED_GIL,
    };
    PyStatus status = Py_NewInterpreterFromConfig(&made, &config);

    *why = PyStatus_Exception(status) ? status.err_msg : NULL;
#else
    (void)own_gil;
    made = Py_NewInterpreter();
    *why = NULL;
#endif
    if (made == NULL) {
        PyThreadState_Swap(caller);
    }
    return made;
}

/*
 * The state that runs: until 3.11 the one that holds the GIL, whichever thread it belongs to; later that of the calling
 * thread, NULL when it is not attached. Neither looks at what the pointer points to.
 */
static inline PyThreadState *wsgi_compat_running_state(void)
{
#if PY_VERSION_HEX >= 0x030D0000
    return PyThreadState_GetUnchecked();
#else
    return _PyThreadState_UncheckedGet();
#endif
}

/** Number of the thread that a state belongs to, as threading.get_ident() has it. */
static inline unsigned long wsgi_compat_thread_ident(const PyThreadState *tstate)
{
    return tstate->thread_id;
}

/** An imported module, new reference; NULL without an exception when there is none of that name. */
static inline PyObject *wsgi_compat_loaded_module(const char *name)
{
    PyObject *text = PyUnicode_FromString(name);
    PyObject *module = text != NULL ? PyImport_GetModule(text) : NULL;

    Py_XDECREF(text);
    if (module == NULL) {
        PyErr_Clear();
    }
    return module;
}

/*
 * Keep the collector from running, and finalizers with it, while objects are made. Python 3.9 makes none where this is
 * used, and cannot be asked.
 */
static inline int wsgi_compat_stop_gc(void)
{
#if PY_VERSION_HEX >= 0x030A0000
    return PyGC_Disable();
#else
    return 0;
#endif
}

static inline void wsgi_compat_resume_gc(int was_enabled)
{
#if PY_VERSION_HEX >= 0x030A0000
    if (was_enabled) {
        PyGC_Enable();
    }
#else
    (void)was_enabled;
#endif
}

/**
 * Py_InitializeFromConfig() with the GIL as it is to be: builds that can do without would otherwise decide by
 * themselves, or by an environment variable.
 */
static inline PyStatus wsgi_compat_initialise(PyConfig *config, int free_threading)
{
#if defined(Py_GIL_DISABLED)
    static const char variable[] = "PYTHON_GIL"; /* beats the field */
    const char *value = getenv(variable);
    char *kept = value != NULL ? strdup(value) : NULL;
    PyStatus status;

    if ((value != NULL && kept == NULL) || unsetenv(variable) != 0) {
        free(kept);
        return PyStatus_NoMemory();
    }
    config->enable_gil = !free_threading;
    status = Py_InitializeFromConfig(config);
    if (kept != NULL && setenv(variable, kept, 1) != 0 && !PyStatus_Exception(status)) {
        status = PyStatus_NoMemory();
    }
    free(kept);
    return status;
#else
    (void)free_threading;
    return Py_InitializeFromConfig(config);
#endif
}

/*
 * Where the GIL guards a struct, a build without GIL locks the object that owns it. Both are given up while a
 * thread is detached (PyEval_SaveThread), so code between the two macros is right for both or for none.
 */
#if PY_VERSION_HEX >= 0x030D0000
#define WSGI_BEGIN_CRITICAL(object)                                                         \
    (void)(object);                                                                         \
    Py_BEGIN_CRITICAL_SECTION(object);
#define WSGI_END_CRITICAL() Py_END_CRITICAL_SECTION()
#else
#define WSGI_BEGIN_CRITICAL(object)                                                         \
    {                                                                                       \
        (void)(object);
#define WSGI_END_CRITICAL() }
#endif

#if PY_VERSION_HEX < 0x030A0000
static inline PyObject *Py_NewRef(PyObject *object)
{
    Py_INCREF(object);
    return object;
}

static inline PyObject *Py_XNewRef(PyObject *object)
{
    Py_XINCREF(object);
    return object;
}
#endif

/** Strings made by the old API may not be in canonical form before 3.12. @return 0, or -1 with an exception */
static inline int wsgi_compat_ready(PyObject *text)
{
#if PY_VERSION_HEX < 0x030C0000
    return PyUnicode_READY(text);
#else
    (void)text;
    return 0;
#endif
}

/** Look a key up. @return 1 and a new reference in `out`; 0 and NULL; -1 with an exception */
static inline int wsgi_compat_dict_get(PyObject *dict, PyObject *key, PyObject **out)
{
#if PY_VERSION_HEX >= 0x030D0000
    return PyDict_GetItemRef(dict, key, out);
#else
    *out = Py_XNewRef(PyDict_GetItemWithError(dict, key));
    return *out != NULL ? 1 : PyErr_Occurred() ? -1 : 0;
#endif
}

/** Look an attribute up; AttributeError counts as absent. @return as wsgi_compat_dict_get */
static inline int wsgi_compat_attribute(PyObject *object, PyObject *name, PyObject **out)
{
#if PY_VERSION_HEX >= 0x030D0000
    return PyObject_GetOptionalAttr(object, name, out);
#else
    *out = PyObject_GetAttr(object, name);
    if (*out != NULL) {
        return 1;
    }
    if (PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        return 0;
    }
    return -1;
#endif
}

/** Take the pending exception as a new reference to its instance, traceback attached; NULL when there is none. */
static inline PyObject *wsgi_compat_take_exception(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type = NULL, *value = NULL, *traceback = NULL;

    PyErr_Fetch(&type, &value, &traceback);
    if (type == NULL) {
        return NULL;
    }
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL && value != NULL) {
        PyException_SetTraceback(value, traceback);
    }
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return value;
#endif
}

/** Make `exception` pending again; takes over the reference. */
static inline void wsgi_compat_set_exception(PyObject *exception)
{
#if PY_VERSION_HEX >= 0x030C0000
    PyErr_SetRaisedException(exception);
#else
    PyErr_Restore(Py_NewRef((PyObject *)Py_TYPE(exception)), exception, PyException_GetTraceback(exception));
#endif
}

#endif
