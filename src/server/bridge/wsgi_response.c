#include "bridge/wsgi_response.h"

#include <apr_time.h>
#include <string.h>

#include "bridge/wsgi_events.h"
#include "bridge/wsgi_filewrapper.h"
#include "bridge/wsgi_pylog.h"
#include "bridge/wsgi_reply.h"

/* Most blocks of one gathered send: IOV_MAX of every system we know. Longer lists are sent item by item. */
#define MAX_BLOCKS 1024

/* ---- start_response ---- */

/* Raise again what sys.exc_info() gave the application. */
static PyObject *reraise(PyObject *exc_info)
{
    PyObject *type, *value, *traceback;

    if (PyTuple_GET_SIZE(exc_info) != 3) {
        PyErr_SetString(PyExc_TypeError, "exc_info must be a tuple of length 3");
        return NULL;
    }
    type = PyTuple_GET_ITEM(exc_info, 0);
    value = PyTuple_GET_ITEM(exc_info, 1);
    traceback = PyTuple_GET_ITEM(exc_info, 2);
    if (PyExceptionInstance_Check(value)) {
        if (PyTraceBack_Check(traceback) && PyException_SetTraceback(value, traceback) < 0) {
            return NULL;
        }
        PyErr_SetObject((PyObject *)Py_TYPE(value), value);
    } else if (PyExceptionClass_Check(type)) {
        PyErr_SetObject(type, value);
    } else {
        PyErr_SetString(PyExc_TypeError, "exc_info does not hold an exception");
    }
    return NULL;
}

static int check_arguments(Py_ssize_t count, PyObject *const *arguments, PyObject *keywords)
{
    if (keywords != NULL && PyTuple_GET_SIZE(keywords) > 0) {
        PyErr_SetString(PyExc_TypeError, "start_response() takes no keyword arguments");
        return -1;
    }
    if (count < 2 || count > 3) {
        PyErr_Format(PyExc_TypeError, "start_response() takes 2 or 3 arguments (%zd given)", count);
        return -1;
    }
    if (!PyList_Check(arguments[1])) {
        PyErr_Format(PyExc_TypeError, "response headers must be a list, not %.200s", Py_TYPE(arguments[1])->tp_name);
        return -1;
    }
    return 0;
}

/* @return 0, or -1 with an exception: the call comes too late */
static int check_state(const wsgi_call_t *call, PyObject *exc_info)
{
    if (exc_info != Py_None && !PyTuple_Check(exc_info)) {
        PyErr_SetString(PyExc_RuntimeError, "exc_info must be a tuple or None");
        return -1;
    }
    if (!call->committed) {
        return 0;
    }
    if (exc_info != Py_None) {
        reraise(exc_info);
    } else {
        PyErr_SetString(PyExc_RuntimeError,
                        "start_response() was called again without exc_info after headers had been sent");
    }
    return -1;
}

static void replace_reply(wsgi_call_t *call, wsgi_reply_t *reply)
{
    wsgi_reply_t old = call->reply;

    call->reply = *reply;
    wsgi_reply_clear(&old);
}

static PyObject *write_method(PyObject *self, PyObject *data);

static PyMethodDef write_def = { "write", write_method, METH_O, "Send a block of the response body at once." };

PyObject *wsgi_response_start(PyObject *self, PyObject *const *arguments, size_t flags, PyObject *keywords)
{
    wsgi_call_t *call = (wsgi_call_t *)self;
    Py_ssize_t count = PyVectorcall_NARGS(flags);
    wsgi_reply_t reply = { 0 };
    PyObject *exc_info;
    int rc;

    if (call->over) {
        return wsgi_call_raise_over("start_response()");
    }
    if (check_arguments(count, arguments, keywords) < 0) {
        return NULL;
    }
    exc_info = count == 3 ? arguments[2] : Py_None;
    if (check_state(call, exc_info) < 0) {
        return NULL;
    }
    if (call->timed) {
        wsgi_events_response_started(call, arguments[0], arguments[1], exc_info);
        if (call->over) { /* a subscriber waited, and the request ended meanwhile */
            return wsgi_call_raise_over("start_response()");
        }
    }
    rc = wsgi_reply_read(call, &reply, arguments[0], arguments[1]);
    if (rc == 0) {
        WSGI_BEGIN_CRITICAL(self)
        rc = check_state(call, exc_info);
        if (rc == 0) {
            replace_reply(call, &reply);
        }
        WSGI_END_CRITICAL()
    }
    if (rc < 0) {
        wsgi_reply_clear(&reply);
        return NULL;
    }
    return PyCFunction_New(&write_def, self);
}

