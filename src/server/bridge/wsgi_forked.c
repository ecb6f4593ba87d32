#include "bridge/wsgi_forked.h"

#include <unistd.h>

#include "bridge/wsgi_call.h"

/* Set in a process made by fork(), before it runs anything else; a handler of fork() has no argument. */
static atomic_int forked;
static wsgi_runtime_t *watched;

/*
 * The threads that send held output may have been in the middle of it, and whoever held a lock for that does not exist
 * here. The request of the thread that forked, with those around it, is the one whose logs may still be written to.
 */
static void renew_locks(wsgi_runtime_t *runtime)
{
    wsgi_thread_t *thread = wsgi_thread_known(runtime);
    wsgi_call_t *call;

    wsgi_flusher_forked(&runtime->flusher);
    for (call = thread != NULL ? thread->call : NULL; call != NULL; call = call->outer) {
        call->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
        wsgi_outbox_forked(&call->outbox);
    }
}

static void note_fork(void)
{
    atomic_store(&forked, 1);
    renew_locks(watched);
}

int wsgi_forked_watch(wsgi_runtime_t *runtime)
{
    watched = runtime;
    return pthread_atfork(NULL, NULL, note_fork);
}

void wsgi_forked_by_host(void)
{
    atomic_store(&forked, 0);
}

int wsgi_forked(void)
{
    return atomic_load_explicit(&forked, memory_order_relaxed);
}

/* What a program that ends with this exception would exit with. */
static int exit_status(void)
{
    PyObject *exception, *code;
    int status = 1;

    if (!PyErr_ExceptionMatches(PyExc_SystemExit)) {
        PyErr_Print();
        return status;
    }
    exception = wsgi_compat_take_exception();
    code = exception != NULL ? PyObject_GetAttrString(exception, "code") : NULL;
    if (code == Py_None) {
        status = 0;
    } else if (code != NULL && PyLong_Check(code)) {
        status = (int)(PyLong_AsUnsignedLongMask(code) & 0xff);
    }
    Py_XDECREF(code);
    Py_XDECREF(exception);
    return status;
}

void wsgi_forked_end(void)
{
    if (wsgi_forked()) {
        _exit(PyErr_Occurred() != NULL ? exit_status() : 0);
    }
}
