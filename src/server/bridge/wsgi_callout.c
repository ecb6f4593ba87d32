#include "bridge/wsgi_callout.h"

#include <apr_strings.h>
#include <string.h>

#include "bridge/wsgi_environ.h"
#include "bridge/wsgi_forked.h"
#include "bridge/wsgi_interp.h"
#include "bridge/wsgi_pyerror.h"
#include "bridge/wsgi_pylog.h"
#include "bridge/wsgi_tlsprobe.h"

/* One question on its way; on the stack of its thread. */
typedef struct {
    wsgi_question_t *question;
    wsgi_thread_t *thread;
    wsgi_interp_t *interp;
    wsgi_script_t *script;
    wsgi_call_t *call;
    apr_time_t on_disk; /* -1: changes of the script do not matter */
} asking_t;

#define REPORT(asking, ...) wsgi_pylog_call((asking)->call, WSGI_HERE, WSGI_LOG_ERR, APR_SUCCESS, __VA_ARGS__)

/* ---- results ---- */

/* An exception is set. */
static wsgi_answer_t take_exception(const asking_t *asking)
{
    Py_XDECREF(wsgi_pyerror_take(asking->interp, asking->call, asking->script->path));
    return WSGI_ANSWER_ERROR;
}

/*
 * Copy text for the host. @return 1; 0 when it is neither str nor bytes; -1 with an exception when it cannot be a
 * NUL terminated text in that encoding
 */
static int take_text(const char **out, const asking_t *asking, PyObject *value, PyObject *(*encode)(PyObject *text))
{
    PyObject *bytes = PyUnicode_Check(value) ? encode(value) : Py_NewRef(value);
    int is_text = bytes == NULL ? -1 : PyBytes_Check(bytes);

    if (is_text == 1 && strlen(PyBytes_AS_STRING(bytes)) != (size_t)PyBytes_GET_SIZE(bytes)) {
        PyErr_SetString(PyExc_ValueError, "a text with NUL in it cannot be used");
        is_text = -1;
    }
    if (is_text == 1) {
        *out = apr_pstrmemdup(asking->question->preq, PyBytes_AS_STRING(bytes), (apr_size_t)PyBytes_GET_SIZE(bytes));
    }
    Py_XDECREF(bytes);
    return is_text;
}

static wsgi_answer_t read_access(const asking_t *asking, PyObject *result, int index)
{
    (void)index;
    if (PyBool_Check(result)) {
        return result == Py_True ? WSGI_ANSWER_YES : WSGI_ANSWER_NO;
    }
    if (result == Py_None) {
        return WSGI_ANSWER_NONE;
    }
    REPORT(asking, WSGI_LOGNO(0055) "allow_access() in the script '%s' must return True, False or None, not %.200s.",
           asking->script->path, Py_TYPE(result)->tp_name);
    return WSGI_ANSWER_ERROR;
}

static wsgi_answer_t read_password(const asking_t *asking, PyObject *result, int index)
{
    if (PyBool_Check(result)) {
        return result == Py_True ? WSGI_ANSWER_YES : WSGI_ANSWER_NO;
    }
    if (result == Py_None) {
        return WSGI_ANSWER_NONE;
    }
    if (!PyUnicode_Check(result)) {
        REPORT(asking, WSGI_LOGNO(0177) "check_password() in the script '%s' must return True, False, None or a user "
                                         "name as str, not %.200s.",
               asking->script->path, Py_TYPE(result)->tp_name);
        return WSGI_ANSWER_ERROR;
    }
    if (PyUnicode_GetLength(result) == 0) {
        REPORT(asking, WSGI_LOGNO(0176) "check_password() in the script '%s' returned an empty user name.",
               asking->script->path);
        return WSGI_ANSWER_ERROR;
    }
    return take_text(&asking->question->texts[index], asking, result, PyUnicode_AsUTF8String) < 0
               ? take_exception(asking)
               : WSGI_ANSWER_YES;
}

static wsgi_answer_t read_hash(const asking_t *asking, PyObject *result, int index)
{
    const char **hash = &asking->question->texts[index];
    int is_text = result == Py_None ? 0 : take_text(hash, asking, result, PyUnicode_AsLatin1String);

    if (result == Py_None) {
        return WSGI_ANSWER_NONE;
    }
    if (is_text < 0) {
        return take_exception(asking);
    }
    if (!is_text) {
        REPORT(asking, WSGI_LOGNO(0179) "get_realm_hash() in the script '%s' must return None, or the hash as str or "
                                         "bytes, not %.200s.",
               asking->script->path, Py_TYPE(result)->tp_name);
        return WSGI_ANSWER_ERROR;
    }
    if (**hash == '\0') {
        REPORT(asking, WSGI_LOGNO(0178) "get_realm_hash() in the script '%s' returned an empty hash.",
               asking->script->path);
        return WSGI_ANSWER_ERROR;
    }
    return WSGI_ANSWER_YES;
}

