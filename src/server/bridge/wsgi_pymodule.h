#ifndef WSGI_PYMODULE_H
#define WSGI_PYMODULE_H

#include "bridge/wsgi_pystate.h"

/**
 * The built-in module `mod_wsgi` of one interpreter: made by multi-phase initialisation, holds a wsgi_pystate_t.
 * GIL: held, of that interpreter.
 */

/** Make the module, put it into sys.modules and into interp. @return 0, or -1 with an exception */
int wsgi_pymodule_install(wsgi_interp_t *interp);

/** Set the attributes that applications read. @return 0, or -1 with an exception */
int wsgi_pymodule_publish(wsgi_interp_t *interp);

/**
 * Copy __path__ of an importable package `mod_wsgi` onto the built-in module, so that its subpackages can be
 * imported. No such package is fine; other failures are logged.
 */
void wsgi_pymodule_adopt_package(wsgi_interp_t *interp);

/** Add a value under a name; takes over the reference, NULL means an exception. @return 0, or -1 */
int wsgi_pymodule_set(PyObject *module, const char *name, PyObject *value);

#endif
