#ifndef WSGI_RELAY_H
#define WSGI_RELAY_H

#include <httpd.h>

#include "daemon/wsgi_supervisor.h"
#include "httpd/wsgi_upload.h"
#include "wire/wsgi_channel.h"

/** What is known after a response. */
typedef struct {
    wsgi_outcome_t outcome;
    int is_kept; /* the worker is ready for another request over the connection */
} wsgi_relayed_t;

/**
 * Take the answer of a daemon and pass it to the client, and the request's body the other way when asked for it.
 * Nothing the daemon says is trusted: frames, lengths, headers and descriptors are checked.
 *
 * @param result its outcome is WSGI_REJECTED when the request was handed back untouched
 * @return OK, or the HTTP status for the handler (logged)
 */
int wsgi_relay_response(wsgi_relayed_t *result, request_rec *r, const wsgi_endpoint_t *endpoint,
                        const wsgi_call_t *call, wsgi_channel_t *channel, wsgi_upload_t *upload);

#endif
