#include "bridge/wsgi_thread.h"

#include <stdlib.h>

#include "bridge/wsgi_interp.h"

static wsgi_thread_t *recycle(wsgi_runtime_t *runtime)
{
    wsgi_thread_t *thread;

    for (thread = atomic_load(&runtime->threads); thread != NULL; thread = thread->next) {
        int unused = 0;
        if (atomic_compare_exchange_strong(&thread->in_use, &unused, 1)) {
            return thread;
        }
    }
    return NULL;
}

static wsgi_thread_t *make(wsgi_runtime_t *runtime)
{
    wsgi_thread_t *thread = calloc(1, sizeof(*thread));

    if (thread == NULL) {
        return NULL;
    }
    thread->runtime = runtime;
    thread->interrupting = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    atomic_store(&thread->in_use, 1);
    thread->next = atomic_load(&runtime->threads);
    while (!atomic_compare_exchange_weak(&runtime->threads, &thread->next, thread)) {
    }
    return thread;
}

wsgi_thread_t *wsgi_thread_known(const wsgi_runtime_t *runtime)
{
    return pthread_getspecific(runtime->thread_key);
}

wsgi_thread_t *wsgi_thread_current(wsgi_runtime_t *runtime)
{
    wsgi_thread_t *thread = wsgi_thread_known(runtime);

    if (thread != NULL) {
        return thread;
    }
    thread = recycle(runtime);
    if (thread == NULL) {
        thread = make(runtime);
    }
    if (thread == NULL) {
        return NULL;
    }
    thread->requests = 0;
    thread->number = atomic_fetch_add(&runtime->thread_count, 1);
    atomic_store(&thread->ident, (unsigned long)pthread_self());
    if (pthread_setspecific(runtime->thread_key, thread) != 0) {
        atomic_store(&thread->in_use, 0);
        return NULL;
    }
    return thread;
}

int wsgi_thread_adopt(wsgi_thread_t *thread, wsgi_interp_t *interp, PyThreadState *tstate)
{
    wsgi_attachment_t *attachment = malloc(sizeof(*attachment));

    if (attachment == NULL) {
        return -1;
    }
    attachment->interp = interp;
    attachment->tstate = tstate;
    attachment->next = thread->attachments;
    thread->attachments = attachment;
    return 0;
}

static PyThreadState *find_state(const wsgi_thread_t *thread, const wsgi_interp_t *interp)
{
    const wsgi_attachment_t *attachment;

    for (attachment = thread->attachments; attachment != NULL; attachment = attachment->next) {
        if (attachment->interp == interp) {
            return attachment->tstate;
        }
    }
    return NULL;
}

static PyThreadState *make_state(wsgi_thread_t *thread, wsgi_interp_t *interp)
{
    PyThreadState *tstate = PyThreadState_New(interp->state);

    if (tstate != NULL && wsgi_thread_adopt(thread, interp, tstate) < 0) {
        PyEval_RestoreThread(tstate);
        PyThreadState_Clear(tstate);
        PyThreadState_DeleteCurrent();
        return NULL;
    }
    return tstate;
}

PyThreadState *wsgi_thread_state(wsgi_thread_t *thread, wsgi_interp_t *interp)
{
    wsgi_interp_t *main_interp = thread->runtime->main;
    PyThreadState *tstate = find_state(thread, interp);

    if (tstate != NULL) {
        return tstate;
    }
    /*
     * The first thread state that a thread makes is the one that PyGILState_Ensure() will find, and extensions
     * that call it expect the main interpreter.
     */
    if (interp != main_interp && find_state(thread, main_interp) == NULL && make_state(thread, main_interp) == NULL) {
        return NULL;
    }
    return make_state(thread, interp);
}

void wsgi_thread_detach_all(wsgi_interp_t *interp, PyThreadState *last)
{
    wsgi_thread_t *thread;

    for (thread = atomic_load(&interp->runtime->threads); thread != NULL; thread = thread->next) {
        wsgi_attachment_t **link = &thread->attachments;
        while (*link != NULL) {
            wsgi_attachment_t *attachment = *link;
            if (attachment->interp != interp) {
                link = &attachment->next;
                continue;
            }
            *link = attachment->next;
            if (attachment->tstate != last) {
                PyThreadState_Clear(attachment->tstate);
                PyThreadState_Delete(attachment->tstate);
            }
            free(attachment);
        }
    }
}

int wsgi_thread_reserve(wsgi_thread_t *thread, size_t size)
{
    char *larger;

    if (size <= thread->buffer_size) {
        return 0;
    }
    larger = realloc(thread->buffer, size);
    if (larger == NULL) {
        return -1;
    }
    thread->buffer = larger;
    thread->buffer_size = size;
    return 0;
}

/* Sub-interpreters first: the state of the main interpreter is the one PyGILState knows, others may ask for it. */
static void delete_states(wsgi_thread_t *thread)
{
    while (thread->attachments != NULL) {
        wsgi_attachment_t *attachment = thread->attachments;
        thread->attachments = attachment->next;
        PyEval_RestoreThread(attachment->tstate);
        PyThreadState_Clear(attachment->tstate);
        PyThreadState_DeleteCurrent();
        free(attachment);
    }
}

void wsgi_thread_end(void *record)
{
    wsgi_thread_t *thread = record;
    wsgi_runtime_t *runtime = thread->runtime;
    int enter;

    pthread_mutex_lock(&runtime->leaving_lock);
    enter = !runtime->ended;
    runtime->leaving += enter;
    pthread_mutex_unlock(&runtime->leaving_lock);
    if (!enter) {
        return; /* wsgi_runtime_stop() owns the thread states now, and the record stays as it is for it */
    }
    delete_states(thread);
    pthread_mutex_lock(&runtime->leaving_lock);
    if (--runtime->leaving == 0) {
        pthread_cond_broadcast(&runtime->leaving_done);
    }
    pthread_mutex_unlock(&runtime->leaving_lock);
    free(thread->buffer);
    thread->buffer = NULL;
    thread->buffer_size = 0;
    atomic_store(&thread->in_use, 0);
}