/* @return 0, or -1 after logging */
static int read_group(const asking_t *asking, apr_array_header_t *groups, PyObject *item)
{
    const char *name = NULL;
    int is_text = take_text(&name, asking, item, PyUnicode_AsLatin1String);

    if (is_text < 0 && PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
        PyErr_Clear();
        REPORT(asking, WSGI_LOGNO(0049) "groups_for_user() in the script '%s' returned a group that ISO-8859-1 cannot "
                                         "express.",
               asking->script->path);
        return -1;
    }
    if (is_text < 0) {
        (void)take_exception(asking);
        return -1;
    }
    if (!is_text) {
        REPORT(asking, WSGI_LOGNO(0050) "groups_for_user() in the script '%s' must return groups as str or bytes, not "
                                         "%.200s.",
               asking->script->path, Py_TYPE(item)->tp_name);
        return -1;
    }
    APR_ARRAY_PUSH(groups, const char *) = name;
    return 0;
}

static wsgi_answer_t read_groups(const asking_t *asking, PyObject *result, int index)
{
    apr_array_header_t *groups = apr_array_make(asking->question->preq, 8, sizeof(const char *));
    PyObject *items = PyObject_GetIter(result), *item;
    int rc = 0;

    (void)index;
    if (items == NULL && PyErr_ExceptionMatches(PyExc_TypeError)) {
        PyErr_Clear();
        REPORT(asking, WSGI_LOGNO(0051) "groups_for_user() in the script '%s' must return an iterable of groups, not "
                                         "%.200s.",
               asking->script->path, Py_TYPE(result)->tp_name);
        return WSGI_ANSWER_ERROR;
    }
    while (rc == 0 && items != NULL && (item = PyIter_Next(items)) != NULL) {
        rc = read_group(asking, groups, item);
        Py_DECREF(item);
    }
    Py_XDECREF(items);
    if (PyErr_Occurred()) {
        return take_exception(asking); /* an iteration that breaks off proves nothing */
    }
    asking->question->groups = groups;
    return rc == 0 ? WSGI_ANSWER_YES : WSGI_ANSWER_ERROR;
}

static wsgi_answer_t read_target(const asking_t *asking, PyObject *result, int index)
{
    int is_text = 1;

    if (result != Py_None) {
        is_text = take_text(&asking->question->texts[index], asking, result, PyUnicode_AsLatin1String);
    }
    if (!is_text) {
        PyErr_Format(PyExc_TypeError, "a dispatch function must return str, bytes or None, not %.200s",
                     Py_TYPE(result)->tp_name);
    }
    return is_text == 1 ? WSGI_ANSWER_YES : take_exception(asking);
}

/* ---- functions ---- */

typedef struct {
    const char *function;
    const char *missing; /* format for script and function; NULL: it need not exist */
    wsgi_answer_t (*read)(const asking_t *asking, PyObject *result, int index);
} callback_t;

#define NO_FUNCTION "The script '%s' has no function '%s'."

/* The functions of each kind of question; a row without name ends them. */
static const callback_t callbacks[WSGI_ASK_COUNT][WSGI_ANSWER_TEXTS + 1] = {
    [WSGI_ASK_ACCESS] = { { "allow_access", WSGI_LOGNO(0056) NO_FUNCTION, read_access } },
    [WSGI_ASK_PASSWORD] = { { "check_password", WSGI_LOGNO(0043) NO_FUNCTION " Basic authentication needs it.",
                              read_password } },
    [WSGI_ASK_HASH] = { { "get_realm_hash", WSGI_LOGNO(0046) NO_FUNCTION " Digest authentication needs it.",
                          read_hash } },
    [WSGI_ASK_GROUPS] = { { "groups_for_user", WSGI_LOGNO(0052) NO_FUNCTION, read_groups } },
    [WSGI_ASK_DISPATCH] = { { "process_group", NULL, read_target },
                            { "application_group", NULL, read_target },
                            { "callable_object", NULL, read_target } },
};

static PyObject *make_environ(const asking_t *asking)
{
    PyObject *environ = wsgi_environ_build_plain(asking->call);

    if (environ != NULL && asking->question->tls != NULL &&
        wsgi_tlsprobe_add(environ, asking->call, asking->question->tls) < 0) {
        Py_CLEAR(environ);
    }
    return environ;
}

static PyObject *invoke(const asking_t *asking, PyObject *function, PyObject *environ)
{
    PyObject *values[3] = { environ, NULL, NULL }, *result = NULL;
    size_t count = 1;
    const char *text;

    while (count < 3 && (text = asking->question->arguments[count - 1]) != NULL) {
        values[count] = PyUnicode_DecodeLatin1(text, (Py_ssize_t)strlen(text), NULL);
        if (values[count] == NULL) {
            break;
        }
        count++;
    }
    if (!PyErr_Occurred()) {
        result = PyObject_Vectorcall(function, values, count, NULL);
        wsgi_forked_end();
    }
    Py_XDECREF(values[1]);
    Py_XDECREF(values[2]);
    return result;
}

