#include "bridge/wsgi_pylog.h"

#include <apr_strings.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_SIZE 8192
#define STDERR_FD 2

/* mod_wsgi.Log: the binary stream below wsgi.errors (call set) or sys.stderr and sys.stdout (call NULL). */
typedef struct {
    PyObject_HEAD
    const wsgi_runtime_t *runtime; /* constant; outlives the module's state, which may go first at the end */
    const wsgi_pystate_t *state;   /* constant; only to be compared */
    wsgi_call_t *call;
    const char *name;              /* constant */
    WSGI_GUARDED(int) expired;     /* close() was called; streams of the process ignore that */
    wsgi_linebuf_t pending;
} log_t;

enum { STREAM_READY, STREAM_FRESH, STREAM_BEING_SET_UP };

/* What a stream object has beyond its io.TextIOWrapper; it lies behind it. */
typedef struct {
    wsgi_call_t *call;        /* set while FRESH */
    wsgi_runtime_t *runtime;  /* constant */
    atomic_int state;         /* STREAM_*: of the text layer */
    atomic_ulong maker;       /* thread that sets it up */
} stream_extra_t;

/* ---- records ---- */

static void write_record(const wsgi_runtime_t *runtime, wsgi_exchange_t *exchange, const wsgi_record_t *record)
{
    if (exchange != NULL) {
        exchange->ops->log(exchange, record);
    } else {
        runtime->host->log.write(runtime->host->log.context, record);
    }
}

static int record_wanted(const wsgi_runtime_t *runtime, wsgi_exchange_t *exchange, wsgi_log_level_t level)
{
    if (exchange != NULL) {
        return exchange->ops->log_enabled(exchange, level);
    }
    return runtime->host->log.enabled(runtime->host->log.context, level);
}

/* No GIL. */
static void write_lines(const wsgi_runtime_t *runtime, wsgi_exchange_t *exchange, const wsgi_record_t *form,
                        char *text, size_t length, int skip_empty)
{
    wsgi_record_t record = *form;
    char *end = text + length;

    if (!record_wanted(runtime, exchange, form->level)) {
        return;
    }
    for (;;) {
        char *newline = memchr(text, '\n', (size_t)(end - text));
        if (newline != NULL) {
            *newline = '\0';
        }
        if (*text != '\0' || !skip_empty) {
            record.text = text;
            write_record(runtime, exchange, &record);
        }
        if (newline == NULL) {
            return;
        }
        text = newline + 1;
    }
}

void wsgi_pylog_lines(const wsgi_runtime_t *runtime, wsgi_call_t *call, const wsgi_record_t *form, char *text,
                      size_t length, int skip_empty)
{
    PyThreadState *tstate = PyEval_SaveThread();

    if (call != NULL) {
        write_lines(runtime, wsgi_call_lock(call), form, text, length, skip_empty);
        wsgi_call_unlock(call);
    } else {
        write_lines(runtime, NULL, form, text, length, skip_empty);
    }
    PyEval_RestoreThread(tstate);
}

void wsgi_pylog_text(const wsgi_runtime_t *runtime, wsgi_call_t *call, const wsgi_record_t *form, PyObject *text,
                     int skip_empty)
{
    PyObject *string = PyObject_Str(text);
    PyObject *bytes = string != NULL ? PyUnicode_AsEncodedString(string, "utf-8", "backslashreplace") : NULL;
    char *copy = bytes != NULL ? strdup(PyBytes_AS_STRING(bytes)) : NULL;

    if (copy != NULL) {
        wsgi_pylog_lines(runtime, call, form, copy, strlen(copy), skip_empty);
    } else {
        PyErr_Clear(); /* out of memory or a __str__ that fails: there is nobody left to tell */
    }
    free(copy);
    Py_XDECREF(bytes);
    Py_XDECREF(string);
}

static void vlog(const wsgi_runtime_t *runtime, wsgi_call_t *call, const char *file, int line,
                 wsgi_log_level_t level, apr_status_t status, const char *format, va_list arguments)
{
    char text[MESSAGE_SIZE];
    wsgi_record_t record = { .level = level, .file = file, .line = line, .status = status };
    int length = apr_vsnprintf(text, sizeof(text), format, arguments);

    wsgi_pylog_lines(runtime, call, &record, text, length > 0 ? strlen(text) : 0, 0);
}

