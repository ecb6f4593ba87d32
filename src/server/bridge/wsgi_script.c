#include "bridge/wsgi_script.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/wsgi_forked.h"
#include "bridge/wsgi_interp.h"
#include "bridge/wsgi_pyerror.h"
#include "bridge/wsgi_pylog.h"

/* ---- records ---- */

int wsgi_scripts_init(wsgi_scripts_t *scripts, const wsgi_runtime_t *runtime)
{
    scripts->runtime = runtime;
    return pthread_mutex_init(&scripts->adding, NULL) == 0 ? 0 : -1;
}

void wsgi_scripts_clear(wsgi_scripts_t *scripts)
{
    wsgi_script_t *script;
    int i;

    for (i = 0; i < WSGI_SCRIPT_BUCKETS; i++) {
        for (script = atomic_load(&scripts->buckets[i]); script != NULL; script = script->next) {
            PyObject *name = atomic_exchange(&script->module_name, NULL);
            Py_XDECREF(name);
        }
    }
}

void wsgi_scripts_destroy(wsgi_scripts_t *scripts)
{
    int i;

    for (i = 0; i < WSGI_SCRIPT_BUCKETS; i++) {
        wsgi_script_t *script = atomic_load(&scripts->buckets[i]);
        while (script != NULL) {
            wsgi_script_t *next = script->next;
            pthread_mutex_destroy(&script->loading);
            free(script->path);
            free(script);
            script = next;
        }
    }
    if (scripts->runtime != NULL) {
        pthread_mutex_destroy(&scripts->adding);
    }
}

/* FNV-1a; names are the administrator's, not the client's. */
static _Atomic(wsgi_script_t *) *bucket_of(wsgi_scripts_t *scripts, const char *path)
{
    unsigned hash = 2166136261u;

    for (; *path != '\0'; path++) {
        hash = (hash ^ (unsigned char)*path) * 16777619u;
    }
    return &scripts->buckets[hash % WSGI_SCRIPT_BUCKETS];
}

static wsgi_script_t *find_in(_Atomic(wsgi_script_t *) *bucket, const char *path)
{
    wsgi_script_t *script;

    for (script = atomic_load(bucket); script != NULL; script = script->next) {
        if (strcmp(script->path, path) == 0) {
            return script;
        }
    }
    return NULL;
}

static wsgi_script_t *make(const char *path)
{
    wsgi_script_t *script = calloc(1, sizeof(*script));

    if (script == NULL) {
        return NULL;
    }
    script->path = strdup(path);
    if (script->path == NULL || pthread_mutex_init(&script->loading, NULL) != 0) {
        free(script->path);
        free(script);
        return NULL;
    }
    return script;
}

wsgi_script_t *wsgi_script_find(wsgi_scripts_t *scripts, const char *path)
{
    _Atomic(wsgi_script_t *) *bucket = bucket_of(scripts, path);
    wsgi_script_t *script = find_in(bucket, path);

    if (script != NULL) {
        return script;
    }
    pthread_mutex_lock(&scripts->adding);
    script = find_in(bucket, path);
    if (script == NULL) {
        script = make(path);
        if (script != NULL) {
            script->next = atomic_load(bucket);
            atomic_store(bucket, script);
        }
    }
    pthread_mutex_unlock(&scripts->adding);
    return script;
}

int wsgi_script_first_hop_by_hop(wsgi_script_t *script)
{
    return atomic_exchange(&script->hop_by_hop, 1) == 0;
}

/* ---- changes ---- */

static apr_time_t mtime_of(const struct stat *info)
{
#if defined(__APPLE__)
    return apr_time_from_sec((apr_time_t)info->st_mtimespec.tv_sec) + info->st_mtimespec.tv_nsec / 1000;
#else
    return apr_time_from_sec((apr_time_t)info->st_mtim.tv_sec) + info->st_mtim.tv_nsec / 1000;
#endif
}

apr_time_t wsgi_script_on_disk(const wsgi_script_t *script)
{
    struct stat info;

    return stat(script->path, &info) == 0 ? mtime_of(&info) : 0;
}

int wsgi_script_is_current(const wsgi_script_t *script, apr_time_t on_disk)
{
    apr_time_t loaded = atomic_load(&script->mtime);

    return loaded != 0 && (on_disk < 0 || (loaded == on_disk && !atomic_load(&script->asks)));
}

