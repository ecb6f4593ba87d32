#ifndef WSGI_TLSPROBE_H
#define WSGI_TLSPROBE_H

#include "bridge/wsgi_call.h"

/**
 * mod_ssl.is_https() and mod_ssl.var_lookup(name) in the environ of access and authentication scripts. They raise
 * RuntimeError once the script has answered. GIL: held.
 */
int wsgi_tlsprobe_register(PyObject *module, wsgi_pystate_t *state);

/** @param tls  borrowed until the call is over  @return 0, or -1 with an exception */
int wsgi_tlsprobe_add(PyObject *environ, wsgi_call_t *call, const wsgi_tls_t *tls);

#endif
