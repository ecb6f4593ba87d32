#ifndef WSGI_EVENTS_H
#define WSGI_EVENTS_H

#include "bridge/wsgi_call.h"

/**
 * Events for subscribers (mod_wsgi.subscribe_events and friends). GIL: held. Exceptions of subscribers are logged;
 * none is left behind.
 */

/** Whether anybody has subscribed to the events of requests in this interpreter. */
int wsgi_events_wanted(wsgi_interp_t *interp);

/** request_started. @return the application to call, new reference: the one given, or what a subscriber put there */
PyObject *wsgi_events_request_started(wsgi_call_t *call, PyObject *application, PyObject *environ);
void wsgi_events_response_started(wsgi_call_t *call, PyObject *status, PyObject *headers, PyObject *exc_info);
void wsgi_events_request_exception(wsgi_call_t *call, PyObject *exception);
void wsgi_events_request_finished(wsgi_call_t *call, int status);

/** process_stopping, to event and then to shutdown subscribers of the interpreter. */
void wsgi_events_process_stopping(wsgi_interp_t *interp, const char *reason);

/** process_signal, to event and then to signal subscribers. */
void wsgi_events_process_signal(wsgi_interp_t *interp, int signum);

/** User and system CPU time of the calling thread in microseconds. @return 0, or -1 where that is unknown */
int wsgi_events_thread_cpu(apr_int64_t *user, apr_int64_t *system);

#endif