/* From here on the reply stays as it is. @return 0, or -1 with an exception: there is none */
static int commit(wsgi_call_t *call)
{
    int rc = 0;

    WSGI_BEGIN_CRITICAL((PyObject *)call)
    if (call->reply.status == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "start_response() must be called before content is produced");
        rc = -1;
    } else if (!call->committed) {
        call->head.status = call->reply.code;
        call->head.reason = call->reply.reason;
        call->head.headers = call->reply.fields;
        call->head.header_count = call->reply.count;
        call->committed = 1;
    }
    WSGI_END_CRITICAL()
    return rc;
}

/* ---- sending ---- */

apr_off_t wsgi_response_admit(wsgi_call_t *call, apr_off_t size)
{
    apr_off_t limit = size;

    call->tally.output_length += size;
    WSGI_BEGIN_CRITICAL((PyObject *)call)
    if (call->reply.declared >= 0 && size > call->reply.declared - call->produced) {
        limit = call->reply.declared - call->produced;
        call->cut = 1;
    }
    call->produced += limit;
    WSGI_END_CRITICAL()
    return limit;
}

/* GIL held; given away meanwhile. */
static apr_status_t transfer_detached(wsgi_call_t *call, const struct iovec *blocks, int count, unsigned flags)
{
    wsgi_detached_t detached = wsgi_call_detach();
    apr_time_t before = call->timed ? apr_time_now() : 0;
    apr_status_t rv = wsgi_outbox_send(call, blocks, count, flags);

    if (call->timed) {
        call->tally.output_time += apr_time_now() - before;
    }
    wsgi_call_attach(call, detached);
    return rv;
}

static void note_stop(wsgi_call_t *call, apr_status_t rv)
{
    wsgi_pylog_call(call, WSGI_HERE, WSGI_LOG_TRACE1, rv,
                    "The response could not be written any further: the client closed the connection.");
}

static apr_status_t send_block(wsgi_call_t *call, const char *data, Py_ssize_t size)
{
    struct iovec block;

    block.iov_base = (void *)data; /* struct iovec knows no const */
    block.iov_len = (size_t)wsgi_response_admit(call, size);
    if (wsgi_outbox_hold(call, data, block.iov_len)) {
        return APR_SUCCESS;
    }
    return transfer_detached(call, &block, block.iov_len > 0 ? 1 : 0, block.iov_len > 0 ? WSGI_SEND_FLUSH : 0);
}

/* write(data): what start_response returns. `self` is the request. */
static PyObject *write_method(PyObject *self, PyObject *data)
{
    wsgi_call_t *call = (wsgi_call_t *)self;
    apr_status_t rv;
    char reason[120];

    if (call->over) {
        return wsgi_call_raise_over("write()");
    }
    if (!PyBytes_Check(data)) {
        PyErr_Format(PyExc_TypeError, "write() needs bytes, not %.200s", Py_TYPE(data)->tp_name);
        return NULL;
    }
    if (commit(call) < 0) {
        return NULL;
    }
    call->tally.output_writes++;
    rv = send_block(call, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data));
    if (rv == APR_EINVAL && call->over) {
        return wsgi_call_raise_over("write()");
    }
    if (rv == APR_ECONNABORTED) {
        PyErr_SetString(PyExc_OSError, "the response cannot be written: the client closed the connection");
        return NULL;
    }
    if (rv != APR_SUCCESS) {
        PyErr_Format(PyExc_OSError, "the response cannot be written: %s", apr_strerror(rv, reason, sizeof(reason)));
        return NULL;
    }
    Py_RETURN_NONE;
}

