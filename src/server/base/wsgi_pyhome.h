#ifndef WSGI_PYHOME_H
#define WSGI_PYHOME_H

#include <apr_pools.h>

/**
 * What is wrong with a Python home (WSGIPythonHome, python-home=), in words for the administrator: Python itself would
 * only say that it finds no module 'encodings'. Nothing is loaded and nothing is run; only files are looked at.
 */
typedef enum {
    WSGI_PYHOME_GOOD,
    WSGI_PYHOME_FORM,      /* a relative path, or PREFIX:EXEC_PREFIX without one of them */
    WSGI_PYHOME_MISSING,
    WSGI_PYHOME_NO_FOLDER, /* a file, or something else */
    WSGI_PYHOME_CLOSED,    /* to the account that looks */
    WSGI_PYHOME_INSIDE,    /* a folder or program of an installation instead of its root */
    WSGI_PYHOME_NO_BRIDGE, /* for its version */
    WSGI_PYHOME_NO_BASE,   /* an environment whose installation is gone */
    WSGI_PYHOME_NO_PYTHON, /* neither an installation nor an environment, or pyvenv.cfg cannot be understood */
    WSGI_PYHOME_FAULTS     /* their number */
} wsgi_pyhome_fault_t;

typedef struct {
    wsgi_pyhome_fault_t fault;
    const char *what;   /* completes "Python home 'X' ..."; "" when all is well */
    const char *remedy; /* a sentence without full stop; "" when all is well */
} wsgi_pyhome_t;

/**
 * Look at a Python home with the rights of this process: to know what another account can do with it, become that
 * account first.
 * @param home as configured: PREFIX or PREFIX:EXEC_PREFIX
 * @param pool of the texts
 * Source: PEP 405 for pyvenv.cfg, Modules/getpath.py of CPython for what makes an installation.
 */
wsgi_pyhome_t wsgi_pyhome_examine(const char *home, apr_pool_t *pool);

/** What is wrong and what to do about it, as one text. @return NULL when there is no home, or nothing wrong with it */
const char *wsgi_pyhome_explain(const char *home, apr_pool_t *pool);

#endif
