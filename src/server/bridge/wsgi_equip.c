#include "bridge/wsgi_equip.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge/wsgi_environ.h"
#include "bridge/wsgi_guards.h"
#include "bridge/wsgi_interp.h"
#include "bridge/wsgi_pyerror.h"
#include "bridge/wsgi_pylog.h"
#include "bridge/wsgi_pymodule.h"

typedef int step_t(wsgi_interp_t *interp);

static int import_quietly(const char *name)
{
    PyObject *module = PyImport_ImportModule(name);

    Py_XDECREF(module);
    return module != NULL ? 0 : -1;
}

/*
 * Now, so that threading of the main interpreter takes the process's main thread for its main thread, and that of
 * another interpreter one whose thread state lasts.
 */
static int import_threading(wsgi_interp_t *interp)
{
    (void)interp;
    return import_quietly("threading");
}

/* ---- switch interval ---- */

enum { NUMBER_SIZE = 32 };

/* As libc writes it: APR leaves out the 0 before the point. */
static const char *number_text(char text[NUMBER_SIZE], double number)
{
    snprintf(text, NUMBER_SIZE, "%g", number);
    return text;
}

static void apply_switch_interval(wsgi_interp_t *interp)
{
    double seconds = interp->options.switch_interval;
    char text[NUMBER_SIZE];
    const char *interval = number_text(text, seconds);
    PyObject *function = PySys_GetObject("setswitchinterval"); /* borrowed */
    PyObject *result = function != NULL ? PyObject_CallFunction(function, "d", seconds) : NULL;

    if (result == NULL) {
        wsgi_pylog_process(interp->runtime, WSGI_HERE, WSGI_LOG_WARNING, APR_SUCCESS,
                           WSGI_LOGNO(0211) "The switch interval %s cannot be applied %s.", interval,
                           interp->runtime->process);
        wsgi_pyerror_take_setup(interp);
        return;
    }
    Py_DECREF(result);
    wsgi_pylog_process(interp->runtime, WSGI_HERE, WSGI_LOG_INFO, APR_SUCCESS,
                       "Switch interval is %s s in the %s %s.", interval, interp->label, interp->runtime->process);
}

/* Threads that need not wait for each other are not switched. */
static void refuse_switch_interval(const wsgi_interp_t *interp)
{
    const wsgi_runtime_t *runtime = interp->runtime;
    char text[NUMBER_SIZE];
    const char *interval = number_text(text, interp->options.switch_interval);

    if (interp->options.switch_interval_by != WSGI_SET_BY_BASE) {
        wsgi_pylog_process(runtime, WSGI_HERE, WSGI_LOG_WARNING, APR_SUCCESS,
                           WSGI_LOGNO(0205) "The switch interval %s of the %s %s is not applied: free threading is "
                           "active.", interval, interp->label, runtime->process);
    } else if (wsgi_runtime_is_embedded(runtime)) {
        wsgi_pylog_process(runtime, WSGI_HERE, WSGI_LOG_WARNING, APR_SUCCESS,
                           WSGI_LOGNO(0203) "The switch interval %s is not applied %s: free threading is active.",
                           interval, runtime->process);
    } else {
        wsgi_pylog_process(runtime, WSGI_HERE, WSGI_LOG_WARNING, APR_SUCCESS,
                           WSGI_LOGNO(0204) "The option switch-interval=%s is not applied %s: free threading is "
                           "active.", interval, runtime->process);
    }
}

/* A GIL has one interval, which its first interpreter sets for all that share it. */
static int set_switch_interval(wsgi_interp_t *interp)
{
    const wsgi_runtime_t *runtime = interp->runtime;
    const wsgi_interp_options_t *options = &interp->options;
    int is_first = interp == runtime->main || interp->own_gil;
    char text[NUMBER_SIZE];

    if (options->switch_interval <= 0) {
        return 0;
    }
    if (runtime->free_threaded) {
        if (is_first || options->switch_interval_by == WSGI_SET_FOR_INTERPRETER) {
            refuse_switch_interval(interp);
        }
    } else if (is_first) {
        apply_switch_interval(interp);
    } else if (options->switch_interval_by == WSGI_SET_FOR_INTERPRETER) {
        wsgi_pylog_process(runtime, WSGI_HERE, WSGI_LOG_WARNING, APR_SUCCESS,
                           WSGI_LOGNO(0199) "The switch interval %s of the %s %s is not applied: it would change all "
                           "interpreters that share the GIL. Give it one of its own with WSGIPerInterpreterGIL.",
                           number_text(text, options->switch_interval), interp->label, runtime->process);
    }
    return 0;
}

