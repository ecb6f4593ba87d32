#include "bridge/wsgi_reply.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/wsgi_httprules.h"
#include "bridge/wsgi_call.h"
#include "bridge/wsgi_pylog.h"
#include "bridge/wsgi_script.h"

void wsgi_reply_clear(wsgi_reply_t *reply)
{
    Py_CLEAR(reply->status);
    Py_CLEAR(reply->items);
    PyMem_Free(reply->fields);
    reply->fields = NULL;
    reply->count = 0;
}

/* Bytes of a str in ISO-8859-1, borrowed. @return 0, or -1 with UnicodeEncodeError */
static int latin1_view(PyObject *text, const char **data, apr_uint32_t *length)
{
    if (wsgi_compat_ready(text) < 0) {
        return -1;
    }
    if (PyUnicode_KIND(text) != PyUnicode_1BYTE_KIND) {
        PyObject *bytes = PyUnicode_AsLatin1String(text); /* fails: wider strings hold a wider character */
        Py_XDECREF(bytes);
        return -1;
    }
    if (PyUnicode_GET_LENGTH(text) > INT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "text of a response head is too long");
        return -1;
    }
    *data = (const char *)PyUnicode_1BYTE_DATA(text);
    *length = (apr_uint32_t)PyUnicode_GET_LENGTH(text);
    return 0;
}

static int raise_value(const char *what, const char *problem, const char *data, apr_uint32_t length)
{
    PyObject *bytes = PyBytes_FromStringAndSize(data, length);

    if (bytes != NULL) {
        PyErr_Format(PyExc_ValueError, "%s: %s, value was %R", what, problem, bytes);
        Py_DECREF(bytes);
    }
    return -1;
}

static int read_status(wsgi_reply_t *reply, PyObject *status)
{
    const char *problem;
    const char *data = NULL;
    apr_uint32_t length = 0;

    if (!PyUnicode_Check(status)) {
        PyErr_Format(PyExc_TypeError, "expected a str for the status, value of type %.200s found",
                     Py_TYPE(status)->tp_name);
        return -1;
    }
    reply->status = Py_NewRef(status);
    if (latin1_view(status, &data, &length) < 0) {
        return -1;
    }
    problem = wsgi_http_check_status(&reply->code, &reply->reason, data, length);
    return problem == NULL ? 0 : raise_value("invalid status line", problem, data, length);
}

/* Connection: close is a wish that Apache can grant; the rest of these headers is Apache's own business. */
static int wants_close(const wsgi_field_t *field)
{
    return strcasecmp(field->name, "Connection") == 0 && strcasecmp(field->value, "close") == 0;
}

/* @return 1 the header is to be left out, 0 it stays, -1 with an exception */
static int check_special(wsgi_call_t *call, wsgi_reply_t *reply, const wsgi_field_t *field)
{
    apr_off_t length;

    if (field->name_len == 14 && strcasecmp(field->name, "Content-Length") == 0) {
        if (!wsgi_http_parse_length(&length, field->value, field->value_len)) {
            return raise_value("invalid Content-Length", "not a plain decimal number", field->value,
                               field->value_len);
        }
        if (reply->declared >= 0) {
            return reply->declared == length
                       ? 1
                       : raise_value("invalid Content-Length", "given twice with different values", field->value,
                                     field->value_len);
        }
        reply->declared = length;
        return 0;
    }
    if (!wsgi_http_is_hop_by_hop(field->name, field->name_len) || wants_close(field)) {
        return 0;
    }
    if (wsgi_script_first_hop_by_hop(call->script)) {
        wsgi_pylog_call(call, WSGI_HERE, WSGI_LOG_INFO, APR_SUCCESS,
                        "Response header '%s' of script '%s' is not passed on: framing and connections are managed "
                        "by Apache.", field->name, call->request->route->script);
    }
    return 1;
}

static int read_header(wsgi_call_t *call, wsgi_reply_t *reply, PyObject *item)
{
    wsgi_field_t *field = &reply->fields[reply->count];
    const char *problem;
    PyObject *name, *value;
    int skip;

    if (!PyTuple_Check(item)) {
        PyErr_Format(PyExc_TypeError, "expected a tuple for a response header, value of type %.200s found",
                     Py_TYPE(item)->tp_name);
        return -1;
    }
    if (PyTuple_GET_SIZE(item) != 2) {
        PyErr_Format(PyExc_ValueError, "a response header must be a tuple of length 2, length is %zd",
                     PyTuple_GET_SIZE(item));
        return -1;
    }
    name = PyTuple_GET_ITEM(item, 0);
    value = PyTuple_GET_ITEM(item, 1);
    if (!PyUnicode_Check(name) || !PyUnicode_Check(value)) {
        PyErr_Format(PyExc_TypeError, "expected a str for the %s of a response header, value of type %.200s found",
                     PyUnicode_Check(name) ? "value" : "name",
                     Py_TYPE(PyUnicode_Check(name) ? value : name)->tp_name);
        return -1;
    }
    if (latin1_view(name, &field->name, &field->name_len) < 0 ||
        latin1_view(value, &field->value, &field->value_len) < 0) {
        return -1;
    }
    problem = wsgi_http_check_name(field->name, field->name_len);
    if (problem != NULL) {
        return raise_value("invalid response header name", problem, field->name, field->name_len);
    }
    problem = wsgi_http_check_value(field->value, field->value_len);
    if (problem != NULL) {
        return raise_value("invalid response header value", problem, field->value, field->value_len);
    }
    skip = check_special(call, reply, field);
    if (skip < 0) {
        return -1;
    }
    reply->count += !skip;
    return 0;
}

int wsgi_reply_read(wsgi_call_t *call, wsgi_reply_t *reply, PyObject *status, PyObject *headers)
{
    Py_ssize_t i, count;

    reply->declared = -1;
    if (read_status(reply, status) < 0) {
        return -1;
    }
    /* A tuple of its own keeps all texts alive, whatever becomes of the list. */
    reply->items = PyList_AsTuple(headers);
    if (reply->items == NULL) {
        return -1;
    }
    count = PyTuple_GET_SIZE(reply->items);
    reply->fields = PyMem_Malloc((size_t)(count + 1) * sizeof(*reply->fields)); /* one spare: set_length */
    if (reply->fields == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (i = 0; i < count; i++) {
        if (read_header(call, reply, PyTuple_GET_ITEM(reply->items, i)) < 0) {
            return -1;
        }
    }
    return 0;
}

int wsgi_reply_set_length(wsgi_reply_t *reply, apr_off_t length)
{
    wsgi_field_t *field = &reply->fields[reply->count];
    PyObject *text = PyUnicode_FromFormat("%lld", (long long)length);
    PyObject *items = text != NULL ? PyTuple_Pack(2, reply->items, text) : NULL;

    Py_XDECREF(text);
    if (items == NULL) {
        return -1;
    }
    Py_SETREF(reply->items, items);
    field->name = "Content-Length";
    field->name_len = 14;
    field->value = (const char *)PyUnicode_1BYTE_DATA(PyTuple_GET_ITEM(items, 1));
    field->value_len = (apr_uint32_t)PyUnicode_GET_LENGTH(PyTuple_GET_ITEM(items, 1));
    reply->count++;
    reply->declared = length;
    return 0;
}