/* __mtime__ of a module as a number, 0 when it has none or something else under that name. */
static apr_time_t module_mtime(wsgi_pystate_t *state, PyObject *module)
{
    PyObject *value = NULL;
    long long number = 0;

    if (wsgi_compat_dict_get(PyModule_GetDict(module), WSGI_NAME(state, MTIME), &value) == 1 && PyLong_Check(value)) {
        number = PyLong_AsLongLong(value);
    }
    Py_XDECREF(value);
    if (PyErr_Occurred()) {
        PyErr_Clear();
        number = 0;
    }
    return number;
}

static int asks_for_reload(wsgi_interp_t *interp, wsgi_script_t *script, PyObject *module, const char *resource)
{
    PyObject *function = NULL, *path = NULL, *answer = NULL, *exception;
    int asked = wsgi_compat_dict_get(PyModule_GetDict(module), WSGI_NAME(interp->pystate, RELOAD_REQUIRED), &function);
    int changed = 0;

    if (asked == 1) {
        path = PyUnicode_DecodeFSDefault(resource);
        answer = path != NULL ? PyObject_CallFunctionObjArgs(function, path, NULL) : NULL;
        changed = answer != NULL ? PyObject_IsTrue(answer) : -1;
    }
    if (asked < 0 || changed < 0) {
        exception = wsgi_pyerror_take(interp, NULL, script->path);
        Py_XDECREF(exception);
        changed = 0;
    }
    Py_XDECREF(answer);
    Py_XDECREF(path);
    Py_XDECREF(function);
    return changed;
}

int wsgi_script_is_stale(wsgi_interp_t *interp, wsgi_script_t *script, PyObject *module, apr_time_t on_disk,
                         const char *resource)
{
    apr_time_t loaded = module_mtime(interp->pystate, module);

    if (loaded == 0 || loaded != on_disk) {
        return 1;
    }
    return resource != NULL && asks_for_reload(interp, script, module, resource);
}

void wsgi_script_review(wsgi_pystate_t *state, wsgi_script_t *script, PyObject *module)
{
    apr_time_t known = atomic_load(&script->mtime);

    if (known != 0 && module_mtime(state, module) != known) {
        atomic_store(&script->mtime, 0);
    }
}

/* ---- module names ---- */

/* Different spellings of a path are different modules; where the administrator says so, only apart from case. */
static PyObject *path_digest(const wsgi_runtime_t *runtime, const char *path)
{
    PyObject *hashlib = PyImport_ImportModule("_md5");
    PyObject *text = PyBytes_FromString(path);
    PyObject *hash = NULL, *digest = NULL;

    if (text != NULL && !runtime->settings->case_sensitive) {
        PyObject *lower = PyObject_CallMethod(text, "lower", NULL);
        Py_SETREF(text, lower);
    }
    if (hashlib == NULL) { /* a Python without its own MD5 */
        PyErr_Clear();
        hashlib = PyImport_ImportModule("hashlib");
    }
    if (hashlib != NULL && text != NULL) {
        hash = PyObject_CallMethod(hashlib, "md5", "O", text);
    }
    digest = hash != NULL ? PyObject_CallMethod(hash, "hexdigest", NULL) : NULL;
    Py_XDECREF(hash);
    Py_XDECREF(text);
    Py_XDECREF(hashlib);
    return digest;
}

static PyObject *module_name(wsgi_interp_t *interp, wsgi_script_t *script)
{
    PyObject *digest, *name = atomic_load(&script->module_name), *none = NULL;

    if (name != NULL) {
        return name;
    }
    digest = path_digest(interp->runtime, script->path);
    name = digest != NULL ? PyUnicode_FromFormat("_mod_wsgi_%U", digest) : NULL;
    Py_XDECREF(digest);
    if (name == NULL) {
        return NULL;
    }
    PyUnicode_InternInPlace(&name);
    if (!atomic_compare_exchange_strong(&script->module_name, &none, name)) {
        Py_DECREF(name); /* another thread was faster */
    }
    return atomic_load(&script->module_name);
}

int wsgi_script_module(wsgi_interp_t *interp, wsgi_script_t *script, PyObject **module)
{
    PyObject *name;
    int found;

    *module = NULL;
    if (!atomic_load(&script->loaded)) {
        return 0;
    }
    name = module_name(interp, script);
    found = name != NULL ? wsgi_compat_dict_get(PyImport_GetModuleDict(), name, module) : -1;
    if (found == 1 && !PyModule_Check(*module)) {
        Py_CLEAR(*module); /* somebody put something else there: load again */
        return 0;
    }
    return found;
}

/* ---- loading ---- */

