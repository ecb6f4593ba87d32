#ifndef WSGI_REPLY_H
#define WSGI_REPLY_H

#include "base/wsgi_fields.h"
#include "bridge/wsgi_pystate.h"

/* What start_response() was given; texts point into `status` and `items`. */
typedef struct {
    PyObject *status; /* str, NULL until start_response() succeeded */
    PyObject *items;  /* tuple of the (name, value) tuples */
    wsgi_field_t *fields;
    apr_uint32_t count;
    int code;
    const char *reason;
    apr_off_t declared; /* Content-Length, -1 if none */
} wsgi_reply_t;

/**
 * Check what start_response() was given and turn it into a reply. The texts of `str` objects are used where they
 * are (ISO-8859-1 is how Python stores them); no bytes objects are made. GIL: held.
 * @param reply  all zero; filled as far as it went, also on failure: wsgi_reply_clear()
 * @return 0, or -1 with an exception
 */
int wsgi_reply_read(wsgi_call_t *call, wsgi_reply_t *reply, PyObject *status, PyObject *headers);

void wsgi_reply_clear(wsgi_reply_t *reply);

/** Append a Content-Length that the bridge knows. @return 0, or -1 with an exception */
int wsgi_reply_set_length(wsgi_reply_t *reply, apr_off_t length);

#endif