void wsgi_pylog_process(const wsgi_runtime_t *runtime, const char *file, int line, wsgi_log_level_t level,
                        apr_status_t status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vlog(runtime, NULL, file, line, level, status, format, arguments);
    va_end(arguments);
}

void wsgi_pylog_call(wsgi_call_t *call, const char *file, int line, wsgi_log_level_t level, apr_status_t status,
                     const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vlog(call->state->runtime, call, file, line, level, status, format, arguments);
    va_end(arguments);
}

int wsgi_pylog_enabled(const wsgi_runtime_t *runtime, wsgi_call_t *call, wsgi_log_level_t level)
{
    PyThreadState *tstate = PyEval_SaveThread();
    int wanted;

    if (call != NULL) {
        wanted = record_wanted(runtime, wsgi_call_lock(call), level);
        wsgi_call_unlock(call);
    } else {
        wanted = record_wanted(runtime, NULL, level);
    }
    PyEval_RestoreThread(tstate);
    return wanted;
}

wsgi_call_t *wsgi_pylog_current_call(const wsgi_pystate_t *state)
{
    wsgi_thread_t *thread = wsgi_thread_known(state->runtime);

    return thread != NULL && thread->call != NULL && thread->call->state == state ? thread->call : NULL;
}

/* ---- lines ---- */

static int append(wsgi_linebuf_t *buffer, const char *data, size_t length)
{
    size_t needed = buffer->length + length + 1;

    if (needed > buffer->capacity) {
        size_t capacity = needed < 256 ? 256 : needed + needed / 2;
        char *larger = realloc(buffer->data, capacity);
        if (larger == NULL) {
            return -1;
        }
        buffer->data = larger;
        buffer->capacity = capacity;
    }
    memcpy(buffer->data + buffer->length, data, length);
    buffer->length += length;
    buffer->data[buffer->length] = '\0';
    return 0;
}

/*
 * Move everything before the last newline out of the buffer. @return text of `length` bytes to be freed; NULL when
 * there is no complete line, or (failed set) no memory
 */
static char *take_lines(wsgi_linebuf_t *buffer, size_t *length, int *failed)
{
    size_t end = buffer->length;
    char *lines;

    while (end > 0 && buffer->data[end - 1] != '\n') {
        end--;
    }
    if (end == 0) {
        return NULL;
    }
    lines = malloc(end);
    if (lines == NULL) {
        *failed = 1;
        return NULL;
    }
    memcpy(lines, buffer->data, end);
    lines[end - 1] = '\0';
    *length = end - 1;
    buffer->length -= end;
    memmove(buffer->data, buffer->data + end, buffer->length + 1);
    return lines;
}

static int add_output(const wsgi_runtime_t *runtime, PyObject *owner, wsgi_call_t *call, wsgi_linebuf_t *buffer,
                      const char *data, size_t size)
{
    static const wsgi_record_t form = { .level = WSGI_LOG_ERR, .file = __FILE__, .line = __LINE__ };
    size_t length = 0;
    char *lines = NULL;
    int failed = 0;

    WSGI_BEGIN_CRITICAL(owner)
    failed = append(buffer, data, size) < 0;
    if (!failed && memchr(data, '\n', size) != NULL) {
        lines = take_lines(buffer, &length, &failed);
    }
    WSGI_END_CRITICAL()
    if (failed) {
        PyErr_NoMemory();
        return -1;
    }
    if (lines != NULL) {
        wsgi_pylog_lines(runtime, call, &form, lines, length, 0);
        free(lines);
    }
    return 0;
}

/* An incomplete line goes out as if it had ended. */
static int flush_output(const wsgi_runtime_t *runtime, PyObject *owner, wsgi_call_t *call, wsgi_linebuf_t *buffer)
{
    int is_empty;

    WSGI_BEGIN_CRITICAL(owner)
    is_empty = buffer->length == 0;
    WSGI_END_CRITICAL()
    return is_empty ? 0 : add_output(runtime, owner, call, buffer, "\n", 1);
}

void wsgi_pylog_flush_call(wsgi_call_t *call)
{
    if (flush_output(call->state->runtime, (PyObject *)call, call, &call->pending) < 0) {
        PyErr_Clear();
    }
}

/* ---- mod_wsgi.Log ---- */

