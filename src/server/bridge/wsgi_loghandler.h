#ifndef WSGI_LOGHANDLER_H
#define WSGI_LOGHANDLER_H

#include "bridge/wsgi_pystate.h"

/**
 * Make the class mod_wsgi.LogHandler: a logging.Handler whose records keep their level and source position in the
 * error log. Imports `logging`, which is why it is made on first use. GIL: held.
 * @return new reference, NULL with an exception
 */
PyObject *wsgi_loghandler_make(PyObject *module);

#endif
