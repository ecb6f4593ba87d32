#ifndef WSGI_INPUT_H
#define WSGI_INPUT_H

#include "bridge/wsgi_call.h"

/** wsgi.input: the request body. GIL: held, given away while waiting for data. */
int wsgi_input_register(PyObject *module, wsgi_pystate_t *state);

/** @return a new object, NULL with an exception */
PyObject *wsgi_input_new(wsgi_call_t *call);

/**
 * Whether an exception only says that the client went away in the middle of its body: nobody's mistake here, and
 * nobody is there to be answered.
 */
int wsgi_input_is_loss(const wsgi_call_t *call, PyObject *exception);

#endif
