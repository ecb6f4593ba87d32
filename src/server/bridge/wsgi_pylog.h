#ifndef WSGI_PYLOG_H
#define WSGI_PYLOG_H

#include "bridge/wsgi_call.h"

/**
 * From Python to the error log: messages of the bridge, sys.stderr, sys.stdout and
 * wsgi.errors. All functions: GIL held; it is given away while the host writes.
 */
int wsgi_pylog_register(PyObject *module, wsgi_pystate_t *state);

/** Log a message in server scope. */
void wsgi_pylog_process(const wsgi_runtime_t *runtime, const char *file, int line, wsgi_log_level_t level,
                        apr_status_t status, const char *format, ...) WSGI_PRINTF(6, 7);

/** Log a message in the scope of a request; in server scope once the request is over. */
void wsgi_pylog_call(wsgi_call_t *call, const char *file, int line, wsgi_log_level_t level, apr_status_t status,
                     const char *format, ...) WSGI_PRINTF(6, 7);

/**
 * Log every line of a text as a record of its own.
 * @param form        level, position, plain; its text is ignored
 * @param call        NULL: server scope
 * @param text        changed in place: each newline becomes the end of a record
 * @param skip_empty  leave empty lines out
 */
void wsgi_pylog_lines(const wsgi_runtime_t *runtime, wsgi_call_t *call, const wsgi_record_t *form, char *text,
                      size_t length, int skip_empty);

/** As above for a str (or for what str() makes of another object); unencodable characters are replaced. */
void wsgi_pylog_text(const wsgi_runtime_t *runtime, wsgi_call_t *call, const wsgi_record_t *form, PyObject *text,
                     int skip_empty);

/** Whether a record of that level would be kept. `call` may be NULL. */
int wsgi_pylog_enabled(const wsgi_runtime_t *runtime, wsgi_call_t *call, wsgi_log_level_t level);

/** Log the incomplete line of wsgi.errors, if any. */
void wsgi_pylog_flush_call(wsgi_call_t *call);

/** wsgi.errors of a request: an io.TextIOWrapper that is set up when it is first touched. */
PyObject *wsgi_pylog_errors(wsgi_call_t *call);

/** sys.stderr or sys.stdout of an interpreter. `name` is a literal such as "<stderr>". */
PyObject *wsgi_pylog_stream(wsgi_pystate_t *state, const char *name);

/** The request that the calling thread is handling in this interpreter, NULL if none. */
wsgi_call_t *wsgi_pylog_current_call(const wsgi_pystate_t *state);

#endif
