#include "bridge/wsgi_watch.h"

#include <stdlib.h>

#include "bridge/wsgi_bounded.h"
#include "bridge/wsgi_interp.h"
#include "bridge/wsgi_pyerror.h"
#include "bridge/wsgi_pylog.h"

/* ---- interruption ---- */

static wsgi_thread_t *find_thread(wsgi_runtime_t *runtime, unsigned long ident)
{
    wsgi_thread_t *thread;

    for (thread = atomic_load(&runtime->threads); thread != NULL; thread = thread->next) {
        if (atomic_load(&thread->in_use) && atomic_load(&thread->ident) == ident) {
            return thread;
        }
    }
    return NULL;
}

/*
 * Threads whose GIL we hold stand still and can be looked at. Without GIL they would run on, and their frames change
 * under our eyes. Not by sys._current_frames(): it reaches into interpreters whose GIL is another one.
 */
static int may_look(const wsgi_runtime_t *runtime)
{
    if (runtime->free_threaded) {
        wsgi_log(&runtime->host->log, WSGI_HERE, WSGI_LOG_INFO, APR_SUCCESS,
                 "The stacks of threads %s are not shown: free threading is active.", runtime->process);
    }
    return !runtime->free_threaded;
}

typedef struct {
    unsigned long ident;
    PyFrameObject *frame; /* a reference of our own */
} seen_t;

/*
 * Frames of the thread `ident`, or of all when it is 0, in the current interpreter. Nothing here gives the GIL away,
 * not even for the garbage collector: a thread that ended meanwhile would take its state along.
 * @return how many; -1 when there is no memory for them
 */
static int collect(seen_t **out, const wsgi_interp_t *interp, unsigned long ident)
{
    PyThreadState *tstate;
    int room = 0, count = 0, collects = wsgi_compat_stop_gc();

    for (tstate = PyInterpreterState_ThreadHead(interp->state); tstate != NULL; tstate = PyThreadState_Next(tstate)) {
        room++;
    }
    *out = calloc((size_t)room, sizeof(**out));
    tstate = *out != NULL ? PyInterpreterState_ThreadHead(interp->state) : NULL;
    for (; tstate != NULL && count < room; tstate = PyThreadState_Next(tstate)) {
        unsigned long number = wsgi_compat_thread_ident(tstate);
        PyFrameObject *frame = ident == 0 || ident == number ? PyThreadState_GetFrame(tstate) : NULL;
        if (frame != NULL) {
            (*out)[count++] = (seen_t){ number, frame };
        }
    }
    wsgi_compat_resume_gc(collects);
    return *out != NULL ? count : -1;
}

/* Log the stack of one thread of the current interpreter, or of all when `ident` is 0. GIL held. */
static void log_stacks(const wsgi_interp_t *interp, unsigned long ident)
{
    seen_t *seen;
    int count = collect(&seen, interp, ident);

    if (count < 0) {
        wsgi_pylog_process(interp->runtime, WSGI_HERE, WSGI_LOG_WARNING, APR_SUCCESS,
                           WSGI_LOGNO(0067) "The stacks of the threads in the %s %s cannot be had: out of memory.",
                           interp->label, interp->runtime->process);
    }
    for (int i = 0; i < count; i++) {
        wsgi_pylog_process(interp->runtime, WSGI_HERE, WSGI_LOG_INFO, APR_SUCCESS,
                           "Stack of thread %lu in the %s %s:", seen[i].ident, interp->label,
                           interp->runtime->process);
        wsgi_pyerror_log_stack(interp, NULL, (PyObject *)seen[i].frame);
        Py_DECREF(seen[i].frame);
    }
    free(seen);
}

static int interrupt(wsgi_runtime_t *runtime, wsgi_thread_t *self, unsigned long ident)
{
    wsgi_thread_t *thread = find_thread(runtime, ident);
    wsgi_interp_t *interp = thread != NULL ? atomic_load(&thread->inside) : NULL;
    int injected = 0;

    if (interp == NULL || wsgi_interp_enter(self, interp) < 0) {
        return 0;
    }
    if (may_look(runtime)) {
        log_stacks(interp, ident);
    }
    pthread_mutex_lock(&thread->interrupting);
    if (atomic_load(&thread->inside) == interp && atomic_load(&thread->ident) == ident) {
        thread->injected = PyThreadState_SetAsyncExc(ident, interp->pystate->request_timeout) > 0;
        injected = thread->injected;
    }
    pthread_mutex_unlock(&thread->interrupting);
    wsgi_interp_leave();
    return injected;
}

