#ifndef WSGI_RUNTIME_H
#define WSGI_RUNTIME_H

#include "bridge/wsgi_flusher.h"
#include "bridge/wsgi_pystate.h"

#include <pthread.h>
#include <stdatomic.h>

/**
 * CPython in this process: start, what the threads and interpreters hang on, stop.
 *
 * Locks: `creating` is taken before the GIL and never while holding it; `leaving_lock` is never held while waiting
 * for anything else. The lists only grow until the process ends and are walked without a lock.
 */
struct wsgi_runtime_t {
    const wsgi_runtime_settings_t *settings; /* constant */
    const wsgi_host_t *host;                 /* constant */
    pid_t pid;                               /* a process forked by an application has another one; see wsgi_hostfork */
    int frozen;                              /* main thread only: the collector leaves what was there alone */
    const char *process;                     /* constant: "in embedded mode" or "of daemon process 'x'" */
    wsgi_interp_t *main;                     /* constant once start returned */
    int free_threaded;                       /* constant once Python is initialised: there is no GIL */

    atomic_int own_gils;                     /* interpreters with a GIL of their own have been made */

    pthread_key_t thread_key;                /* of wsgi_thread_t */
    _Atomic(wsgi_thread_t *) threads;        /* list of all records, in use or not */
    atomic_int thread_count;                 /* numbers given out */
    atomic_ulong total_requests;
    atomic_int running;                      /* requests inside the bridge */
    atomic_int closing;                      /* stop was called: no request is begun any more */

    pthread_mutex_t creating;                /* held while an interpreter is made */
    _Atomic(wsgi_interp_t *) interps;        /* list */

    pthread_mutex_t streams_lock;
    pthread_cond_t stream_ready;             /* a stream has been set up; nothing is waited for inside but this */

    wsgi_flusher_t flusher;                  /* has locks of its own */

    pthread_mutex_t leaving_lock;
    pthread_cond_t leaving_done;             /* leaving or visitors became 0 */
    int leaving;                             /* guarded by leaving_lock: threads that end and delete thread states */
    int visitors;                            /* guarded by leaving_lock: threads that look in from outside */
    int ended;                               /* guarded by leaving_lock: Python must not be entered any more */
};

apr_status_t wsgi_runtime_start(wsgi_runtime_t **out, const wsgi_runtime_settings_t *settings,
                                const wsgi_host_t *host);
void wsgi_runtime_stop(wsgi_runtime_t *runtime);

/** Count a request in, before it touches Python. @return 0, or -1 when Python is being stopped. Leave either way. */
int wsgi_runtime_begin_request(wsgi_runtime_t *runtime);
void wsgi_runtime_end_request(wsgi_runtime_t *runtime);

/**
 * The same for what is no request: the timers of a daemon, events. A visitor may hang, waiting for a GIL that is never
 * given away; stop waits for it for settings->join_timeout only and does not destroy Python under its feet.
 * @return 0, or -1 when Python is being stopped: then do not end the visit
 */
int wsgi_runtime_begin_visit(wsgi_runtime_t *runtime);
void wsgi_runtime_end_visit(wsgi_runtime_t *runtime);

/** Whether requests run in an Apache child rather than in a daemon. */
int wsgi_runtime_is_embedded(const wsgi_runtime_t *runtime);

#endif
