#ifndef WSGI_EQUIP_H
#define WSGI_EQUIP_H

#include "bridge/wsgi_pystate.h"

/**
 * Furnish a new interpreter: the module mod_wsgi, streams, sys.argv, signal.signal, os.environ, sys.path, module
 * apache. GIL: held, of that interpreter.
 * @return 0, or -1 with an exception when the interpreter cannot be used; lesser failures are logged
 */
int wsgi_equip(wsgi_interp_t *interp);

#endif