static wsgi_ran_t send_item(wsgi_call_t *call, PyObject *item)
{
    apr_status_t rv;

    if (!PyBytes_Check(item)) {
        PyErr_Format(PyExc_TypeError, "the application must produce bytes, value of type %.200s found",
                     Py_TYPE(item)->tp_name);
        return WSGI_RAISED;
    }
    if (PyBytes_GET_SIZE(item) == 0) {
        return WSGI_RAN;
    }
    if (commit(call) < 0) {
        return WSGI_RAISED;
    }
    call->tally.output_writes++;
    rv = send_block(call, PyBytes_AS_STRING(item), PyBytes_GET_SIZE(item));
    if (rv != APR_SUCCESS) {
        note_stop(call, rv);
        return WSGI_STOPPED;
    }
    return WSGI_RAN;
}

/* An empty body, or one whose blocks are all empty, still has a head. */
static wsgi_ran_t send_head(wsgi_call_t *call)
{
    apr_status_t rv;

    if (commit(call) < 0) {
        return WSGI_RAISED;
    }
    if (call->head_sent || call->outbox.is_waiting || wsgi_outbox_hold(call, NULL, 0)) {
        return WSGI_RAN;
    }
    rv = transfer_detached(call, NULL, 0, 0);
    if (rv != APR_SUCCESS) {
        note_stop(call, rv);
        return WSGI_STOPPED;
    }
    return WSGI_RAN;
}

static wsgi_ran_t send_iterable(wsgi_call_t *call, PyObject *result)
{
    PyObject *iterator = PyObject_GetIter(result);
    wsgi_ran_t ran = WSGI_RAN;
    PyObject *item;

    if (iterator == NULL) {
        return WSGI_RAISED;
    }
    while (ran == WSGI_RAN && (item = PyIter_Next(iterator)) != NULL) {
        ran = send_item(call, item);
        Py_DECREF(item);
    }
    Py_DECREF(iterator);
    if (ran != WSGI_RAN || PyErr_Occurred()) {
        return ran != WSGI_RAN ? ran : WSGI_RAISED;
    }
    return send_head(call);
}

/* ---- lists and tuples ---- */

int wsgi_response_gather(wsgi_call_t *call, PyObject *result, PyObject **items, apr_off_t *size)
{
    PyObject *tuple = NULL;
    Py_ssize_t i, count;

    *items = NULL;
    *size = 0;
    if (PyList_CheckExact(result)) {
        tuple = PyList_AsTuple(result); /* the application may change its list while we send */
        if (tuple == NULL) {
            return -1;
        }
    } else if (PyTuple_CheckExact(result)) {
        tuple = Py_NewRef(result);
    } else {
        return 0;
    }
    count = PyTuple_GET_SIZE(tuple);
    for (i = 0; i < count && PyBytes_CheckExact(PyTuple_GET_ITEM(tuple, i)); i++) {
        Py_ssize_t length = PyBytes_GET_SIZE(PyTuple_GET_ITEM(tuple, i));
        *size += length;
        call->tally.output_writes += length > 0;
    }
    if (i < count || count > MAX_BLOCKS) {
        call->tally.output_writes = 0;
        Py_DECREF(tuple);
        return 0;
    }
    if (commit(call) < 0) {
        Py_DECREF(tuple);
        return -1;
    }
    *items = tuple;
    return 1;
}

