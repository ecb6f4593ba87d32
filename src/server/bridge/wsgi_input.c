#include "bridge/wsgi_input.h"

#include <apr_time.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE 65536       /* fetched at a time while looking for the end of a line */
#define FIRST_READ_SIZE 65536  /* room made before it is known how much there is */

/* `data` holds what was fetched for a line but not handed out yet. */
typedef struct {
    PyObject_HEAD
    wsgi_call_t *call;
    char *data;
    size_t start, end, capacity;
    WSGI_GUARDED(int) started; /* something was fetched or asked for */
    WSGI_GUARDED(int) at_end;
    WSGI_GUARDED(int) failed;
} input_t;

static const char failure[] = "reading the mod_wsgi request data failed";
static const char failed_before[] = "the mod_wsgi request input is already in error state";

/* ---- fetching ---- */

static int is_clients_doing(apr_status_t rv)
{
    return rv == APR_ECONNABORTED || rv == APR_INCOMPLETE || APR_STATUS_IS_ECONNRESET(rv) || APR_STATUS_IS_EOF(rv);
}

int wsgi_input_is_loss(const wsgi_call_t *call, PyObject *exception)
{
    PyObject *text = call->client_left && PyObject_TypeCheck(exception, (PyTypeObject *)PyExc_OSError)
                         ? PyObject_Str(exception)
                         : NULL;
    const char *bytes = text != NULL ? PyUnicode_AsUTF8(text) : NULL;
    int is_loss = bytes != NULL
                  && (strncmp(bytes, failure, sizeof(failure) - 1) == 0 || strcmp(bytes, failed_before) == 0);

    Py_XDECREF(text);
    PyErr_Clear(); /* of an object that cannot be shown: then it is another one */
    return is_loss;
}

static int raise_failure(apr_status_t rv)
{
    char reason[120];

    if (APR_STATUS_IS_EAGAIN(rv)) {
        PyErr_Format(PyExc_OSError, "%s: connection was terminated", failure);
    } else {
        PyErr_Format(PyExc_OSError, "%s: %s", failure, apr_strerror(rv, reason, sizeof(reason)));
    }
    return -1;
}

/*
 * Read into memory that only the caller knows: other threads may use the object while the GIL is away.
 * @return 0 and the number of bytes, 0 at the end; -1 with an exception
 */
static int fetch(input_t *self, char *buffer, apr_size_t *length)
{
    wsgi_call_t *call = self->call;
    wsgi_detached_t detached = wsgi_call_detach();
    apr_time_t before = call->timed ? apr_time_now() : 0;
    wsgi_exchange_t *exchange = wsgi_call_lock(call);
    apr_status_t rv = APR_EINVAL;
    int over = exchange == NULL;

    if (!over) {
        wsgi_outbox_empty(call); /* the client may wait for it before it sends more */
        rv = exchange->ops->read(exchange, buffer, length);
        wsgi_call_activity(call);
    }
    wsgi_call_unlock(call);
    if (call->timed) {
        call->tally.input_time += apr_time_now() - before;
    }
    wsgi_call_attach(call, detached);
    if (over) {
        wsgi_call_raise_over("wsgi.input");
        return -1;
    }
    call->tally.input_reads++;
    if (rv != APR_SUCCESS) {
        self->failed = 1;
        if (is_clients_doing(rv)) {
            call->client_left = 1;
        }
        return raise_failure(rv);
    }
    return 0;
}

/* @return 0 when data may be asked for, -1 with an exception */
static int check_usable(const input_t *self, const char *operation)
{
    if (self->call->over) {
        wsgi_call_raise_over(operation);
        return -1;
    }
    if (self->failed) {
        PyErr_SetString(PyExc_OSError, failed_before);
        return -1;
    }
    return 0;
}

/* Take up to `wanted` bytes out of what was fetched before. */
static size_t take_buffered(input_t *self, char *out, size_t wanted)
{
    size_t length = self->end - self->start;

    if (length > wanted) {
        length = wanted;
    }
    if (length > 0) {
        memcpy(out, self->data + self->start, length);
        self->start += length;
    }
    return length;
}