/* Whole content of an open file. No GIL. @return malloc'ed, NULL with errno set */
static char *read_all(int fd, const struct stat *info, size_t *length)
{
    size_t capacity = info->st_size > 0 ? (size_t)info->st_size + 1 : 4096;
    char *data = malloc(capacity);
    size_t used = 0;

    while (data != NULL) {
        ssize_t got = read(fd, data + used, capacity - used);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            if (got < 0) {
                free(data);
                return NULL;
            }
            break;
        }
        used += (size_t)got;
        if (used == capacity) {
            char *larger = realloc(data, capacity * 2);
            if (larger == NULL) {
                free(data);
                return NULL;
            }
            data = larger;
            capacity *= 2;
        }
    }
    *length = used;
    return data;
}

/* Source text and the modification time that belongs to it. No GIL. */
static char *read_source(const char *path, size_t *length, apr_time_t *mtime, int *close_error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    char *data = NULL;
    int saved;

    if (fd < 0) {
        return NULL;
    }
    if (fstat(fd, &info) == 0) {
        *mtime = mtime_of(&info);
        data = read_all(fd, &info, length);
    }
    saved = errno;
    *close_error = close(fd) != 0 ? errno : 0;
    errno = saved;
    return data;
}

static PyObject *compile_source(PyObject *source, PyObject *path)
{
    PyObject *builtins = PyImport_ImportModule("builtins");
    PyObject *function = builtins != NULL ? PyObject_GetAttrString(builtins, "compile") : NULL;
    PyObject *arguments = function != NULL ? Py_BuildValue("(OOsii)", source, path, "exec", 0, 1) : NULL;
    PyObject *code = arguments != NULL ? PyObject_CallObject(function, arguments) : NULL;

    Py_XDECREF(arguments);
    Py_XDECREF(function);
    Py_XDECREF(builtins);
    return code;
}

static void warn_about_close(const wsgi_interp_t *interp, wsgi_call_t *call, const wsgi_script_t *script, int error)
{
    if (error != 0 && call != NULL) {
        wsgi_pylog_call(call, WSGI_HERE, WSGI_LOG_WARNING, error,
                        WSGI_LOGNO(0195) "Closing the script '%s' after reading it failed in the %s %s.",
                        script->path, interp->label, interp->runtime->process);
    } else if (error != 0) {
        wsgi_pylog_process(interp->runtime, WSGI_HERE, WSGI_LOG_WARNING, error,
                           WSGI_LOGNO(0196) "Closing the script '%s' after reading it failed in the %s %s.",
                           script->path, interp->label, interp->runtime->process);
    }
}

static PyObject *compile_script(const wsgi_interp_t *interp, wsgi_call_t *call, const wsgi_script_t *script,
                                PyObject *path, apr_time_t *mtime)
{
    PyThreadState *tstate = PyEval_SaveThread();
    size_t length = 0;
    int close_error = 0;
    char *data = read_source(script->path, &length, mtime, &close_error);
    int error = errno;
    PyObject *source, *code;

    PyEval_RestoreThread(tstate);
    warn_about_close(interp, call, script, close_error);
    if (data == NULL) {
        errno = error;
        return PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path);
    }
    source = PyBytes_FromStringAndSize(data, (Py_ssize_t)length);
    free(data);
    code = source != NULL ? compile_source(source, path) : NULL;
    Py_XDECREF(source);
    return code;
}

/* A load failed: one numbered line, then the traceback. */
static void report_unreadable(wsgi_interp_t *interp, wsgi_call_t *call, const wsgi_script_t *script)
{
    PyObject *exception = wsgi_compat_take_exception();

    if (call != NULL) {
        wsgi_pylog_call(call, WSGI_HERE, WSGI_LOG_ERR, APR_SUCCESS,
                        WSGI_LOGNO(0105) "The script '%s' cannot be read or compiled in the %s %s.", script->path,
                        interp->label, interp->runtime->process);
    } else {
        wsgi_pylog_process(interp->runtime, WSGI_HERE, WSGI_LOG_ERR, APR_SUCCESS,
                           WSGI_LOGNO(0106) "The script '%s' cannot be read or compiled in the %s %s.",
                           script->path, interp->label, interp->runtime->process);
    }
    wsgi_compat_set_exception(exception);
    Py_XDECREF(wsgi_pyerror_take(interp, call, script->path));
}