wsgi_ran_t wsgi_response_send_items(wsgi_call_t *call, PyObject *items, apr_off_t limit, int last)
{
    Py_ssize_t i, count = PyTuple_GET_SIZE(items);
    struct iovec *blocks = PyMem_Malloc((size_t)(count + 1) * sizeof(*blocks));
    apr_status_t rv;
    int used = 0;

    if (blocks == NULL) {
        PyErr_NoMemory();
        return WSGI_RAISED;
    }
    for (i = 0; i < count && limit > 0; i++) {
        PyObject *item = PyTuple_GET_ITEM(items, i);
        apr_off_t length = PyBytes_GET_SIZE(item) < limit ? PyBytes_GET_SIZE(item) : limit;
        if (length > 0) {
            blocks[used].iov_base = PyBytes_AS_STRING(item);
            blocks[used++].iov_len = (size_t)length;
            limit -= length;
        }
    }
    rv = transfer_detached(call, blocks, used, WSGI_SEND_FLUSH | (last ? WSGI_SEND_LAST : 0));
    PyMem_Free(blocks);
    if (rv != APR_SUCCESS) {
        note_stop(call, rv);
        return WSGI_STOPPED;
    }
    return WSGI_RAN;
}

/* ---- files ---- */

static wsgi_ran_t send_file(wsgi_call_t *call, wsgi_file_range_t *range)
{
    wsgi_detached_t detached;
    apr_status_t rv;
    int rc = 0;

    WSGI_BEGIN_CRITICAL((PyObject *)call)
    if (call->reply.status != NULL && !call->committed && call->reply.declared < 0) {
        rc = wsgi_reply_set_length(&call->reply, range->length);
    }
    WSGI_END_CRITICAL()
    if (rc < 0 || commit(call) < 0) {
        return WSGI_RAISED;
    }
    range->length = wsgi_response_admit(call, range->length);
    if (range->length == 0) {
        return send_head(call);
    }
    detached = wsgi_call_detach();
    rv = wsgi_outbox_send_file(call, range->fd, range->offset, range->length);
    wsgi_call_attach(call, detached);
    if (rv != APR_SUCCESS) {
        note_stop(call, rv);
        return WSGI_STOPPED;
    }
    wsgi_call_activity(call);
    return WSGI_RAN;
}

wsgi_ran_t wsgi_response_run(wsgi_call_t *call, PyObject *result)
{
    wsgi_file_range_t range;
    int is_file = call->produced == 0 ? wsgi_filewrapper_range(call->state, result, &range) : 0;

    if (is_file < 0) {
        return WSGI_RAISED;
    }
    return is_file ? send_file(call, &range) : send_iterable(call, result);
}

/* ---- end ---- */

void wsgi_response_settle(wsgi_call_t *call)
{
    wsgi_detached_t detached;
    apr_interval_time_t own, flushers;
    apr_time_t before;

    if (!call->outbox.is_flushed) {
        return;
    }
    detached = wsgi_call_detach();
    before = apr_time_now();
    flushers = wsgi_outbox_settle(call);
    own = apr_time_now() - before;
    wsgi_call_attach(call, detached);
    call->tally.output_time += own + flushers;
}

int wsgi_response_close(wsgi_call_t *call, PyObject *result)
{
    PyObject *method, *outcome;
    int found;

    if (PyList_CheckExact(result) || PyTuple_CheckExact(result)) {
        return 0;
    }
    found = wsgi_compat_attribute(result, WSGI_NAME(call->state, CLOSE), &method);
    if (found < 0) {
        PyObject *exception = wsgi_compat_take_exception();
        wsgi_pylog_call(call, WSGI_HERE, WSGI_LOG_ERR, APR_SUCCESS,
                        WSGI_LOGNO(0194) "Looking up close() of the object that the application returned failed.");
        wsgi_compat_set_exception(exception);
        return -1;
    }
    if (found == 0) {
        return 0;
    }
    outcome = PyObject_CallObject(method, NULL);
    Py_DECREF(method);
    if (outcome == NULL) {
        return -1;
    }
    Py_DECREF(outcome);
    return 0;
}

int wsgi_response_is_short(const wsgi_call_t *call)
{
    const char *method;

    if (call->reply.declared <= call->produced) {
        return 0;
    }
    /* RFC 9110 section 8.6: these may declare the length of a body that they do not have. */
    method = wsgi_fields_get(call->request->variables, "REQUEST_METHOD");
    return (method == NULL || strcmp(method, "HEAD") != 0) && call->reply.code != 304 && call->reply.code != 204;
}
