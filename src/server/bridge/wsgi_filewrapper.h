#ifndef WSGI_FILEWRAPPER_H
#define WSGI_FILEWRAPPER_H

#include <apr.h>

#include "bridge/wsgi_pystate.h"

/**
 * mod_wsgi.FileWrapper, which is wsgi.file_wrapper: an iterable over a file, which goes out without passing through
 * Python when it is a regular file and is returned as it is. GIL: held.
 */
typedef struct {
    int fd; /* borrowed from the wrapped object, which stays open until close() */
    apr_off_t offset, length;
} wsgi_file_range_t;

int wsgi_filewrapper_register(PyObject *module, wsgi_pystate_t *state);

/** Whether a result can be sent as a file. @return 1 and the range; 0 iterate it */
int wsgi_filewrapper_range(wsgi_pystate_t *state, PyObject *result, wsgi_file_range_t *range);

#endif
