#ifndef WSGI_CODEC_H
#define WSGI_CODEC_H

#include "base/wsgi_exchange.h"
#include "base/wsgi_model.h"

/**
 * Frames between an Apache child and a daemon worker, to and from bytes in memory. The protocol is private to one
 * build on one machine: numbers are in native byte order. Nothing here trusts the other side: every length and
 * count is checked against the bytes at hand.
 */

typedef enum {
    /* child to worker */
    WSGI_FRAME_REQUEST = 1,  /* all but the body; first frame of a request */
    WSGI_FRAME_BODY = 2,     /* some of the request body */
    WSGI_FRAME_BODY_END = 3, /* the body is complete */
    WSGI_FRAME_BODY_FAILED = 4, /* the client did not send all of it */
    /* worker to child */
    WSGI_FRAME_GO = 16,      /* a deferred body may come now */
    WSGI_FRAME_HEAD = 17,    /* status and headers */
    WSGI_FRAME_DATA = 18,    /* some of the response body */
    WSGI_FRAME_FILE = 19,    /* a piece of a file, its descriptor beside the frame (SCM_RIGHTS) */
    WSGI_FRAME_END = 20      /* outcome; last frame of a request */
} wsgi_frame_type_t;

/* Flags of a REQUEST frame: what follows it. */
#define WSGI_BODY_NONE 0     /* nothing: the request has no body */
#define WSGI_BODY_FOLLOWS 1  /* body frames follow at once */
#define WSGI_BODY_DEFERRED 2 /* body frames follow after GO */

/* Flags of an END frame: the outcome, and this bit. */
#define WSGI_END_KEPT 0x80   /* the worker is ready for another request over this connection */

typedef struct {
    apr_uint32_t length; /* of the payload, bytes */
    apr_byte_t type;     /* wsgi_frame_type_t */
    apr_byte_t flags;
    apr_uint16_t zero;
} wsgi_frame_t;

#define WSGI_REQUEST_MAX (16u << 20)
#define WSGI_HEAD_MAX (16u << 20)
#define WSGI_DATA_MAX (1u << 30)
#define WSGI_SECRET_BYTES 32

/** Everything a REQUEST frame carries. Texts of a decoded one point into the payload. */
typedef struct {
    const unsigned char *secret; /* WSGI_SECRET_BYTES */
    apr_uint64_t token;          /* names the request on the board; never 0 */
    wsgi_route_t route;
    wsgi_fields_t variables;
    apr_time_t request_start, queue_start; /* microseconds since the epoch */
    apr_time_t queued;           /* monotonic moment of queue_start */
    int is_https;
    int daemon_connects, daemon_restarts;
    wsgi_origin_t origin;
} wsgi_call_t;

/** A piece of a file. */
typedef struct {
    apr_int64_t offset, length; /* bytes, both >= 0 */
} wsgi_file_piece_t;

/** Whether the frame may come from a child (`from_child`) or a worker, and its length is within bounds. */
int wsgi_codec_is_valid(const wsgi_frame_t *frame, int from_child);

/** What an END frame says. @param is_kept receives whether the connection may be used again */
wsgi_outcome_t wsgi_codec_end(const wsgi_frame_t *frame, int *is_kept);

/** A frame header for `length` bytes of payload. */
wsgi_frame_t wsgi_codec_frame(wsgi_frame_type_t type, int flags, apr_size_t length);

/**
 * Header and payload of a REQUEST frame in one block.
 * @param block_len receives its size in bytes
 * @return NULL when it would exceed WSGI_REQUEST_MAX
 */
char *wsgi_codec_encode_request(apr_size_t *block_len, const wsgi_call_t *call, int body, apr_pool_t *pool);

/**
 * Where the secret of a REQUEST payload is, WSGI_SECRET_BYTES of it, so that an unentitled sender is refused before
 * anything else is looked at. @return NULL when the payload is too short to hold one
 */
const unsigned char *wsgi_codec_secret(const char *payload, apr_size_t len);

/** Decode in place. @return APR_SUCCESS; APR_EGENERAL when the payload is not one, whatever its bytes */
apr_status_t wsgi_codec_decode_request(wsgi_call_t *call, char *payload, apr_size_t len, apr_pool_t *pool);

/** As above, for HEAD. */
char *wsgi_codec_encode_head(apr_size_t *block_len, const wsgi_head_t *head, apr_pool_t *pool);
apr_status_t wsgi_codec_decode_head(wsgi_head_t *head, char *payload, apr_size_t len, apr_pool_t *pool);

#endif
