#ifndef WSGI_PYERROR_H
#define WSGI_PYERROR_H

#include "bridge/wsgi_call.h"

/**
 * Where exceptions stop travelling: they are logged with their traceback and cleared. SystemExit never ends the
 * process. GIL: held. The functions that return something return the exception as a new reference, NULL when its
 * traceback could not be made.
 */

/** WSGI0174/0175: an application, or a script while it is executed. `call` NULL: not because of a request. */
PyObject *wsgi_pyerror_take(const wsgi_interp_t *interp, wsgi_call_t *call, const char *script);

/** WSGI0188/0189: while an interpreter is set up, or the mod_wsgi package imported. */
void wsgi_pyerror_take_setup(const wsgi_interp_t *interp);

/** WSGI0112/0190: in a subscriber of an event. */
void wsgi_pyerror_take_event(const wsgi_interp_t *interp, const char *event);

/** Log the Python stack of the calling thread, or of the frame given, at info. `call` may be NULL. */
void wsgi_pyerror_log_stack(const wsgi_interp_t *interp, wsgi_call_t *call, PyObject *frame);

#endif
