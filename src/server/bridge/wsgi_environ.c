#include "bridge/wsgi_environ.h"

#include <string.h>

#include "base/wsgi_version.h"
#include "bridge/wsgi_input.h"
#include "bridge/wsgi_interp.h"
#include "bridge/wsgi_keys.h"
#include "bridge/wsgi_pylog.h"

/* ---- the base ---- */

static int put(wsgi_pystate_t *state, PyObject *environ, int name, PyObject *value)
{
    int rc = value != NULL ? PyDict_SetItem(environ, state->names[name], value) : -1;

    Py_XDECREF(value);
    return rc;
}

#define PUT(state, environ, id, value) put(state, environ, WSGI_NAME_##id, value)

/* Keys that fill() sets in every request. */
static const int always_set[] = {
    WSGI_NAME_SCRIPT_RELOADING, WSGI_NAME_ENABLE_SENDFILE,    WSGI_NAME_IGNORE_ACTIVITY, WSGI_NAME_REQUEST_START,
    WSGI_NAME_SCRIPT_START,     WSGI_NAME_APPLICATION_START,  WSGI_NAME_THREAD_ID,       WSGI_NAME_THREAD_REQUESTS,
    WSGI_NAME_TOTAL_REQUESTS,   WSGI_NAME_WSGI_URL_SCHEME,    WSGI_NAME_WSGI_INPUT,      WSGI_NAME_WSGI_ERRORS,
};

enum { CROWD = 42 }; /* entries of a dict that is full, and as large as one step below what a request needs */

/* Put `count` keys in, or take them out. They are texts: a dict with any other key is a slower one for ever. */
static int change_keys(PyObject *dict, Py_ssize_t count, int is_in)
{
    Py_ssize_t i;
    int rc = 0;

    for (i = 0; rc == 0 && i < count; i++) {
        PyObject *key = PyUnicode_FromFormat("%zd", i);
        rc = key == NULL ? -1 : is_in ? PyDict_SetItem(dict, key, Py_None) : PyDict_DelItem(dict, key);
        Py_XDECREF(key);
    }
    return rc;
}

/*
 * Make the table of a dict large enough for all variables of a request: a copy of it has the same size, and need not
 * grow three times while it is filled. Python has no public way to ask for that. A dict grows when it is full of
 * entries, those that were deleted included, to thrice the number that are left.
 */
static int make_room(PyObject *dict)
{
    Py_ssize_t missing = CROWD - PyDict_Size(dict);

    return change_keys(dict, missing, 1) < 0 || change_keys(dict, missing, 0) < 0 || change_keys(dict, 1, 1) < 0 ||
                   change_keys(dict, 1, 0) < 0
               ? -1
               : 0;
}

static PyObject *make_template(wsgi_pystate_t *state, PyObject *base)
{
    PyObject *template = PyDict_Copy(base);
    size_t i;
    int rc = template != NULL ? 0 : -1;

    for (i = 0; rc == 0 && i < sizeof(always_set) / sizeof(always_set[0]); i++) {
        rc = PyDict_SetItem(template, state->names[always_set[i]], Py_None);
    }
    if (rc < 0 || make_room(template) < 0) {
        Py_CLEAR(template);
    }
    return template;
}

int wsgi_environ_prepare(wsgi_interp_t *interp)
{
    const wsgi_runtime_settings_t *settings = interp->runtime->settings;
    wsgi_pystate_t *state = interp->pystate;
    PyObject *environ = PyDict_New();

    if (environ == NULL ||
        PUT(state, environ, WSGI_VERSION, Py_BuildValue("(ii)", 1, 0)) < 0 ||
        PUT(state, environ, WSGI_MULTITHREAD, PyBool_FromLong(settings->multithread)) < 0 ||
        PUT(state, environ, WSGI_MULTIPROCESS, PyBool_FromLong(settings->multiprocess)) < 0 ||
        PUT(state, environ, WSGI_RUN_ONCE, PyBool_FromLong(settings->run_once)) < 0 ||
        PUT(state, environ, WSGI_INPUT_TERMINATED, PyBool_FromLong(1)) < 0 ||
        PUT(state, environ, WSGI_FILE_WRAPPER, Py_NewRef((PyObject *)state->filewrapper_type)) < 0 ||
        PUT(state, environ, APACHE_VERSION,
            Py_BuildValue("(iii)", settings->apache_version[0], settings->apache_version[1],
                          settings->apache_version[2])) < 0 ||
        PUT(state, environ, VERSION,
            Py_BuildValue("(iii)", WSGI_VERSION_MAJOR, WSGI_VERSION_MINOR, WSGI_VERSION_PATCH)) < 0 ||
        PUT(state, environ, PROCESS_GROUP, PyUnicode_FromString(settings->process_group)) < 0 ||
        PUT(state, environ, APPLICATION_GROUP, PyUnicode_FromString(interp->name)) < 0) {
        Py_XDECREF(environ);
        return -1;
    }
    state->base_environ = environ;
    state->environ_template = make_template(state, environ);
    return state->environ_template != NULL ? 0 : -1;
}