/* ---- streams ---- */

/* Takes over the reference; NULL means an exception. */
static int set_stream(const char *name, PyObject *stream)
{
    int rc = stream != NULL ? PySys_SetObject(name, stream) : -1;

    Py_XDECREF(stream);
    return rc;
}

static int set_stderr(wsgi_interp_t *interp)
{
    if (set_stream("stderr", wsgi_pylog_stream(interp->pystate, "<stderr>")) < 0) {
        wsgi_pylog_process(interp->runtime, WSGI_HERE, WSGI_LOG_ERR, APR_SUCCESS,
                           WSGI_LOGNO(0185) "sys.stderr cannot be replaced in the %s %s.", interp->label,
                           interp->runtime->process);
        wsgi_pyerror_take_setup(interp);
    }
    return 0;
}

static int set_stdout(wsgi_interp_t *interp)
{
    const wsgi_runtime_settings_t *settings = interp->runtime->settings;

    if (settings->is_single_process) {
        return 0; /* a debugger may be talking to the terminal */
    }
    if (set_stream("stdout", interp->options.restrict_stdout ? wsgi_guards_restricted(interp->pystate, "sys.stdout")
                                                       : wsgi_pylog_stream(interp->pystate, "<stdout>")) < 0) {
        wsgi_pylog_process(interp->runtime, WSGI_HERE, WSGI_LOG_ERR, APR_SUCCESS,
                           WSGI_LOGNO(0186) "sys.stdout cannot be replaced in the %s %s.", interp->label,
                           interp->runtime->process);
        wsgi_pyerror_take_setup(interp);
    }
    return 0;
}

static int set_stdin(wsgi_interp_t *interp)
{
    const wsgi_runtime_settings_t *settings = interp->runtime->settings;

    if (settings->is_single_process || !interp->options.restrict_stdin) {
        return 0;
    }
    if (set_stream("stdin", wsgi_guards_restricted(interp->pystate, "sys.stdin")) < 0) {
        wsgi_pylog_process(interp->runtime, WSGI_HERE, WSGI_LOG_ERR, APR_SUCCESS,
                           WSGI_LOGNO(0187) "sys.stdin cannot be replaced in the %s %s.", interp->label,
                           interp->runtime->process);
        wsgi_pyerror_take_setup(interp);
    }
    return 0;
}

static int set_argv(wsgi_interp_t *interp)
{
    PyObject *argv = Py_BuildValue("[s]", "mod_wsgi");

    (void)interp;
    return set_stream("argv", argv);
}

/* ---- signals ---- */

static int set_signals(wsgi_interp_t *interp)
{
    const wsgi_runtime_settings_t *settings = interp->runtime->settings;

    if (settings->is_service) {
        if (interp == interp->runtime->main && wsgi_guards_install_term(interp->module) < 0) {
            wsgi_pylog_process(interp->runtime, WSGI_HERE, WSGI_LOG_ERR, APR_SUCCESS,
                               WSGI_LOGNO(0090) "The handler for SIGTERM cannot be registered in the %s %s.",
                               interp->label, interp->runtime->process);
            wsgi_pyerror_take_setup(interp);
        }
    } else if (interp->options.restrict_signal && wsgi_guards_install_signal(interp->pystate) < 0) {
        wsgi_pylog_process(interp->runtime, WSGI_HERE, WSGI_LOG_ERR, APR_SUCCESS,
                           WSGI_LOGNO(0183) "signal.signal cannot be replaced in the %s %s.", interp->label,
                           interp->runtime->process);
        wsgi_pyerror_take_setup(interp);
    }
    return 0;
}

/* Encodings of a new interpreter are found through modules, which needs one that is found without any. */
static int load_codec(wsgi_interp_t *interp)
{
    PyObject *codec = PyCodec_Encoder("ascii");

    (void)interp;
    Py_XDECREF(codec);
    return codec != NULL ? 0 : -1;
}

/* ---- os.environ ---- */

static PyObject *os_environ(void)
{
    PyObject *os = PyImport_ImportModule("os");
    PyObject *environment = os != NULL ? PyObject_GetAttrString(os, "environ") : NULL;

    Py_XDECREF(os);
    return environment;
}

