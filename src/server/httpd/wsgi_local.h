#ifndef WSGI_LOCAL_H
#define WSGI_LOCAL_H

#include <httpd.h>

#include "base/wsgi_exchange.h"

/** An exchange over Apache's own request, for embedded mode. Lives as long as the request. */
typedef struct {
    wsgi_exchange_t base; /* first: the two are cast to each other */
    request_rec *r;
    apr_bucket_brigade *input;  /* fetched, not yet read; NULL before the first fetch */
    apr_bucket_brigade *output; /* empty between calls, but for a file */
    int input_ended;
    int enable_sendfile;
    int is_head_sent;
} wsgi_local_t;

void wsgi_local_init(wsgi_local_t *local, request_rec *r, int enable_sendfile);

#endif