/* ---- one request ---- */

/* Decimal digits of a number that is not negative. */
static PyObject *decimal(apr_int64_t number)
{
    char digits[24];
    char *first = digits + sizeof(digits);
    PyObject *text;
    Py_ssize_t length;

    do {
        *--first = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    length = digits + sizeof(digits) - first;
    text = PyUnicode_New(length, 127);
    if (text != NULL) {
        memcpy(PyUnicode_1BYTE_DATA(text), first, (size_t)length);
    }
    return text;
}

static int add_variables(wsgi_pystate_t *state, PyObject *environ, const wsgi_fields_t *variables)
{
    apr_uint32_t i;
    int rc = 0;

    for (i = 0; rc == 0 && i < variables->count; i++) {
        const wsgi_field_t *field = &variables->items[i];
        rc = wsgi_keys_add(state, environ, field->name, field->name_len, field->value, field->value_len);
    }
    return rc;
}

static int add_flag(wsgi_pystate_t *state, PyObject *environ, int name, int flag)
{
    return put(state, environ, name, Py_NewRef(flag ? WSGI_NAME(state, ONE) : WSGI_NAME(state, ZERO)));
}

static int add_word(wsgi_pystate_t *state, PyObject *environ, const char *name, const char *value)
{
    return wsgi_keys_add(state, environ, name, (apr_uint32_t)strlen(name), value, (apr_uint32_t)strlen(value));
}

static int add_route(wsgi_pystate_t *state, PyObject *environ, const wsgi_route_t *route)
{
    return add_word(state, environ, "mod_wsgi.callable_object", route->callable_object) < 0 ||
                   add_word(state, environ, "mod_wsgi.request_handler", route->handler) < 0 ||
                   add_word(state, environ, "mod_wsgi.handler_script",
                            route->is_handler_script ? route->script : "") < 0 ||
                   add_flag(state, environ, WSGI_NAME_SCRIPT_RELOADING, route->script_reloading) < 0 ||
                   add_flag(state, environ, WSGI_NAME_ENABLE_SENDFILE, route->enable_sendfile) < 0 ||
                   add_flag(state, environ, WSGI_NAME_IGNORE_ACTIVITY, route->ignore_activity) < 0
               ? -1
               : 0;
}

static int add_daemon_moments(wsgi_pystate_t *state, PyObject *environ, const wsgi_request_t *request)
{
    const wsgi_moments_t *moments = &request->moments;

    if (moments->queue_start == 0 && moments->daemon_start == 0) {
        return 0;
    }
    return PUT(state, environ, QUEUE_START, decimal(moments->queue_start)) < 0 ||
                   PUT(state, environ, DAEMON_START, decimal(moments->daemon_start)) < 0 ||
                   PUT(state, environ, DAEMON_CONNECTS, decimal(request->daemon_connects)) < 0 ||
                   PUT(state, environ, DAEMON_RESTARTS, decimal(request->daemon_restarts)) < 0
               ? -1
               : 0;
}

/* The old and the new name of the moment have the same value. */
static int add_start(wsgi_pystate_t *state, PyObject *environ, apr_time_t started)
{
    PyObject *text = decimal(started);
    int rc = text == NULL || PyDict_SetItem(environ, WSGI_NAME(state, SCRIPT_START), text) < 0 ||
                     PyDict_SetItem(environ, WSGI_NAME(state, APPLICATION_START), text) < 0
                 ? -1
                 : 0;

    Py_XDECREF(text);
    return rc;
}

static int add_counts(wsgi_call_t *call, PyObject *environ)
{
    wsgi_pystate_t *state = call->state;
    unsigned long total = atomic_load_explicit(&state->runtime->total_requests, memory_order_relaxed);

    return PUT(state, environ, THREAD_ID, PyLong_FromLong(call->thread->number)) < 0 ||
                   PUT(state, environ, THREAD_REQUESTS, PyLong_FromUnsignedLong(call->thread->requests)) < 0 ||
                   PUT(state, environ, TOTAL_REQUESTS, PyLong_FromUnsignedLong(total)) < 0
               ? -1
               : 0;
}

static int add_apache_request(wsgi_call_t *call, PyObject *environ)
{
    void *apache_request = call->request->apache_request;

    return apache_request != NULL
               ? PUT(call->state, environ, APACHE_REQUEST_REC, PyCapsule_New(apache_request, NULL, NULL))
               : 0;
}

static int add_objects(wsgi_call_t *call, PyObject *environ)
{
    wsgi_pystate_t *state = call->state;
    int is_https = strcmp(call->request->url_scheme, "https") == 0;

    return add_apache_request(call, environ) < 0 ||
                   PUT(state, environ, WSGI_URL_SCHEME,
                       Py_NewRef(is_https ? WSGI_NAME(state, HTTPS) : WSGI_NAME(state, HTTP))) < 0 ||
                   PUT(state, environ, WSGI_INPUT, wsgi_input_new(call)) < 0 ||
                   PUT(state, environ, WSGI_ERRORS, wsgi_pylog_errors(call)) < 0
               ? -1
               : 0;
}

static int fill(wsgi_call_t *call, PyObject *environ)
{
    wsgi_pystate_t *state = call->state;
    const wsgi_request_t *request = call->request;

    return add_variables(state, environ, request->variables) < 0 || add_route(state, environ, request->route) < 0 ||
                   PUT(state, environ, REQUEST_START, decimal(request->moments.request_start)) < 0 ||
                   add_daemon_moments(state, environ, request) < 0 ||
                   add_start(state, environ, call->tally.started) < 0 || add_counts(call, environ) < 0 ||
                   add_objects(call, environ) < 0
               ? -1
               : 0;
}

/* Takes over the reference to `environ`, which may be NULL with an exception. */
static PyObject *complete(wsgi_call_t *call, PyObject *environ, int (*add_rest)(wsgi_call_t *call, PyObject *environ))
{
    int rc;

    if (environ == NULL) {
        return NULL;
    }
    WSGI_BEGIN_CRITICAL(call->state->interp->module) /* names and values that are kept */
    rc = add_rest(call, environ);
    WSGI_END_CRITICAL()
    if (rc < 0) {
        Py_DECREF(environ);
        return NULL;
    }
    return environ;
}

PyObject *wsgi_environ_build(wsgi_call_t *call)
{
    return complete(call, PyDict_Copy(call->state->environ_template), fill);
}

static int copy_common(wsgi_pystate_t *state, PyObject *environ)
{
    static const int common[] = { WSGI_NAME_APACHE_VERSION, WSGI_NAME_VERSION, WSGI_NAME_PROCESS_GROUP,
                                  WSGI_NAME_APPLICATION_GROUP };
    size_t i;

    for (i = 0; i < sizeof(common) / sizeof(common[0]); i++) {
        PyObject *value = PyDict_GetItemWithError(state->base_environ, state->names[common[i]]);
        if (value == NULL || put(state, environ, common[i], Py_NewRef(value)) < 0) {
            return -1;
        }
    }
    return 0;
}

static int fill_plain(wsgi_call_t *call, PyObject *environ)
{
    wsgi_pystate_t *state = call->state;

    return copy_common(state, environ) < 0 || add_variables(state, environ, call->request->variables) < 0 ||
                   add_apache_request(call, environ) < 0 ||
                   PUT(state, environ, WSGI_ERRORS, wsgi_pylog_errors(call)) < 0
               ? -1
               : 0;
}

PyObject *wsgi_environ_build_plain(wsgi_call_t *call)
{
    return complete(call, PyDict_New(), fill_plain);
}
