#ifndef WSGI_KEYS_H
#define WSGI_KEYS_H

#include <apr.h>

#include "bridge/wsgi_pystate.h"

/**
 * CGI variables as items of environ. Names are remembered as interned Python strings, and so are the last values of
 * variables that mostly repeat; one memory per interpreter, bounded, since names are partly the client's.
 * GIL: held; in builds without one the caller keeps other threads away.
 */
wsgi_keys_t *wsgi_keys_make(void);
void wsgi_keys_free(wsgi_keys_t *keys);

/**
 * Put a variable into environ, unless it is one that applications do not see or that is the bridge's own.
 * @param value  NULL: None
 * @return 0, or -1 with an exception
 */
int wsgi_keys_add(wsgi_pystate_t *state, PyObject *environ, const char *name, apr_uint32_t length, const char *value,
                  apr_uint32_t value_len);

#endif