static int set_variable(PyObject *environment, const char *name, const char *value)
{
    PyObject *key = PyUnicode_FromString(name);
    PyObject *text = PyUnicode_DecodeFSDefault(value);
    int rc = key != NULL && text != NULL ? PyObject_SetItem(environment, key, text) : -1;

    Py_XDECREF(key);
    Py_XDECREF(text);
    return rc;
}

static int set_user_variables(PyObject *environment)
{
    static const char *const names[] = { "USER", "USERNAME", "LOGNAME" };
    const struct passwd *user = getpwuid(geteuid()); /* one thread: interpreters are made one at a time */
    size_t i;

    if (user == NULL) {
        return 0;
    }
    if (set_variable(environment, "HOME", user->pw_dir) < 0) {
        return -1;
    }
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (getenv(names[i]) != NULL && set_variable(environment, names[i], user->pw_name) < 0) {
            return -1;
        }
    }
    return 0;
}

static int set_environment(wsgi_interp_t *interp)
{
    const wsgi_runtime_settings_t *settings = interp->runtime->settings;
    PyObject *environment;
    int rc = 0;

    if (!settings->set_user_environment && settings->python_eggs == NULL) {
        return 0;
    }
    environment = os_environ();
    if (environment == NULL) {
        return -1;
    }
    if (settings->set_user_environment) {
        rc = set_user_variables(environment);
    }
    if (rc == 0 && settings->python_eggs != NULL) {
        rc = set_variable(environment, "PYTHON_EGG_CACHE", settings->python_eggs);
    }
    Py_DECREF(environment);
    return rc;
}

/* ---- sys.path ---- */

static PyObject *find_addsitedir(wsgi_interp_t *interp)
{
    PyObject *site = PyImport_ImportModule("site");
    PyObject *function = site != NULL ? PyObject_GetAttrString(site, "addsitedir") : NULL;

    if (site == NULL) {
        wsgi_pylog_process(interp->runtime, WSGI_HERE, WSGI_LOG_ERR, APR_SUCCESS,
                           WSGI_LOGNO(0095) "Module site cannot be imported; the Python path is not extended %s.",
                           interp->runtime->process);
    } else if (function == NULL) {
        wsgi_pylog_process(interp->runtime, WSGI_HERE, WSGI_LOG_ERR, APR_SUCCESS,
                           WSGI_LOGNO(0094) "Module site has no addsitedir(); the Python path is not extended %s.",
                           interp->runtime->process);
    }
    PyErr_Clear();
    Py_XDECREF(site);
    return function;
}

static int add_directory(wsgi_interp_t *interp, PyObject *addsitedir, const char *directory, size_t length)
{
    PyObject *path = PyUnicode_DecodeFSDefaultAndSize(directory, (Py_ssize_t)length);
    PyObject *result = path != NULL ? PyObject_CallFunctionObjArgs(addsitedir, path, NULL) : NULL;

    Py_XDECREF(path);
    if (result == NULL) {
        wsgi_pylog_process(interp->runtime, WSGI_HERE, WSGI_LOG_ERR, APR_SUCCESS,
                           WSGI_LOGNO(0091) "Adding '%.*s' to the Python path failed %s; it and what follows it is "
                           "left out.", (int)length, directory, interp->runtime->process);
        wsgi_pyerror_take_setup(interp);
        return -1;
    }
    Py_DECREF(result);
    wsgi_pylog_process(interp->runtime, WSGI_HERE, WSGI_LOG_INFO, APR_SUCCESS, "Added '%.*s' to the Python path %s.",
                       (int)length, directory, interp->runtime->process);
    return 0;
}

/* Entries that were not there before come first, in their order. @return 0, or -1 with an exception */
static int move_new_to_front(PyObject *path, PyObject *before)
{
    PyObject *fresh = PyList_New(0), *old = PyList_New(0);
    Py_ssize_t i;
    int rc = fresh != NULL && old != NULL ? 0 : -1;

    for (i = 0; rc == 0 && i < PyList_GET_SIZE(path); i++) {
        PyObject *entry = PyList_GET_ITEM(path, i);
        int known = PySequence_Contains(before, entry);
        rc = known < 0 ? -1 : PyList_Append(known ? old : fresh, entry);
    }
    if (rc == 0) {
        rc = PyList_SetSlice(fresh, PyList_GET_SIZE(fresh), PyList_GET_SIZE(fresh), old);
    }
    if (rc == 0) {
        rc = PyList_SetSlice(path, 0, PyList_GET_SIZE(path), fresh);
    }
    Py_XDECREF(fresh);
    Py_XDECREF(old);
    return rc;
}

