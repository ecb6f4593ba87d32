#include "bridge/wsgi_filewrapper.h"

#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_BLOCK_SIZE 8192

typedef struct {
    PyObject_HEAD
    PyObject *filelike; /* NULL once closed */
    Py_ssize_t block_size;
} wrapper_t;

static PyObject *raise_closed(void)
{
    PyErr_SetString(PyExc_ValueError, "I/O operation on closed file");
    return NULL;
}

static PyObject *wrapper_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = { "filelike", "blksize", NULL };
    PyObject *filelike = NULL;
    Py_ssize_t block_size = DEFAULT_BLOCK_SIZE;
    wrapper_t *self;

    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|n:FileWrapper", names, &filelike, &block_size)) {
        return NULL;
    }
    if (block_size < 0) {
        PyErr_SetString(PyExc_ValueError, "blksize must not be negative");
        return NULL;
    }
    self = (wrapper_t *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->filelike = Py_NewRef(filelike);
        self->block_size = block_size;
    }
    return (PyObject *)self;
}

static int wrapper_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((wrapper_t *)self)->filelike);
    return 0;
}

static int wrapper_clear(PyObject *self)
{
    Py_CLEAR(((wrapper_t *)self)->filelike);
    return 0;
}

static void wrapper_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    wrapper_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

/* New reference to the wrapped object, NULL with ValueError once closed. */
static PyObject *open_filelike(PyObject *object)
{
    wrapper_t *self = (wrapper_t *)object;
    PyObject *filelike;

    WSGI_BEGIN_CRITICAL(object)
    filelike = Py_XNewRef(self->filelike);
    WSGI_END_CRITICAL()
    return filelike != NULL ? filelike : raise_closed();
}

static PyObject *wrapper_next(PyObject *self)
{
    PyObject *filelike = open_filelike(self);
    PyObject *block;

    if (filelike == NULL) {
        return NULL;
    }
    block = PyObject_CallMethod(filelike, "read", "n", ((wrapper_t *)self)->block_size);
    Py_DECREF(filelike);
    if (block == NULL) {
        return NULL;
    }
    if (!PyBytes_Check(block)) {
        PyErr_Format(PyExc_TypeError, "read() of a file wrapper's object must return bytes, not %.200s",
                     Py_TYPE(block)->tp_name);
        Py_DECREF(block);
        return NULL;
    }
    if (PyBytes_GET_SIZE(block) == 0) {
        Py_DECREF(block);
        return NULL;
    }
    return block;
}

static PyObject *wrapper_close(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    wrapper_t *self = (wrapper_t *)object;
    PyObject *filelike, *result;

    WSGI_BEGIN_CRITICAL(object)
    filelike = self->filelike;
    self->filelike = NULL;
    WSGI_END_CRITICAL()
    if (filelike != NULL) {
        result = PyObject_CallMethod(filelike, "close", NULL);
        if (result == NULL) {
            PyErr_Clear(); /* no close(), or one that fails: the response is out already */
        }
        Py_XDECREF(result);
        Py_DECREF(filelike);
    }
    Py_RETURN_NONE;
}

static PyObject *wrapper_get_filelike(PyObject *self, void *Py_UNUSED(closure))
{
    return open_filelike(self);
}

/* Only there when the wrapped object has it: agents and middleware decide by it what they leave alone. */
static PyObject *wrapper_get_fileno(PyObject *self, void *Py_UNUSED(closure))
{
    PyObject *filelike = open_filelike(self);
    PyObject *method = filelike != NULL ? PyObject_GetAttrString(filelike, "fileno") : NULL;

    Py_XDECREF(filelike);
    return method;
}

static PyMethodDef wrapper_methods[] = {
    { "close", wrapper_close, METH_NOARGS, "Close the wrapped object." },
    { NULL, NULL, 0, NULL },
};

static PyMemberDef wrapper_members[] = {
    { "blksize", Py_T_PYSSIZET, offsetof(wrapper_t, block_size), Py_READONLY, "Bytes read in one step." },
    { NULL, 0, 0, 0, NULL },
};

static PyGetSetDef wrapper_getset[] = {
    { "filelike", wrapper_get_filelike, NULL, "The wrapped object.", NULL },
    { "fileno", wrapper_get_fileno, NULL, "fileno of the wrapped object, if it has one.", NULL },
    { NULL, NULL, NULL, NULL, NULL },
};

PyDoc_STRVAR(wrapper_doc, "FileWrapper(filelike, blksize=8192): a file as the body of a response.");

static PyType_Slot wrapper_slots[] = {
    { Py_tp_doc, (void *)wrapper_doc },    { Py_tp_new, wrapper_new },         { Py_tp_dealloc, wrapper_dealloc },
    { Py_tp_traverse, wrapper_traverse },  { Py_tp_clear, wrapper_clear },     { Py_tp_iter, PyObject_SelfIter },
    { Py_tp_iternext, wrapper_next },      { Py_tp_methods, wrapper_methods }, { Py_tp_members, wrapper_members },
    { Py_tp_getset, wrapper_getset },      { 0, NULL },
};

static PyType_Spec wrapper_spec = {
    .name = "mod_wsgi.FileWrapper",
    .basicsize = sizeof(wrapper_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = wrapper_slots,
};

int wsgi_filewrapper_register(PyObject *module, wsgi_pystate_t *state)
{
    state->filewrapper_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &wrapper_spec, NULL);
    return state->filewrapper_type != NULL ? 0 : -1;
}

/* Result of a method without arguments as a number, -1 when there is no such method, or it fails, or it is none. */
static apr_int64_t number_from(PyObject *object, PyObject *name)
{
    PyObject *result = PyObject_CallMethodObjArgs(object, name, NULL);
    apr_int64_t number = result != NULL && PyLong_Check(result) ? PyLong_AsLongLong(result) : -1;

    Py_XDECREF(result);
    PyErr_Clear();
    return number;
}

int wsgi_filewrapper_range(wsgi_pystate_t *state, PyObject *result, wsgi_file_range_t *range)
{
    PyObject *filelike;
    struct stat info;

    if (!PyObject_TypeCheck(result, state->filewrapper_type)) {
        return 0;
    }
    filelike = Py_XNewRef(((wrapper_t *)result)->filelike);
    if (filelike == NULL) {
        return 0; /* iterating it says that it is closed */
    }
    range->fd = PyObject_AsFileDescriptor(filelike);
    PyErr_Clear();
    range->offset = range->fd >= 0 ? number_from(filelike, WSGI_NAME(state, TELL)) : -1;
    Py_DECREF(filelike);
    if (range->offset < 0 || fstat(range->fd, &info) != 0 || !S_ISREG(info.st_mode) ||
        lseek(range->fd, 0, SEEK_CUR) < 0) {
        return 0;
    }
    range->length = info.st_size > range->offset ? info.st_size - range->offset : 0;
    return 1;
}