/* Ask one function. */
static wsgi_answer_t ask_one(const asking_t *asking, const callback_t *callback, int index, PyObject *module,
                             PyObject *environ)
{
    PyObject *key = PyUnicode_FromString(callback->function), *function = NULL, *result;
    int found = key != NULL ? wsgi_compat_dict_get(PyModule_GetDict(module), key, &function) : -1;
    wsgi_answer_t answer = WSGI_ANSWER_NONE;

    Py_XDECREF(key);
    if (found < 0) {
        return take_exception(asking);
    }
    if (found == 0) {
        if (callback->missing != NULL) {
            REPORT(asking, callback->missing, asking->script->path, callback->function);
            answer = WSGI_ANSWER_ERROR;
        }
        return answer;
    }
    result = invoke(asking, function, environ);
    answer = result != NULL ? callback->read(asking, result, index) : take_exception(asking);
    Py_XDECREF(result);
    Py_DECREF(function);
    return answer;
}

/* Ask all functions of the kind in turn, up to the first that fails. */
static wsgi_answer_t ask_all(const asking_t *asking, PyObject *module)
{
    const callback_t *callback = callbacks[asking->question->kind];
    PyObject *environ = make_environ(asking);
    wsgi_answer_t answer = environ != NULL ? WSGI_ANSWER_NONE : take_exception(asking);
    int i;

    for (i = 0; answer != WSGI_ANSWER_ERROR && callback[i].function != NULL; i++) {
        answer = ask_one(asking, &callback[i], i, module, environ);
    }
    Py_XDECREF(environ);
    return answer;
}

/* ---- the script ---- */

static PyObject *load(const asking_t *asking)
{
    PyObject *module = NULL, *stale = NULL;

    if (wsgi_script_module(asking->interp, asking->script, &module) == 1 &&
        !wsgi_script_is_current(asking->script, asking->on_disk) && asking->on_disk >= 0 &&
        wsgi_script_is_stale(asking->interp, asking->script, module, asking->on_disk, NULL)) {
        stale = module;
        module = NULL;
    }
    if (module == NULL) {
        PyErr_Clear(); /* a failure to find it shows again, and is logged, when it is loaded */
        module = wsgi_script_load(asking->interp, asking->call, asking->script, stale);
    }
    Py_XDECREF(stale);
    return module;
}

/* GIL held. */
static wsgi_answer_t run(asking_t *asking)
{
    wsgi_call_t *streams = asking->thread->streams;
    wsgi_answer_t answer = WSGI_ANSWER_NO_SCRIPT;
    PyObject *module;

    asking->call->errors_name = "<log>";
    asking->thread->streams = NULL; /* what is printed here belongs to the process */
    module = load(asking);
    if (module != NULL) {
        answer = ask_all(asking, module);
        wsgi_script_review(asking->interp->pystate, asking->script, module);
        Py_DECREF(module);
    }
    asking->thread->streams = streams;
    wsgi_call_finish(asking->call);
    return answer;
}

/* @return 0, or -1 when there is no place to run it */
static int find_place(asking_t *asking, wsgi_runtime_t *runtime)
{
    const wsgi_question_t *question = asking->question;

    asking->thread = wsgi_thread_current(runtime);
    asking->interp =
        asking->thread != NULL ? wsgi_interp_acquire(asking->thread, question->application_group) : NULL;
    asking->script =
        asking->interp != NULL ? wsgi_script_find(&asking->interp->scripts, question->script) : NULL;
    if (asking->script == NULL) {
        return -1;
    }
    asking->on_disk = question->script_reloading ? wsgi_script_on_disk(asking->script) : -1;
    return wsgi_interp_enter(asking->thread, asking->interp);
}

wsgi_answer_t wsgi_callout_ask(wsgi_runtime_t *runtime, wsgi_question_t *question, wsgi_exchange_t *exchange)
{
    const wsgi_route_t route = { .process_group = WSGI_EMBEDDED,
                                 .application_group = question->application_group,
                                 .callable_object = "",
                                 .script = question->script,
                                 .resource = question->script,
                                 .handler = "",
                                 .script_reloading = question->script_reloading };
    const wsgi_request_t request = { .route = &route,
                                     .variables = question->variables,
                                     .url_scheme = question->tls != NULL && question->tls->is_https ? "https" : "http",
                                     .apache_request = question->apache_request };
    asking_t asking = { .question = question };
    wsgi_answer_t answer = WSGI_ANSWER_UNAVAILABLE;

    if (wsgi_runtime_begin_request(runtime) == 0 && find_place(&asking, runtime) == 0) {
        asking.call = wsgi_call_new(asking.interp->pystate, asking.thread, &request, exchange);
        if (asking.call != NULL) {
            answer = run(&asking);
            Py_DECREF(asking.call);
        } else {
            Py_XDECREF(wsgi_pyerror_take(asking.interp, NULL, question->script));
            answer = WSGI_ANSWER_ERROR;
        }
        wsgi_interp_leave();
    }
    wsgi_runtime_end_request(runtime);
    return answer;
}
