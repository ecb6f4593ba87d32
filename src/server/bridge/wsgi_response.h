#ifndef WSGI_RESPONSE_H
#define WSGI_RESPONSE_H

#include "bridge/wsgi_call.h"

/**
 * start_response, write() and what the application returned, as PEP 3333 has them. GIL: held unless said.
 */
typedef enum {
    WSGI_RAN,     /* to its end */
    WSGI_STOPPED, /* the client is gone: quiet end */
    WSGI_RAISED   /* an exception is set */
} wsgi_ran_t;

/** vectorcall of the request object. */
PyObject *wsgi_response_start(PyObject *self, PyObject *const *arguments, size_t flags, PyObject *keywords);

/**
 * Whether a result can go out in one piece: a list or tuple (no subclass) of nothing but bytes. On 1 `items` holds
 * them in a new tuple, `size` their total, and the reply is committed.
 * @return 1; 0 it has to be iterated; -1 with an exception
 */
int wsgi_response_gather(wsgi_call_t *call, PyObject *result, PyObject **items, apr_off_t *size);

/** How many of `size` bytes the declared Content-Length lets through; notes when some are cut. */
apr_off_t wsgi_response_admit(wsgi_call_t *call, apr_off_t size);

/** Send the gathered items; `last`: the response is complete with them. */
wsgi_ran_t wsgi_response_send_items(wsgi_call_t *call, PyObject *items, apr_off_t limit, int last);

/** Send whatever the application returned: as a file, or item by item. */
wsgi_ran_t wsgi_response_run(wsgi_call_t *call, PyObject *result);

/** Call result.close() if there is one. @return 0, or -1 with an exception */
int wsgi_response_close(wsgi_call_t *call, PyObject *result);

/** Whether fewer bytes were produced than declared, in a response that has a body. */
int wsgi_response_is_short(const wsgi_call_t *call);

/** Send what is held for a moment, and count the time that sending took. Only for calls that are timed. */
void wsgi_response_settle(wsgi_call_t *call);

#endif
