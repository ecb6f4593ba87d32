#ifndef WSGI_GUARDS_H
#define WSGI_GUARDS_H

#include "bridge/wsgi_pystate.h"

/** What keeps applications from disturbing the process they share: streams and signals. GIL: held. */
int wsgi_guards_register(PyObject *module, wsgi_pystate_t *state);

/** An object on which every attribute access raises OSError. `name` is a literal such as "sys.stdout". */
PyObject *wsgi_guards_restricted(wsgi_pystate_t *state, const char *name);

/**
 * Replace signal.signal by a callable that registers nothing, except in processes that applications fork.
 * @return 0, or -1 with an exception
 */
int wsgi_guards_install_signal(wsgi_pystate_t *state);

/** Service processes: have SIGTERM raise SystemExit. @return 0, or -1 with an exception */
int wsgi_guards_install_term(PyObject *module);

#endif