/* The request whose buffer output goes to: its own, or for streams of the process the one the thread is running. */
static wsgi_call_t *log_target(const log_t *self)
{
    wsgi_thread_t *thread;

    if (self->call != NULL) {
        return self->call;
    }
    thread = wsgi_thread_known(self->runtime);
    return thread != NULL && thread->streams != NULL && thread->streams->state == self->state ? thread->streams
                                                                                               : NULL;
}

static int log_is_over(const log_t *self)
{
    return self->call != NULL && (self->expired || self->call->over);
}

static int log_add(log_t *self, const char *data, Py_ssize_t size)
{
    wsgi_call_t *call = log_target(self);

    return add_output(self->runtime, call != NULL ? (PyObject *)call : (PyObject *)self, call,
                      call != NULL ? &call->pending : &self->pending, data, (size_t)size);
}

static int log_write_object(log_t *self, PyObject *data)
{
    Py_buffer view;
    int rc;

    if (log_is_over(self)) {
        wsgi_call_raise_over("log object (wsgi.errors)");
        return -1;
    }
    if (PyUnicode_Check(data)) {
        Py_ssize_t size;
        const char *text;
        if (PyErr_WarnEx(PyExc_DeprecationWarning, "write bytes, not str, to the binary log object", 1) < 0) {
            return -1;
        }
        text = PyUnicode_AsUTF8AndSize(data, &size);
        return text != NULL ? log_add(self, text, size) : -1;
    }
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) {
        return -1;
    }
    rc = log_add(self, view.buf, view.len);
    PyBuffer_Release(&view);
    return rc;
}

