#ifndef WSGI_CALL_H
#define WSGI_CALL_H

#include "bridge/wsgi_outbox.h"
#include "bridge/wsgi_reply.h"
#include "bridge/wsgi_script.h"
#include "bridge/wsgi_thread.h"

/**
 * One request in progress, as a Python object: `start_response` itself, and what wsgi.input, wsgi.errors and
 * `write` refer to. Applications may keep any of these and use them from other threads, at any time. So the
 * exchange is only reached through wsgi_call_lock(), which tells when the request is over.
 *
 * Fields without a note are guarded by the GIL (by the object's lock in builds without one).
 * `lock` is taken without the GIL only, and nothing waits for the GIL while holding it.
 */
typedef struct {
    char *data;
    size_t length, capacity;
} wsgi_linebuf_t;

/* Counters for events; times in microseconds, only kept while somebody is subscribed (`timed`). */
typedef struct {
    apr_time_t started;
    WSGI_GUARDED(apr_int64_t) input_reads, input_length, input_time;
    WSGI_GUARDED(apr_int64_t) output_writes, output_length, output_time;
    WSGI_GUARDED(apr_int64_t) gil_waits, gil_wait_time;
    apr_int64_t cpu_user, cpu_system; /* at the start; -1 unknown */
} wsgi_tally_t;

struct wsgi_call_t {
    PyObject_HEAD
    vectorcallfunc vectorcall;     /* start_response(status, headers[, exc_info]) */
    wsgi_pystate_t *state;         /* constant */
    wsgi_thread_t *thread;         /* constant: the request's own thread */
    wsgi_call_t *outer;            /* constant once begun: request during which this one was made, mostly NULL */
    const wsgi_request_t *request; /* borrowed; valid until `over` */
    wsgi_script_t *script;         /* constant once loaded; lives as long as the interpreter */

    pthread_mutex_t lock;
    wsgi_exchange_t *exchange;     /* guarded by lock; NULL once the request is over */
    atomic_int head_sent;          /* written under lock */
    int last_sent;                 /* guarded by lock: WSGI_SEND_LAST was given to the exchange */
    wsgi_outbox_t outbox;          /* guarded by lock: produced, not sent yet; the caller's after wsgi_call_finish() */

    WSGI_GUARDED(int) over;        /* nothing may be done for this request any more */
    WSGI_GUARDED(int) committed;   /* reply may not change any more */
    WSGI_GUARDED(int) client_left; /* in the middle of its body */
    WSGI_GUARDED(int) cut;         /* bytes beyond the declared length were dropped */
    int timed;
    wsgi_reply_t reply;
    wsgi_head_t head;              /* of reply; constant once committed */
    WSGI_GUARDED(apr_off_t) produced; /* bytes of body let through */
    const char *errors_name;       /* constant: what wsgi.errors calls itself */
    wsgi_linebuf_t pending;        /* incomplete line of wsgi.errors */
    PyObject *data;                /* dict: mod_wsgi.request_data() */
    PyObject *request_id;          /* str, NULL if Apache gave none */
    wsgi_tally_t tally;
};

int wsgi_call_register(PyObject *module, wsgi_pystate_t *state);

/** @return a new call for the request, NULL with an exception */
wsgi_call_t *wsgi_call_new(wsgi_pystate_t *state, wsgi_thread_t *thread, const wsgi_request_t *request,
                           wsgi_exchange_t *exchange);

/** GIL: not held; may wait for another thread's transfer. @return the exchange, NULL when over; unlock either way */
wsgi_exchange_t *wsgi_call_lock(wsgi_call_t *call);
void wsgi_call_unlock(wsgi_call_t *call);

/**
 * Give the GIL away around an operation on the exchange and take it back, counting how long that took.
 * Returns what wsgi_call_attach() needs.
 */
typedef struct {
    PyThreadState *tstate;
} wsgi_detached_t;
wsgi_detached_t wsgi_call_detach(void);
void wsgi_call_attach(wsgi_call_t *call, wsgi_detached_t detached);

/** Tell the host that data moved, unless the route says that this is no sign of life. GIL: either. */
void wsgi_call_activity(const wsgi_call_t *call);

/**
 * End of the request: log what is pending on wsgi.errors, take the exchange away, let references go.
 * Waits until other threads have finished what they do with the exchange. What is still held is not sent.
 */
void wsgi_call_finish(wsgi_call_t *call);

/** RuntimeError for use after the end. @return NULL */
PyObject *wsgi_call_raise_over(const char *what);

#endif