static int append(input_t *self, const char *data, size_t length)
{
    if (length == 0) {
        return 0;
    }
    if (self->start > 0) {
        memmove(self->data, self->data + self->start, self->end - self->start);
        self->end -= self->start;
        self->start = 0;
    }
    if (self->end + length > self->capacity) {
        size_t capacity = (self->end + length) * 2;
        char *larger = realloc(self->data, capacity);
        if (larger == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        self->data = larger;
        self->capacity = capacity;
    }
    memcpy(self->data + self->end, data, length);
    self->end += length;
    return 0;
}

/* ---- read ---- */

/* The first read(0) lets Apache send `100 Continue`; later ones do nothing. */
static PyObject *read_nothing(input_t *self)
{
    apr_size_t length = 0;
    char nothing;

    if (!self->started) {
        self->started = 1;
        if (fetch(self, &nothing, &length) < 0) {
            return NULL;
        }
    }
    return PyBytes_FromStringAndSize(NULL, 0);
}

/* `limit` bytes, all when negative. */
static PyObject *read_bytes(input_t *self, Py_ssize_t limit)
{
    Py_ssize_t buffered, capacity, length = 0;
    PyObject *bytes;

    WSGI_BEGIN_CRITICAL((PyObject *)self)
    buffered = (Py_ssize_t)(self->end - self->start);
    capacity = buffered > FIRST_READ_SIZE ? buffered : FIRST_READ_SIZE;
    if (limit >= 0 && capacity > limit) {
        capacity = limit;
    }
    bytes = PyBytes_FromStringAndSize(NULL, capacity);
    if (bytes != NULL) {
        length = (Py_ssize_t)take_buffered(self, PyBytes_AS_STRING(bytes), (size_t)capacity);
    }
    WSGI_END_CRITICAL()
    self->started = 1;
    while (bytes != NULL && !self->at_end && (limit < 0 || length < limit)) {
        apr_size_t got;
        if (length == capacity) {
            capacity = limit >= 0 && capacity > limit / 2 ? limit : capacity * 2;
            if (_PyBytes_Resize(&bytes, capacity) < 0) {
                return NULL;
            }
        }
        got = (apr_size_t)(capacity - length);
        if (fetch(self, PyBytes_AS_STRING(bytes) + length, &got) < 0) {
            Py_CLEAR(bytes);
            return NULL;
        }
        self->at_end |= got == 0;
        length += (Py_ssize_t)got;
    }
    if (bytes == NULL || (length < capacity && _PyBytes_Resize(&bytes, length) < 0)) {
        return NULL;
    }
    self->call->tally.input_length += length;
    return bytes;
}

static PyObject *input_read(PyObject *object, PyObject *arguments)
{
    input_t *self = (input_t *)object;
    Py_ssize_t limit = -1;

    if (!PyArg_ParseTuple(arguments, "|n:read", &limit) || check_usable(self, "wsgi.input.read()") < 0) {
        return NULL;
    }
    return limit == 0 ? read_nothing(self) : read_bytes(self, limit);
}

/* ---- readline ---- */

/* Length of the next line in what was fetched, newline included; 0 when its end is not there yet. */
static size_t line_length(const input_t *self, Py_ssize_t limit, size_t searched)
{
    size_t available = self->end - self->start;
    const char *line = self->data + self->start;
    const char *newline;

    if (limit >= 0 && available > (size_t)limit) {
        available = (size_t)limit;
    }
    newline = searched < available ? memchr(line + searched, '\n', available - searched) : NULL;
    if (newline != NULL) {
        return (size_t)(newline - line) + 1;
    }
    return self->at_end || (limit >= 0 && available == (size_t)limit) ? available : 0;
}

/* Fetch more of a line. @return 0, or -1 with an exception; sets at_end */
static int fetch_more(input_t *self)
{
    char *chunk = malloc(CHUNK_SIZE); /* a thread may have less stack than that */
    apr_size_t got = CHUNK_SIZE;
    int rc;

    if (chunk == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    self->started = 1;
    rc = fetch(self, chunk, &got);
    if (rc == 0) {
        WSGI_BEGIN_CRITICAL((PyObject *)self)
        self->at_end |= got == 0;
        rc = append(self, chunk, got);
        WSGI_END_CRITICAL()
    }
    free(chunk);
    return rc;
}

static PyObject *read_line(input_t *self, Py_ssize_t limit)
{
    PyObject *line = NULL;
    size_t searched = 0;

    while (limit != 0) {
        int found;
        WSGI_BEGIN_CRITICAL((PyObject *)self)
        size_t length = line_length(self, limit, searched);
        found = length > 0 || self->at_end;
        searched = self->end - self->start;
        if (found) {
            line = PyBytes_FromStringAndSize(self->data + self->start, (Py_ssize_t)length);
            self->start += line != NULL ? length : 0;
            self->call->tally.input_length += (apr_int64_t)length;
        }
        WSGI_END_CRITICAL()
        if (found) {
            return line;
        }
        if (fetch_more(self) < 0) {
            return NULL;
        }
    }
    return PyBytes_FromStringAndSize(NULL, 0);
}

static PyObject *input_readline(PyObject *object, PyObject *arguments)
{
    input_t *self = (input_t *)object;
    Py_ssize_t limit = -1;

    if (!PyArg_ParseTuple(arguments, "|n:readline", &limit) || check_usable(self, "wsgi.input.readline()") < 0) {
        return NULL;
    }
    return read_line(self, limit);
}

static PyObject *input_readlines(PyObject *object, PyObject *arguments)
{
    input_t *self = (input_t *)object;
    Py_ssize_t hint = 0, total = 0;
    PyObject *lines;

    if (!PyArg_ParseTuple(arguments, "|n:readlines", &hint) || check_usable(self, "wsgi.input.readlines()") < 0) {
        return NULL;
    }
    lines = PyList_New(0);
    while (lines != NULL && (hint <= 0 || total < hint)) {
        PyObject *line = read_line(self, -1);
        Py_ssize_t length = line != NULL ? PyBytes_GET_SIZE(line) : 0;
        if (line == NULL || (length > 0 && PyList_Append(lines, line) < 0)) {
            Py_CLEAR(lines);
        }
        Py_XDECREF(line);
        if (length == 0) {
            break;
        }
        total += length;
    }
    return lines;
}

/* ---- the rest ---- */

static PyObject *input_close(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    if (((input_t *)self)->call->over) {
        return wsgi_call_raise_over("wsgi.input.close()");
    }
    Py_RETURN_NONE;
}

static PyObject *input_iter(PyObject *self)
{
    return ((input_t *)self)->call->over ? wsgi_call_raise_over("wsgi.input (iteration)") : Py_NewRef(self);
}

static PyObject *input_next(PyObject *object)
{
    input_t *self = (input_t *)object;
    PyObject *line;

    if (check_usable(self, "wsgi.input (iteration)") < 0) {
        return NULL;
    }
    line = read_line(self, -1);
    if (line != NULL && PyBytes_GET_SIZE(line) == 0) {
        Py_CLEAR(line);
    }
    return line;
}

static int input_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((input_t *)self)->call);
    return 0;
}

