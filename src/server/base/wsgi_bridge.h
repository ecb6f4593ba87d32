#ifndef WSGI_BRIDGE_H
#define WSGI_BRIDGE_H

#include "base/wsgi_exchange.h"
#include "base/wsgi_model.h"
#include "base/wsgi_question.h"

/**
 * The narrow table between a host (an Apache child, a daemon worker, a test program) and a bridge: the shared
 * object that holds one version of CPython. A bridge is opened with dlopen(RTLD_NOW | RTLD_GLOBAL) after the last
 * fork, by wsgi_loader.h, and never closed. Plain structs only: no PyObject, no request_rec.
 */

/** Raised by one when anything here or in what this file includes changes shape. Others are refused. */
#define WSGI_BRIDGE_ABI 8

typedef struct wsgi_runtime_t wsgi_runtime_t; /* one CPython in one process; owned by the bridge */

/** What a host lends to a bridge for the life of the process. Constant. */
typedef struct {
    wsgi_log_sink_t log; /* server scope */
    /**
     * An application was loaded and is called now, or data was read or sent for a request: re-arms the inactivity
     * timer. NULL where nobody wants to know. Any thread, with or without the GIL: it returns at once.
     */
    void (*activity)(void *context);
    void *context;
} wsgi_host_t;

/** Points in time as microseconds since the epoch (apr_time_now), 0 where they do not exist (embedded mode). */
typedef struct {
    apr_time_t request_start; /* Apache's time of the request */
    apr_time_t queue_start;   /* the Apache child was about to connect to the daemon */
    apr_time_t daemon_start;  /* a worker thread accepted it */
} wsgi_moments_t;

/** One request, complete but for its body. All memory is borrowed until execute returns. */
typedef struct {
    const wsgi_route_t *route;
    const wsgi_fields_t *variables; /* CGI variables, request headers, SetEnv; later fields override earlier ones */
    wsgi_moments_t moments;
    const char *url_scheme;         /* "http" or "https" */
    int daemon_connects;            /* connections made for this request, 0 embedded */
    int daemon_restarts;            /* times it was rejected and sent again */
    void *apache_request;           /* request_rec * for apache.request_rec, NULL: not passed */
} wsgi_request_t;

typedef struct {
    unsigned abi;               /* WSGI_BRIDGE_ABI */
    apr_size_t size;            /* sizeof(wsgi_bridge_t) */
    const char *python_version; /* compiled against, e.g. "3.11.2" */
    const char *soabi;          /* e.g. "cpython-311-x86_64-linux-gnu" */

    /**
     * Initialise Python and its main interpreter in this process. Once per process, from its main thread, which is
     * also the one that must call stop. Returns with the GIL released. `settings` and `host` must live for ever.
     * Logs why it failed (WSGI0036, WSGI0035, WSGI0038); the process may go on without Python.
     */
    apr_status_t (*start)(wsgi_runtime_t **out, const wsgi_runtime_settings_t *settings, const wsgi_host_t *host);

    /**
     * Load a script in an interpreter before any request needs it, unless it is loaded. Any thread of the process.
     * @return WSGI_DONE, or WSGI_FAILED after logging why
     */
    wsgi_outcome_t (*preload)(wsgi_runtime_t *runtime, const char *script, const char *application_group);

    /**
     * Make another process that runs Python like this one, from the main thread, before any request has run. Only the
     * main interpreter survives in it, and no thread but the caller. The functions of os.register_at_fork are called.
     * @param make forks, with the GIL held; @return as fork
     * @return what `make` returned, -1 and errno also when Python cannot be entered
     */
    pid_t (*fork)(wsgi_runtime_t *runtime, pid_t (*make)(void *context), void *context);

    /** Run one request on the calling thread, any thread of the process. Never leaves an exception behind. */
    wsgi_outcome_t (*execute)(wsgi_runtime_t *runtime, const wsgi_request_t *request, wsgi_exchange_t *exchange);

    /**
     * Put a question to functions of a script that are not WSGI applications. The exchange is only used to log.
     * Any thread of the process. Never leaves an exception behind.
     */
    wsgi_answer_t (*ask)(wsgi_runtime_t *runtime, wsgi_question_t *question, wsgi_exchange_t *exchange);

    /**
     * Tell every interpreter's subscribers that the process is about to end (process_stopping).
     * Main thread, once, while requests may still be running. `reason` as in shutdown_reason, "" in Apache children.
     */
    void (*stopping)(wsgi_runtime_t *runtime, const char *reason);

    /**
     * End all interpreters and Python, if settings say so (WSGIDestroyInterpreter): joins non-daemon threads and
     * runs atexit functions. Main thread, no request running. The caller bounds the time it may take.
     */
    void (*stop)(wsgi_runtime_t *runtime);

    /**
     * Raise mod_wsgi.RequestTimeout in the request that the thread `thread_id` (as given by pthread_self) is
     * running. Any thread. @return 1 if it was injected, 0 if that thread is not in application code
     */
    int (*interrupt)(wsgi_runtime_t *runtime, unsigned long thread);

    /** Log the stacks of all Python threads at info. Any thread; waits for GILs at most `wait` microseconds. */
    void (*dump_stacks)(wsgi_runtime_t *runtime, apr_interval_time_t wait);

    /** Take and release every GIL of the process, one after the other: proves that it can be had (deadlock-timeout). */
    void (*probe)(wsgi_runtime_t *runtime);

    /**
     * Whether the calling thread holds a GIL. In a signal handler, on any thread: takes no lock. It may miss threads
     * that Python or a library made; what it says of those that came through this table is true.
     */
    int (*holds_gil)(const wsgi_runtime_t *runtime);

    /** Publish process_signal (SIGHUP, SIGUSR2) to the subscribers of every interpreter. A thread of its own. */
    void (*signalled)(wsgi_runtime_t *runtime, int signum);
} wsgi_bridge_t;

/** Name of the one symbol a bridge exports: const wsgi_bridge_t wsgi_bridge_table. */
#define WSGI_BRIDGE_SYMBOL "wsgi_bridge_table"

#endif