static int add_directories(wsgi_interp_t *interp, PyObject *path, const char *list)
{
    PyObject *before = PyList_GetSlice(path, 0, PyList_GET_SIZE(path));
    PyObject *addsitedir = before != NULL ? find_addsitedir(interp) : NULL;
    int rc = before != NULL ? 0 : -1;

    while (addsitedir != NULL && *list != '\0') {
        size_t length = strcspn(list, ":");
        if (length > 0 && add_directory(interp, addsitedir, list, length) < 0) {
            break;
        }
        list += length + (list[length] == ':');
    }
    if (addsitedir != NULL) {
        rc = move_new_to_front(path, before);
    }
    Py_XDECREF(addsitedir);
    Py_XDECREF(before);
    return rc;
}

static int insert_home(PyObject *path, const char *home)
{
    PyObject *entry = PyUnicode_DecodeFSDefault(home);
    int rc = entry != NULL ? PyList_Insert(path, 0, entry) : -1;

    Py_XDECREF(entry);
    return rc;
}

static int set_path(wsgi_interp_t *interp)
{
    const wsgi_runtime_settings_t *settings = interp->runtime->settings;
    PyObject *path = PySys_GetObject("path"); /* borrowed */
    const char *list;
    int layer;

    if (wsgi_scopes_python_path(settings, interp->name, 0) == NULL && settings->home == NULL) {
        return 0;
    }
    if (path == NULL || !PyList_Check(path)) {
        wsgi_pylog_process(interp->runtime, WSGI_HERE, WSGI_LOG_ERR, APR_SUCCESS,
                           WSGI_LOGNO(0096) "sys.path is missing; the Python path is not extended %s.",
                           interp->runtime->process);
        return 0;
    }
    for (layer = 0; (list = wsgi_scopes_python_path(settings, interp->name, layer)) != NULL; layer++) {
        if (add_directories(interp, path, list) < 0) {
            wsgi_pyerror_take_setup(interp);
        }
    }
    return settings->home != NULL ? insert_home(path, settings->home) : 0;
}

/* ---- module apache ---- */

static PyObject *find_apache_module(const wsgi_runtime_t *runtime)
{
    PyObject *module = NULL;

    if (wsgi_runtime_is_embedded(runtime)) {
        module = PyImport_ImportModule("apache");
        PyErr_Clear();
    }
    return module != NULL ? module : Py_XNewRef(PyImport_AddModule("apache"));
}

static int set_apache(wsgi_interp_t *interp)
{
    const wsgi_runtime_settings_t *settings = interp->runtime->settings;
    PyObject *module = find_apache_module(interp->runtime);
    int rc;

    if (module == NULL) {
        return -1;
    }
    rc = wsgi_pymodule_set(module, "version",
                           Py_BuildValue("(iii)", settings->apache_version[0], settings->apache_version[1],
                                         settings->apache_version[2])) < 0 ||
                 wsgi_pymodule_set(module, "description", Py_BuildValue("z", settings->apache_description)) < 0 ||
                 wsgi_pymodule_set(module, "build_date", Py_BuildValue("z", settings->apache_build_date)) < 0 ||
                 wsgi_pymodule_set(module, "mpm_name", Py_BuildValue("z", settings->mpm_name)) < 0 ||
                 wsgi_pymodule_set(module, "maximum_processes", PyLong_FromLong(settings->mpm_processes)) < 0 ||
                 wsgi_pymodule_set(module, "threads_per_process", PyLong_FromLong(settings->mpm_threads)) < 0
             ? -1
             : 0;
    Py_DECREF(module);
    return rc;
}

static int adopt_package(wsgi_interp_t *interp)
{
    wsgi_pymodule_adopt_package(interp);
    return 0;
}

int wsgi_equip(wsgi_interp_t *interp)
{
    /* The package is looked for once all places to find it are on sys.path. */
    static step_t *const steps[] = {
        import_threading, set_switch_interval, wsgi_pymodule_install, set_stderr,            set_stdout,
        set_stdin,        set_argv,            set_signals,           load_codec,            set_environment,
        set_path,         adopt_package,       wsgi_pymodule_publish, set_apache,            wsgi_environ_prepare,
    };
    size_t i;

    for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (steps[i](interp) < 0) {
            return -1;
        }
    }
    return 0;
}