static void input_dealloc(PyObject *object)
{
    input_t *self = (input_t *)object;
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    Py_XDECREF(self->call);
    free(self->data);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef input_methods[] = {
    { "read", input_read, METH_VARARGS, "read([size]): that many bytes, all that are left by default." },
    { "readline", input_readline, METH_VARARGS, "readline([size]): the next line, at most that many bytes of it." },
    { "readlines", input_readlines, METH_VARARGS, "readlines([hint]): lines until they are that long together." },
    { "close", input_close, METH_NOARGS, "Does nothing." },
    { NULL, NULL, 0, NULL },
};

static PyType_Slot input_slots[] = {
    { Py_tp_dealloc, input_dealloc }, { Py_tp_traverse, input_traverse }, { Py_tp_methods, input_methods },
    { Py_tp_iter, input_iter },       { Py_tp_iternext, input_next },     { 0, NULL },
};

static PyType_Spec input_spec = {
    .name = "mod_wsgi.Input",
    .basicsize = sizeof(input_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | WSGI_TPFLAGS_INTERNAL,
    .slots = input_slots,
};

int wsgi_input_register(PyObject *module, wsgi_pystate_t *state)
{
    state->input_type = wsgi_compat_seal(PyType_FromModuleAndSpec(module, &input_spec, NULL));
    return state->input_type != NULL ? 0 : -1;
}

PyObject *wsgi_input_new(wsgi_call_t *call)
{
    wsgi_pystate_t *state = call->state;
    input_t *self = (input_t *)state->input_type->tp_alloc(state->input_type, 0);

    if (self != NULL) {
        self->call = (wsgi_call_t *)Py_NewRef((PyObject *)call);
    }
    return (PyObject *)self;
}
