#include "bridge/wsgi_call.h"

#include <apr_time.h>
#include <stdlib.h>

#include "bridge/wsgi_interp.h"
#include "bridge/wsgi_pylog.h"
#include "bridge/wsgi_response.h"

static int call_traverse(PyObject *self, visitproc visit, void *arg)
{
    wsgi_call_t *call = (wsgi_call_t *)self;

    Py_VISIT(Py_TYPE(self));
    Py_VISIT(call->reply.status);
    Py_VISIT(call->reply.items);
    Py_VISIT(call->data);
    return 0;
}

static int call_clear(PyObject *self)
{
    wsgi_call_t *call = (wsgi_call_t *)self;

    Py_CLEAR(call->data);
    return 0;
}

static void call_dealloc(PyObject *self)
{
    wsgi_call_t *call = (wsgi_call_t *)self;
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    wsgi_reply_clear(&call->reply);
    Py_XDECREF(call->data);
    Py_XDECREF(call->request_id);
    free(call->pending.data);
    wsgi_outbox_clear(&call->outbox);
    pthread_mutex_destroy(&call->lock);
    type->tp_free(self);
    Py_DECREF(type);
}

PyDoc_STRVAR(call_doc, "start_response(status, headers[, exc_info]) of one WSGI request; see PEP 3333.");

static PyMemberDef call_members[] = {
    { "__vectorcalloffset__", Py_T_PYSSIZET, offsetof(wsgi_call_t, vectorcall), Py_READONLY, NULL },
    { NULL, 0, 0, 0, NULL },
};

static PyType_Slot call_slots[] = {
    { Py_tp_doc, (void *)call_doc },        { Py_tp_dealloc, call_dealloc },   { Py_tp_traverse, call_traverse },
    { Py_tp_clear, call_clear },            { Py_tp_members, call_members },   { Py_tp_call, PyVectorcall_Call },
    { 0, NULL },
};

static PyType_Spec call_spec = {
    .name = "mod_wsgi.Request",
    .basicsize = sizeof(wsgi_call_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | WSGI_TPFLAGS_INTERNAL,
    .slots = call_slots,
};

int wsgi_call_register(PyObject *module, wsgi_pystate_t *state)
{
    state->call_type = wsgi_compat_seal(PyType_FromModuleAndSpec(module, &call_spec, NULL));
    return state->call_type != NULL ? 0 : -1;
}

wsgi_call_t *wsgi_call_new(wsgi_pystate_t *state, wsgi_thread_t *thread, const wsgi_request_t *request,
                           wsgi_exchange_t *exchange)
{
    wsgi_call_t *call = (wsgi_call_t *)state->call_type->tp_alloc(state->call_type, 0);

    if (call == NULL) {
        return NULL;
    }
    call->vectorcall = wsgi_response_start;
    call->state = state;
    call->thread = thread;
    call->request = request;
    call->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    call->exchange = exchange;
    wsgi_outbox_init(&call->outbox, call);
    call->reply.declared = -1;
    call->errors_name = "<wsgi.errors>";
    call->data = PyDict_New();
    if (call->data == NULL) {
        Py_DECREF(call);
        return NULL;
    }
    return call;
}

wsgi_exchange_t *wsgi_call_lock(wsgi_call_t *call)
{
    pthread_mutex_lock(&call->lock);
    return call->exchange;
}

void wsgi_call_unlock(wsgi_call_t *call)
{
    pthread_mutex_unlock(&call->lock);
}

wsgi_detached_t wsgi_call_detach(void)
{
    wsgi_detached_t detached = { PyEval_SaveThread() };

    return detached;
}

void wsgi_call_attach(wsgi_call_t *call, wsgi_detached_t detached)
{
    apr_time_t before;

    if (!call->timed) {
        PyEval_RestoreThread(detached.tstate);
        return;
    }
    before = apr_time_now();
    PyEval_RestoreThread(detached.tstate);
    call->tally.gil_wait_time += apr_time_now() - before;
    call->tally.gil_waits++;
}

void wsgi_call_activity(const wsgi_call_t *call)
{
    const wsgi_host_t *host = call->state->runtime->host;

    if (host->activity != NULL && !call->request->route->ignore_activity) {
        host->activity(host->context);
    }
}

void wsgi_call_finish(wsgi_call_t *call)
{
    call->over = 1;
    wsgi_pylog_flush_call(call);
    /* Mostly nobody else uses the exchange, and then the GIL need not be given away. */
    if (pthread_mutex_trylock(&call->lock) != 0) {
        PyThreadState *tstate = PyEval_SaveThread();
        pthread_mutex_lock(&call->lock);
        call->exchange = NULL;
        pthread_mutex_unlock(&call->lock);
        PyEval_RestoreThread(tstate);
    } else {
        call->exchange = NULL;
        pthread_mutex_unlock(&call->lock);
    }
    wsgi_outbox_retire(call);
    call->request = NULL;
    Py_CLEAR(call->data);
}

PyObject *wsgi_call_raise_over(const char *what)
{
    PyErr_Format(PyExc_RuntimeError, "%s was used after the request had completed", what);
    return NULL;
}
