#ifndef WSGI_FLUSHER_H
#define WSGI_FLUSHER_H

#include <apr_time.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/wsgi_log.h"

/**
 * Threads that send what a request holds back, should its application not come back in time to do so itself. They never
 * touch Python. Made when they are first needed: one waits for the next output to be due; before it sends, which may
 * take minutes, another one takes over. There is one more than outputs being sent at most, and one that has had nothing
 * to do for a while ends, unless it is the one that waits.
 *
 * `lock` is held for moments, with or without the GIL; nothing is taken inside.
 */

/** How long output may be held, in microseconds. */
#define WSGI_HOLD_TIME 1000

/** Output of one request that waits, or does not; part of its owner's struct, all zero but for `send`. */
typedef struct wsgi_flush_t {
    void (*send)(struct wsgi_flush_t *flush); /* constant; called without any lock on a thread of the flusher */
    struct wsgi_flush_t *previous, *next;     /* guarded by lock */
    apr_time_t due;                           /* guarded by lock; monotonic */
    int is_queued;                            /* guarded by lock */
    int is_busy;                              /* guarded by lock: a thread is in `send` */
} wsgi_flush_t;

typedef struct {
    const wsgi_log_sink_t *log;    /* constant */
    const char *process;           /* constant: for messages, "in embedded mode" */
    pthread_mutex_t lock;
    pthread_cond_t due;            /* for the thread that watches */
    pthread_cond_t turn;           /* for those that wait for their turn to watch */
    pthread_cond_t left;           /* a send or a thread has ended */
    wsgi_flush_t *first, *last;    /* all below is guarded by lock; outputs in the order in which they are due */
    int threads;                   /* that exist */
    int spares;                    /* of them, those that wait for their turn */
    int is_watched;                /* a thread watches, or is on its way to */
    int is_offered;                /* one of the spares is to watch */
    int is_asleep;                 /* the one that watches has to be woken */
    int is_stopping;
    atomic_int refusal;            /* error with which a thread could not be started, -1 once it is logged */
} wsgi_flusher_t;

/** @return 0, or -1 when the system refuses a condition variable */
int wsgi_flusher_init(wsgi_flusher_t *flusher, const wsgi_log_sink_t *log, const char *process);

/**
 * Have `flush->send` called at `due`, unless it is withdrawn before. GIL: either.
 * @param due not before that of anything given earlier: callers add WSGI_HOLD_TIME to the present
 * @return 0; -1 when there is no thread for it or the process ends: then call wsgi_flusher_report() and send at once
 */
int wsgi_flusher_add(wsgi_flusher_t *flusher, wsgi_flush_t *flush, apr_time_t due);

/** Take it out of the queue. GIL: either. @return 1; 0 when `send` is running or about to: see wsgi_flusher_await */
int wsgi_flusher_withdraw(wsgi_flusher_t *flusher, wsgi_flush_t *flush);

/** Wait until nobody is in `send`. GIL and whatever `send` locks: not held. */
void wsgi_flusher_await(wsgi_flusher_t *flusher, wsgi_flush_t *flush);

/** Log, once, that a thread could not be started (WSGI0217), if so. GIL: not held. */
void wsgi_flusher_report(wsgi_flusher_t *flusher);

/** End all threads. Nothing is queued or being sent. No output is taken from then on. GIL: not held. */
void wsgi_flusher_stop(wsgi_flusher_t *flusher);

/** In a process just made by fork(), where none of the threads exists and the lock is as it happened to be. */
void wsgi_flusher_forked(wsgi_flusher_t *flusher);

#endif
