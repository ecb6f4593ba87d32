#ifndef WSGI_ENVIRON_H
#define WSGI_ENVIRON_H

#include "bridge/wsgi_call.h"

/** environ: the CGI variables of a request and what the bridge adds to them. GIL: held. */

/** Make what all requests of an interpreter have in common. @return 0, or -1 with an exception */
int wsgi_environ_prepare(wsgi_interp_t *interp);

/** @return a new dict, NULL with an exception */
PyObject *wsgi_environ_build(wsgi_call_t *call);

/** The same for a function that is no WSGI application: the variables, and hardly anything else. */
PyObject *wsgi_environ_build_plain(wsgi_call_t *call);

#endif