static PyObject *log_write(PyObject *self, PyObject *data)
{
    if (log_write_object((log_t *)self, data) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *log_writelines(PyObject *self, PyObject *lines)
{
    PyObject *iterator = PyObject_GetIter(lines);
    PyObject *item;

    if (iterator == NULL) {
        return NULL;
    }
    while ((item = PyIter_Next(iterator)) != NULL) {
        int rc = log_write_object((log_t *)self, item);
        Py_DECREF(item);
        if (rc < 0) {
            break;
        }
    }
    Py_DECREF(iterator);
    if (PyErr_Occurred()) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static int log_flush_pending(log_t *self)
{
    wsgi_call_t *call = log_target(self);

    if (call != NULL) {
        return flush_output(self->runtime, (PyObject *)call, call, &call->pending);
    }
    return flush_output(self->runtime, (PyObject *)self, NULL, &self->pending);
}

static PyObject *log_flush(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    if (log_flush_pending((log_t *)self) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *log_close(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    if (log_flush_pending((log_t *)self) < 0) {
        return NULL;
    }
    ((log_t *)self)->expired = 1;
    Py_RETURN_NONE;
}

static PyObject *log_false(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(ignored))
{
    Py_RETURN_FALSE;
}

static PyObject *log_true(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(ignored))
{
    Py_RETURN_TRUE;
}

/* Whatever is written to descriptor 2 ends up in the error log, so faulthandler and subprocess can be given it. */
static PyObject *log_fileno(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromLong(STDERR_FD);
}

static PyObject *log_get_closed(PyObject *Py_UNUSED(self), void *Py_UNUSED(closure))
{
    Py_RETURN_FALSE;
}

static PyObject *log_get_text(PyObject *Py_UNUSED(self), void *closure)
{
    return PyUnicode_FromString(closure);
}

static PyObject *log_get_name(PyObject *self, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(((log_t *)self)->name);
}

static int log_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((log_t *)self)->call);
    return 0;
}

static void log_dealloc(PyObject *object)
{
    log_t *self = (log_t *)object;
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    if (self->call == NULL && self->pending.length > 0) {
        PyObject *exception = wsgi_compat_take_exception();
        if (flush_output(self->runtime, object, NULL, &self->pending) < 0) {
            PyErr_Clear();
        }
        if (exception != NULL) {
            wsgi_compat_set_exception(exception);
        }
    }
    Py_XDECREF(self->call);
    free(self->pending.data);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef log_methods[] = {
    { "write", log_write, METH_O, "Write bytes; each complete line becomes a record of the error log." },
    { "writelines", log_writelines, METH_O, "Write each item of an iterable." },
    { "flush", log_flush, METH_NOARGS, "Log an incomplete line." },
    { "close", log_close, METH_NOARGS, "Log an incomplete line and refuse further output of this request." },
    { "isatty", log_false, METH_NOARGS, NULL },
    { "readable", log_false, METH_NOARGS, NULL },
    { "seekable", log_false, METH_NOARGS, NULL },
    { "writable", log_true, METH_NOARGS, NULL },
    { "fileno", log_fileno, METH_NOARGS, "A descriptor whose output reaches the error log." },
    { NULL, NULL, 0, NULL },
};

static PyGetSetDef log_getset[] = {
    { "closed", log_get_closed, NULL, NULL, NULL },
    { "encoding", log_get_text, NULL, NULL, "utf-8" },
    { "errors", log_get_text, NULL, NULL, "replace" },
    { "name", log_get_name, NULL, NULL, NULL },
    { NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot log_slots[] = {
    { Py_tp_dealloc, log_dealloc }, { Py_tp_traverse, log_traverse }, { Py_tp_methods, log_methods },
    { Py_tp_getset, log_getset },   { 0, NULL },
};

static PyType_Spec log_spec = {
    .name = "mod_wsgi.Log",
    .basicsize = sizeof(log_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | WSGI_TPFLAGS_INTERNAL,
    .slots = log_slots,
};

static PyObject *log_new(wsgi_pystate_t *state, wsgi_call_t *call, const char *name)
{
    log_t *self = (log_t *)state->log_type->tp_alloc(state->log_type, 0);

    if (self != NULL) {
        self->runtime = state->runtime;
        self->state = state;
        self->call = (wsgi_call_t *)Py_XNewRef((PyObject *)call);
        self->name = name;
    }
    return (PyObject *)self;
}

/* ---- text streams ---- */

/*
 * Setting up an io.TextIOWrapper looks codecs up and makes Python objects: about as much work as all the rest of a
 * small request, which mostly never writes to its wsgi.errors. So that is done by the first access to an attribute.
 */
static stream_extra_t *stream_extra(PyObject *self)
{
    /* From the type, not from the module: the garbage collector may have parted the two at the end. */
    return (stream_extra_t *)(void *)((char *)self + Py_TYPE(self)->tp_base->tp_basicsize);
}

static int stream_setup(PyObject *self, PyObject *log)
{
    PyObject *method = log != NULL ? PyObject_GetAttrString(self, "__init__") : NULL;
    PyObject *arguments = method != NULL ? Py_BuildValue("(O)", log) : NULL;
    PyObject *keywords = arguments != NULL ? Py_BuildValue("{s:s,s:s,s:O,s:O}", "encoding", "utf-8", "errors",
                                                           "replace", "line_buffering", Py_True, "write_through",
                                                           Py_True)
                                           : NULL;
    PyObject *result = keywords != NULL ? PyObject_Call(method, arguments, keywords) : NULL;
    int rc = result != NULL ? 0 : -1;

    Py_XDECREF(result);
    Py_XDECREF(keywords);
    Py_XDECREF(arguments);
    Py_XDECREF(method);
    return rc;
}

/* Another thread is at it. It waits for nobody but the GIL, which is ours to give. */
static void stream_await(stream_extra_t *extra)
{
    wsgi_runtime_t *runtime = extra->runtime;
    PyThreadState *tstate = PyEval_SaveThread();

    pthread_mutex_lock(&runtime->streams_lock);
    while (atomic_load(&extra->state) != STREAM_READY) {
        pthread_cond_wait(&runtime->stream_ready, &runtime->streams_lock);
    }
    pthread_mutex_unlock(&runtime->streams_lock);
    PyEval_RestoreThread(tstate);
}

static void stream_announce(stream_extra_t *extra)
{
    wsgi_runtime_t *runtime = extra->runtime;

    pthread_mutex_lock(&runtime->streams_lock);
    atomic_store(&extra->state, STREAM_READY);
    pthread_cond_broadcast(&runtime->stream_ready);
    pthread_mutex_unlock(&runtime->streams_lock);
}

/* The collector may have taken the call away. */
static int stream_become_ready(PyObject *self, stream_extra_t *extra)
{
    wsgi_call_t *call = extra->call;
    PyObject *log = call != NULL ? log_new(call->state, call, call->errors_name) : NULL;
    int rc = call != NULL ? stream_setup(self, log) : 0;

    extra->call = NULL;
    Py_XDECREF(log);
    Py_XDECREF(call);
    return rc;
}

/* Setting up is done once, and looks up attributes of the stream itself on its way. */
static int stream_wake(PyObject *self)
{
    stream_extra_t *extra = stream_extra(self);
    unsigned long self_ident = (unsigned long)pthread_self();
    int fresh = STREAM_FRESH, rc = 0;

    if (atomic_load(&extra->state) == STREAM_READY) {
        return 0;
    }
    if (atomic_compare_exchange_strong(&extra->state, &fresh, STREAM_BEING_SET_UP)) {
        atomic_store(&extra->maker, self_ident);
        rc = stream_become_ready(self, extra);
        stream_announce(extra);
    } else if (atomic_load(&extra->maker) != self_ident) {
        stream_await(extra);
    }
    return rc;
}

static PyObject *stream_getattro(PyObject *self, PyObject *name)
{
    return stream_wake(self) == 0 ? PyObject_GenericGetAttr(self, name) : NULL;
}

static PyObject *stream_repr(PyObject *self)
{
    return stream_wake(self) == 0 ? Py_TYPE(self)->tp_base->tp_repr(self) : NULL;
}

static int stream_traverse(PyObject *self, visitproc visit, void *arg)
{
    PyTypeObject *base = Py_TYPE(self)->tp_base;

    Py_VISIT(stream_extra(self)->call);
    if (!PyType_HasFeature(base, Py_TPFLAGS_HEAPTYPE)) {
        Py_VISIT(Py_TYPE(self)); /* a base that is a heap type itself (3.12) visits it already */
    }
    return base->tp_traverse(self, visit, arg);
}

static int stream_clear(PyObject *self)
{
    Py_CLEAR(stream_extra(self)->call);
    return Py_TYPE(self)->tp_base->tp_clear(self);
}

/* The base class would call close(), which a stream that was never used does not need. */
static void stream_finalize(PyObject *self)
{
    stream_extra_t *extra = stream_extra(self);

    if (extra->call != NULL) {
        Py_CLEAR(extra->call);
    } else if (Py_TYPE(self)->tp_base->tp_finalize != NULL) {
        Py_TYPE(self)->tp_base->tp_finalize(self);
    }
}

static PyType_Slot stream_slots[] = {
    { Py_tp_getattro, stream_getattro }, { Py_tp_repr, stream_repr },         { Py_tp_traverse, stream_traverse },
    { Py_tp_clear, stream_clear },       { Py_tp_finalize, stream_finalize }, { 0, NULL },
};

static PyTypeObject *make_stream_type(PyObject *module)
{
    PyType_Spec spec = { .name = "mod_wsgi.LogStream", .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
                         .slots = stream_slots };
    PyObject *io = PyImport_ImportModule("io");
    PyObject *base = io != NULL ? PyObject_GetAttrString(io, "TextIOWrapper") : NULL;
    PyObject *bases = base != NULL ? PyTuple_Pack(1, base) : NULL;
    PyObject *type = NULL;

    if (bases != NULL) {
        spec.basicsize = (int)(((PyTypeObject *)base)->tp_basicsize + (Py_ssize_t)sizeof(stream_extra_t));
        type = PyType_FromModuleAndSpec(module, &spec, bases);
    }
    Py_XDECREF(bases);
    Py_XDECREF(base);
    Py_XDECREF(io);
    return (PyTypeObject *)type;
}

PyObject *wsgi_pylog_errors(wsgi_call_t *call)
{
    wsgi_pystate_t *state = call->state;
    PyObject *stream = state->stream_type->tp_alloc(state->stream_type, 0);

    if (stream != NULL) {
        stream_extra(stream)->call = (wsgi_call_t *)Py_NewRef((PyObject *)call);
        stream_extra(stream)->runtime = state->runtime;
        atomic_store(&stream_extra(stream)->state, STREAM_FRESH);
    }
    return stream;
}

PyObject *wsgi_pylog_stream(wsgi_pystate_t *state, const char *name)
{
    PyObject *log = log_new(state, NULL, name);
    PyObject *stream = log != NULL ? state->stream_type->tp_alloc(state->stream_type, 0) : NULL;

    if (stream != NULL && stream_setup(stream, log) < 0) {
        Py_CLEAR(stream);
    }
    Py_XDECREF(log);
    return stream;
}

int wsgi_pylog_register(PyObject *module, wsgi_pystate_t *state)
{
    state->log_type = wsgi_compat_seal(PyType_FromModuleAndSpec(module, &log_spec, NULL));
    state->stream_type = state->log_type != NULL ? make_stream_type(module) : NULL;
    return state->stream_type != NULL ? 0 : -1;
}
