#ifndef WSGI_UPLOAD_H
#define WSGI_UPLOAD_H

#include <httpd.h>
#include <util_filter.h>

#include "wire/wsgi_channel.h"

/**
 * The body of a request on its way from the client to a daemon. A small one of known length is collected before
 * the daemon hears of the request, so that a slow client occupies no thread there; the rest is relayed once the
 * daemon says that it will run the request, which is also when the client gets `100 Continue`.
 */
typedef struct {
    request_rec *r;
    int mode;           /* WSGI_BODY_* for the REQUEST frame */
    char *collected;    /* first bytes of the body, read before the hand-over */
    apr_size_t collected_len;
    int is_complete;    /* they are all of it */
    wsgi_frame_t frames[2]; /* headers for the bytes above, kept while they are sent */
} wsgi_upload_t;

/** Entries wsgi_upload_collected() needs at the most. */
#define WSGI_UPLOAD_BLOCKS 3

/**
 * Collect a body of at most `limit` bytes. @return OK, or the HTTP status when the client did not send what it
 * promised (logged); the request is not to be run then
 */
int wsgi_upload_collect(wsgi_upload_t *upload, request_rec *r, int has_body, apr_size_t limit);

/** Frames of a complete collected body. @return number of entries, 0 when the body is deferred or there is none */
int wsgi_upload_collected(wsgi_upload_t *upload, struct iovec *out);

/**
 * Relay a deferred body to its end.
 * @param between  called after each piece; a false result ends the relaying, since the response is complete or lost
 * @return OK, also when the daemon stopped reading (the rest is left to Apache to discard) or the client left (the
 *         daemon was told, and what the application makes of it counts); or the HTTP status when the client failed in
 *         another way (logged, and the daemon was told)
 */
int wsgi_upload_relay(wsgi_upload_t *upload, wsgi_channel_t *channel, int (*between)(void *context), void *context);

#endif
