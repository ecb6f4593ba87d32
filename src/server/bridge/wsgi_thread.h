#ifndef WSGI_THREAD_H
#define WSGI_THREAD_H

#include "bridge/wsgi_runtime.h"
#include "bridge/wsgi_turn.h"

/**
 * What is kept for each operating system thread that comes to Python through the bridge: a number, its thread
 * states (one per interpreter, kept for the life of the thread so that thread-locals survive from request to
 * request), and the request it is handling. Records are recycled, never freed, so that other threads may look.
 */
typedef struct wsgi_attachment_t {
    struct wsgi_attachment_t *next;
    wsgi_interp_t *interp;
    PyThreadState *tstate;
} wsgi_attachment_t;

struct wsgi_thread_t {
    wsgi_thread_t *next;             /* constant once published */
    wsgi_runtime_t *runtime;         /* constant */
    atomic_int in_use;
    atomic_ulong ident;              /* pthread_self() */
    int number;                      /* owner thread only: mod_wsgi.thread_id */
    unsigned long requests;          /* owner thread only */
    wsgi_attachment_t *attachments;  /* owner thread; wsgi_thread_detach_all() once no request runs */
    wsgi_call_t *call;               /* owner thread only: request being handled, NULL if none */
    wsgi_call_t *streams;            /* owner thread only: request that output to sys.stderr belongs to */
    pthread_mutex_t interrupting;    /* held for a few instructions, with or without a GIL; nothing is taken inside */
    _Atomic(wsgi_interp_t *) inside; /* interpreter in which a request may be interrupted; written under the lock */
    int injected;                    /* guarded by interrupting: an asynchronous exception was set */
    wsgi_turn_t *turn;               /* owner thread only: it has this turn, NULL if none */
    char *buffer;                    /* owner thread only: a response on its way out */
    size_t buffer_size;
};

/** The record of the calling thread, made on first use. GIL: either. @return NULL when out of memory */
wsgi_thread_t *wsgi_thread_current(wsgi_runtime_t *runtime);

/** As above, but never makes one. @return NULL for threads that never came through the bridge */
wsgi_thread_t *wsgi_thread_known(const wsgi_runtime_t *runtime);

/** Note a thread state that belongs to the thread from now on. @return 0, or -1 when out of memory */
int wsgi_thread_adopt(wsgi_thread_t *thread, wsgi_interp_t *interp, PyThreadState *tstate);

/** The thread's state in an interpreter, made if it has none yet. GIL: not held. @return NULL on failure */
PyThreadState *wsgi_thread_state(wsgi_thread_t *thread, wsgi_interp_t *interp);

/** Forget the states that all threads have in an interpreter, and delete all but `last`. GIL: held, with `last`. */
void wsgi_thread_detach_all(wsgi_interp_t *interp, PyThreadState *last);

/** Make room in the thread's buffer. @return 0, or -1 when out of memory */
int wsgi_thread_reserve(wsgi_thread_t *thread, size_t size);

/** Destructor of runtime->thread_key. */
void wsgi_thread_end(void *record);

#endif
