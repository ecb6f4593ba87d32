#ifndef WSGI_REMOTE_H
#define WSGI_REMOTE_H

#include <httpd.h>

#include "daemon/wsgi_supervisor.h"
#include "wire/wsgi_codec.h"

/**
 * The Apache child's end of a conversation with a daemon: hand one request over, relay its body there and the
 * response back through Apache's filters. Frames and their order: wire/README.md.
 */

/**
 * @param call      all but token, counts, queue_start and queued, which are set here
 * @param has_body  whether the request has a body that is to be relayed
 * @return OK, or the HTTP status the handler returns; what went wrong is logged with the request
 */
int wsgi_remote_run(request_rec *r, const wsgi_endpoint_t *endpoint, wsgi_call_t *call, int has_body);

#endif
