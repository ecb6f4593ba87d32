#include "bridge/wsgi_tlsprobe.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    PyObject_HEAD
    wsgi_call_t *call;
    const wsgi_tls_t *tls; /* valid until call->over */
} probe_t;

static PyObject *probe_is_https(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    probe_t *self = (probe_t *)object;

    return self->call->over ? wsgi_call_raise_over("mod_ssl.is_https()") : PyLong_FromLong(self->tls->is_https != 0);
}

/* The name as bytes, new reference; NULL with TypeError or ValueError. */
static PyObject *encode_name(PyObject *name)
{
    PyObject *encoded;

    if (PyBytes_Check(name)) {
        encoded = Py_NewRef(name);
    } else if (PyUnicode_Check(name)) {
        encoded = PyUnicode_AsLatin1String(name);
    } else {
        PyErr_Format(PyExc_TypeError, "the name of a variable must be str or bytes, not %.200s",
                     Py_TYPE(name)->tp_name);
        return NULL;
    }
    if (encoded != NULL && strlen(PyBytes_AS_STRING(encoded)) != (size_t)PyBytes_GET_SIZE(encoded)) {
        PyErr_SetString(PyExc_ValueError, "the name of a variable must not contain NUL");
        Py_CLEAR(encoded);
    }
    return encoded;
}

/*
 * What mod_ssl returns lives in the request's pool, which others use once the call is unlocked: copied before.
 * @param value receives a copy to be freed, NULL for none
 * @return 0 in time; -1 the call is over; -2 no memory
 */
static int look_up(char **value, const probe_t *self, const char *name)
{
    const char *found = NULL;
    int rc = -1;

    *value = NULL;
    if (wsgi_call_lock(self->call) != NULL) {
        found = self->tls->look_up(self->tls->context, name);
        *value = found != NULL ? strdup(found) : NULL;
        rc = found != NULL && *value == NULL ? -2 : 0;
    }
    wsgi_call_unlock(self->call);
    return rc;
}

static PyObject *probe_var_lookup(PyObject *object, PyObject *name)
{
    PyObject *encoded = encode_name(name), *result;
    PyThreadState *tstate;
    char *value;
    int rc;

    if (encoded == NULL) {
        return NULL;
    }
    tstate = PyEval_SaveThread();
    rc = look_up(&value, (probe_t *)object, PyBytes_AS_STRING(encoded));
    PyEval_RestoreThread(tstate);
    Py_DECREF(encoded);
    if (rc < 0) {
        return rc == -1 ? wsgi_call_raise_over("mod_ssl.var_lookup()") : PyErr_NoMemory();
    }
    result = value != NULL ? PyUnicode_DecodeLatin1(value, (Py_ssize_t)strlen(value), NULL) : Py_NewRef(Py_None);
    free(value);
    return result;
}

static int probe_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((probe_t *)self)->call);
    return 0;
}

static void probe_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    Py_XDECREF(((probe_t *)self)->call);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef probe_methods[] = {
    { "is_https", probe_is_https, METH_NOARGS, "is_https(): 1 when the client's connection uses TLS, else 0." },
    { "var_lookup", probe_var_lookup, METH_O, "var_lookup(name): a variable of mod_ssl, None when there is none." },
    { NULL, NULL, 0, NULL },
};

static PyType_Slot probe_slots[] = {
    { Py_tp_dealloc, probe_dealloc },
    { Py_tp_traverse, probe_traverse },
    { Py_tp_methods, probe_methods },
    { 0, NULL },
};

static PyType_Spec probe_spec = {
    .name = "mod_wsgi.TLSProbe",
    .basicsize = sizeof(probe_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | WSGI_TPFLAGS_INTERNAL,
    .slots = probe_slots,
};

int wsgi_tlsprobe_register(PyObject *module, wsgi_pystate_t *state)
{
    state->tls_type = wsgi_compat_seal(PyType_FromModuleAndSpec(module, &probe_spec, NULL));
    return state->tls_type != NULL ? 0 : -1;
}

static int add_method(PyObject *environ, PyObject *probe, const char *key, const char *method)
{
    PyObject *bound = PyObject_GetAttrString(probe, method);
    int rc = bound != NULL ? PyDict_SetItemString(environ, key, bound) : -1;

    Py_XDECREF(bound);
    return rc;
}

int wsgi_tlsprobe_add(PyObject *environ, wsgi_call_t *call, const wsgi_tls_t *tls)
{
    probe_t *probe = (probe_t *)call->state->tls_type->tp_alloc(call->state->tls_type, 0);
    int rc = -1;

    if (probe != NULL) {
        probe->call = (wsgi_call_t *)Py_NewRef((PyObject *)call);
        probe->tls = tls;
        rc = add_method(environ, (PyObject *)probe, "mod_ssl.is_https", "is_https");
        rc = rc == 0 ? add_method(environ, (PyObject *)probe, "mod_ssl.var_lookup", "var_lookup") : rc;
    }
    Py_XDECREF((PyObject *)probe);
    return rc;
}