int wsgi_watch_interrupt(wsgi_runtime_t *runtime, unsigned long ident)
{
    wsgi_thread_t *self = wsgi_thread_current(runtime);
    int injected;

    if (self == NULL || wsgi_runtime_begin_visit(runtime) < 0) {
        return 0;
    }
    injected = interrupt(runtime, self, ident);
    wsgi_runtime_end_visit(runtime);
    return injected;
}

/* ---- stacks ---- */

static void dump_interp(wsgi_interp_t *interp)
{
    wsgi_thread_t *thread = wsgi_thread_current(interp->runtime);

    if (thread != NULL && wsgi_interp_enter(thread, interp) == 0) {
        log_stacks(interp, 0);
        wsgi_interp_leave();
    }
}

/* On a thread of its own; the interpreter given stands for all that share its GIL. */
static void dump_gil(void *argument)
{
    wsgi_interp_t *first = argument, *interp;
    wsgi_runtime_t *runtime = first->runtime;

    if (wsgi_runtime_begin_visit(runtime) < 0) {
        return;
    }
    if (first->own_gil) {
        dump_interp(first);
    } else {
        for (interp = atomic_load(&runtime->interps); interp != NULL; interp = interp->next) {
            if (!interp->own_gil) {
                dump_interp(interp);
            }
        }
    }
    wsgi_runtime_end_visit(runtime);
}

static void report_dump(const wsgi_interp_t *interp, int done)
{
    const wsgi_runtime_t *runtime = interp->runtime;

    if (done < 0) {
        wsgi_log(&runtime->host->log, WSGI_HERE, WSGI_LOG_WARNING, APR_SUCCESS,
                 WSGI_LOGNO(0212) "The stacks of the threads in the %s %s are not dumped: no thread can be made for "
                                  "it.", interp->label, runtime->process);
    } else if (done == 0) {
        wsgi_log(&runtime->host->log, WSGI_HERE, WSGI_LOG_WARNING, APR_SUCCESS,
                 WSGI_LOGNO(0213) "The stacks of the threads in the %s %s are not dumped: it cannot be entered.",
                 interp->label, runtime->process);
    }
}

/* Whether an interpreter has a GIL, and is the one that stands for it. */
static int stands_for_gil(const wsgi_interp_t *interp)
{
    return interp->own_gil || interp == interp->runtime->main;
}

static int count_gils(wsgi_runtime_t *runtime)
{
    wsgi_interp_t *interp;
    int count = 0;

    for (interp = atomic_load(&runtime->interps); interp != NULL; interp = interp->next) {
        count += stands_for_gil(interp);
    }
    return count > 0 ? count : 1;
}

/* One interpreter that cannot be entered must not keep us from the others: each GIL has its share of the time. */
void wsgi_watch_dump_stacks(wsgi_runtime_t *runtime, apr_interval_time_t wait)
{
    apr_interval_time_t share = wait / count_gils(runtime);
    wsgi_interp_t *interp;

    if (atomic_load(&runtime->closing) || !may_look(runtime)) {
        return;
    }
    for (interp = atomic_load(&runtime->interps); interp != NULL; interp = interp->next) {
        if (stands_for_gil(interp)) {
            report_dump(interp, wsgi_bounded_run(dump_gil, interp, share));
        }
    }
}

/* ---- probe ---- */

void wsgi_watch_probe(wsgi_runtime_t *runtime)
{
    wsgi_thread_t *thread = wsgi_thread_current(runtime);
    wsgi_interp_t *interp;

    if (thread == NULL || wsgi_runtime_begin_visit(runtime) < 0) {
        return;
    }
    for (interp = atomic_load(&runtime->interps); interp != NULL; interp = interp->next) {
        if (stands_for_gil(interp) && wsgi_interp_enter(thread, interp) == 0) {
            wsgi_interp_leave();
        }
    }
    wsgi_runtime_end_visit(runtime);
}

/* ---- who holds the GIL ---- */

/* Pointers are compared, never followed: a state of another thread may be gone by now. */
int wsgi_watch_holds_gil(const wsgi_runtime_t *runtime)
{
    const wsgi_thread_t *thread = wsgi_thread_known(runtime);
    const PyThreadState *running = thread != NULL ? wsgi_compat_running_state() : NULL;
    const wsgi_attachment_t *attachment;

    for (attachment = running != NULL ? thread->attachments : NULL; attachment != NULL;
         attachment = attachment->next) {
        if (attachment->tstate == running) {
            return 1;
        }
    }
    return 0;
}