static void log_raised(wsgi_interp_t *interp, wsgi_call_t *call, const wsgi_script_t *script, int is_exit)
{
    if (call != NULL && is_exit) {
        wsgi_pylog_call(call, WSGI_HERE, WSGI_LOG_ERR, APR_SUCCESS,
                        WSGI_LOGNO(0107) "The script '%s' raised SystemExit while it was executed.", script->path);
    } else if (call != NULL) {
        wsgi_pylog_call(call, WSGI_HERE, WSGI_LOG_ERR, APR_SUCCESS,
                        WSGI_LOGNO(0109) "The script '%s' raised an exception while it was executed.", script->path);
    } else if (is_exit) {
        wsgi_pylog_process(interp->runtime, WSGI_HERE, WSGI_LOG_ERR, APR_SUCCESS,
                           WSGI_LOGNO(0108) "The script '%s' raised SystemExit while it was executed.",
                           script->path);
    } else {
        wsgi_pylog_process(interp->runtime, WSGI_HERE, WSGI_LOG_ERR, APR_SUCCESS,
                           WSGI_LOGNO(0110) "The script '%s' raised an exception while it was executed.",
                           script->path);
    }
}

static void report_raised(wsgi_interp_t *interp, wsgi_call_t *call, const wsgi_script_t *script)
{
    int is_exit = PyErr_ExceptionMatches(PyExc_SystemExit);
    PyObject *exception = wsgi_compat_take_exception();

    if (!is_exit || !interp->runtime->settings->is_service) {
        log_raised(interp, call, script, is_exit);
    }
    if (is_exit) {
        Py_DECREF(exception);
        return;
    }
    wsgi_compat_set_exception(exception);
    Py_XDECREF(wsgi_pyerror_take(interp, call, script->path));
}

static int set_mtime(PyObject *module, apr_time_t mtime)
{
    PyObject *value = PyLong_FromLongLong(mtime);
    int rc = value != NULL ? PyObject_SetAttrString(module, "__mtime__", value) : -1;

    Py_XDECREF(value);
    return rc;
}

static PyObject *execute(wsgi_interp_t *interp, wsgi_call_t *call, wsgi_script_t *script, PyObject *name,
                         PyObject *path)
{
    apr_time_t mtime = 0;
    PyObject *code = compile_script(interp, call, script, path, &mtime);
    PyObject *module, *asks = NULL;

    if (code == NULL) {
        report_unreadable(interp, call, script);
        return NULL;
    }
    module = PyImport_ExecCodeModuleObject(name, code, path, NULL);
    wsgi_forked_end();
    Py_DECREF(code);
    if (module == NULL || set_mtime(module, mtime) < 0) {
        report_raised(interp, call, script);
        Py_XDECREF(module);
        return NULL;
    }
    if (wsgi_compat_dict_get(PyModule_GetDict(module), WSGI_NAME(interp->pystate, RELOAD_REQUIRED), &asks) < 0) {
        PyErr_Clear();
    }
    atomic_store(&script->asks, asks != NULL);
    atomic_store(&script->mtime, mtime);
    atomic_store(&script->loaded, 1);
    Py_XDECREF(asks);
    return module;
}

/* The loading lock and the GIL are held. */
static PyObject *load_locked(wsgi_interp_t *interp, wsgi_call_t *call, wsgi_script_t *script, PyObject *stale)
{
    PyObject *name = module_name(interp, script);
    PyObject *path = NULL, *module = NULL;
    int found = name != NULL ? wsgi_script_module(interp, script, &module) : -1;

    if (found == 1 && module != stale) {
        return module; /* loaded by the thread we waited for */
    }
    Py_XDECREF(module);
    path = found >= 0 ? PyUnicode_DecodeFSDefault(script->path) : NULL;
    if (path == NULL) {
        report_raised(interp, call, script);
        return NULL;
    }
    atomic_store(&script->loaded, 0);
    atomic_store(&script->mtime, 0);
    if (PyDict_DelItem(PyImport_GetModuleDict(), name) < 0) {
        PyErr_Clear(); /* it is not there */
    }
    wsgi_pylog_process(interp->runtime, WSGI_HERE, WSGI_LOG_INFO, APR_SUCCESS, "%s script '%s' in the %s %s.",
                       found == 1 ? "Reloading" : "Loading", script->path, interp->label, interp->runtime->process);
    module = execute(interp, call, script, name, path);
    Py_DECREF(path);
    return module;
}

PyObject *wsgi_script_load(wsgi_interp_t *interp, wsgi_call_t *call, wsgi_script_t *script, PyObject *stale)
{
    PyThreadState *tstate;
    PyObject *module;

    /* Without the GIL: whoever loads this script needs it to get on. */
    tstate = PyEval_SaveThread();
    pthread_mutex_lock(&script->loading);
    PyEval_RestoreThread(tstate);
    module = load_locked(interp, call, script, stale);
    pthread_mutex_unlock(&script->loading);
    return module;
}
