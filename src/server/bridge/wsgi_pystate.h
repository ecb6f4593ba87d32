#ifndef WSGI_PYSTATE_H
#define WSGI_PYSTATE_H

#include "bridge/wsgi_compat.h"

#include "base/wsgi_bridge.h"

/**
 * State of the built-in module `mod_wsgi`: one per interpreter, reached from wsgi_interp_t or from any of the
 * module's objects, never through an import. Guarded by the interpreter's GIL.
 */
typedef struct wsgi_interp_t wsgi_interp_t;
typedef struct wsgi_call_t wsgi_call_t;
typedef struct wsgi_thread_t wsgi_thread_t;
typedef struct wsgi_keys_t wsgi_keys_t;

/* Interned strings: identifier, text. */
#define WSGI_NAMES(X)                                                                       \
    X(WSGI_VERSION, "wsgi.version")                                                         \
    X(WSGI_URL_SCHEME, "wsgi.url_scheme")                                                   \
    X(WSGI_MULTITHREAD, "wsgi.multithread")                                                 \
    X(WSGI_MULTIPROCESS, "wsgi.multiprocess")                                               \
    X(WSGI_RUN_ONCE, "wsgi.run_once")                                                       \
    X(WSGI_INPUT, "wsgi.input")                                                             \
    X(WSGI_INPUT_TERMINATED, "wsgi.input_terminated")                                       \
    X(WSGI_ERRORS, "wsgi.errors")                                                           \
    X(WSGI_FILE_WRAPPER, "wsgi.file_wrapper")                                               \
    X(APACHE_VERSION, "apache.version")                                                     \
    X(APACHE_REQUEST_REC, "apache.request_rec")                                             \
    X(VERSION, "mod_wsgi.version")                                                          \
    X(PROCESS_GROUP, "mod_wsgi.process_group")                                              \
    X(APPLICATION_GROUP, "mod_wsgi.application_group")                                      \
    X(CALLABLE_OBJECT, "mod_wsgi.callable_object")                                          \
    X(REQUEST_HANDLER, "mod_wsgi.request_handler")                                          \
    X(HANDLER_SCRIPT, "mod_wsgi.handler_script")                                            \
    X(SCRIPT_RELOADING, "mod_wsgi.script_reloading")                                        \
    X(ENABLE_SENDFILE, "mod_wsgi.enable_sendfile")                                          \
    X(IGNORE_ACTIVITY, "mod_wsgi.ignore_activity")                                          \
    X(REQUEST_ID, "mod_wsgi.request_id")                                                    \
    X(THREAD_ID, "mod_wsgi.thread_id")                                                      \
    X(THREAD_REQUESTS, "mod_wsgi.thread_requests")                                          \
    X(TOTAL_REQUESTS, "mod_wsgi.total_requests")                                            \
    X(REQUEST_START, "mod_wsgi.request_start")                                              \
    X(QUEUE_START, "mod_wsgi.queue_start")                                                  \
    X(DAEMON_START, "mod_wsgi.daemon_start")                                                \
    X(SCRIPT_START, "mod_wsgi.script_start")                                                \
    X(APPLICATION_START, "mod_wsgi.application_start")                                      \
    X(DAEMON_CONNECTS, "mod_wsgi.daemon_connects")                                          \
    X(DAEMON_RESTARTS, "mod_wsgi.daemon_restarts")                                          \
    X(DOCUMENT_ROOT, "DOCUMENT_ROOT")                                                       \
    X(SCRIPT_FILENAME, "SCRIPT_FILENAME")                                                   \
    X(HTTP, "http")                                                                         \
    X(HTTPS, "https")                                                                       \
    X(ZERO, "0")                                                                            \
    X(ONE, "1")                                                                             \
    X(EMPTY, "")                                                                            \
    X(MTIME, "__mtime__")                                                                   \
    X(RELOAD_REQUIRED, "reload_required")                                                   \
    X(CLOSE, "close")                                                                       \
    X(READ, "read")                                                                         \
    X(TELL, "tell")                                                                         \
    X(FILENO, "fileno")                                                                     \
    X(EVENT_CALLBACKS, "event_callbacks")                                                   \
    X(SHUTDOWN_CALLBACKS, "shutdown_callbacks")                                             \
    X(SIGNAL_CALLBACKS, "signal_callbacks")

enum {
#define WSGI_NAME_ENUM(id, text) WSGI_NAME_##id,
    WSGI_NAMES(WSGI_NAME_ENUM)
#undef WSGI_NAME_ENUM
        WSGI_NAME_COUNT
};

typedef struct {
    wsgi_runtime_t *runtime; /* constant */
    wsgi_interp_t *interp;   /* constant */

    PyTypeObject *call_type, *input_type, *log_type, *stream_type, *filewrapper_type;
    PyTypeObject *restricted_type, *signal_type, *tls_type;
    PyObject *request_timeout; /* class RequestTimeout */
    PyObject *log_handler;     /* class LogHandler, NULL until somebody asks for it: it needs `logging` */
    PyObject *active_requests; /* dict: request id to request_data */
    PyObject *base_environ;    /* dict: items that are the same in every request */
    PyObject *environ_template; /* dict: the same, room for the others, and None for some that are always set */
    wsgi_keys_t *keys;
    PyObject *names[WSGI_NAME_COUNT];
} wsgi_pystate_t;

#define WSGI_NAME(state, id) ((state)->names[WSGI_NAME_##id])

#endif
