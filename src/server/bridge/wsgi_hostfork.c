#include "bridge/wsgi_hostfork.h"

#include <errno.h>
#include <unistd.h>

#include "bridge/wsgi_forked.h"
#include "bridge/wsgi_interp.h"
#include "bridge/wsgi_pylog.h"

/*
 * A collection writes to all objects that it looks at, and so copies their pages. What is there now is out of its
 * reach from here on, but for garbage, which goes first. GIL held.
 */
static void freeze(wsgi_runtime_t *runtime)
{
    PyObject *gc, *result;

    if (runtime->frozen) {
        return;
    }
    (void)PyGC_Collect();
    gc = PyImport_ImportModule("gc");
    result = gc != NULL ? PyObject_CallMethod(gc, "freeze", NULL) : NULL;
    if (result == NULL) {
        PyErr_Clear();
        wsgi_pylog_process(runtime, WSGI_HERE, WSGI_LOG_INFO, APR_SUCCESS,
                           "The garbage collector cannot be frozen %s: it will copy memory that processes share.",
                           runtime->process);
    }
    Py_XDECREF(result);
    Py_XDECREF(gc);
    runtime->frozen = 1;
}

/*
 * Threads that the application has started do not exist in the new process, but what they hold does: the locks that
 * they may take, for a moment, are ours while the process is made. Python looks after its own.
 */
static pid_t make_process(wsgi_runtime_t *runtime, pid_t (*make)(void *context), void *context)
{
    pid_t pid;
    int error;

    PyOS_BeforeFork();
    pthread_mutex_lock(&runtime->streams_lock);
    pthread_mutex_lock(&runtime->leaving_lock);
    pid = make(context);
    error = errno;
    pthread_mutex_unlock(&runtime->leaving_lock);
    pthread_mutex_unlock(&runtime->streams_lock);
    if (pid == 0) {
        runtime->pid = getpid();
        wsgi_forked_by_host();
        PyOS_AfterFork_Child();
    } else {
        PyOS_AfterFork_Parent();
    }
    errno = error;
    return pid;
}

pid_t wsgi_hostfork(wsgi_runtime_t *runtime, pid_t (*make)(void *context), void *context)
{
    wsgi_thread_t *thread = wsgi_thread_current(runtime);
    pid_t pid = -1;
    int error = ENOMEM;

    pthread_mutex_lock(&runtime->creating);
    if (thread != NULL && wsgi_interp_enter(thread, runtime->main) == 0) {
        freeze(runtime);
        pid = make_process(runtime, make, context);
        error = errno;
        wsgi_interp_leave();
    }
    pthread_mutex_unlock(&runtime->creating);
    errno = error;
    return pid;
}
