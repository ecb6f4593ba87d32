#ifndef WSGI_EXCHANGE_H
#define WSGI_EXCHANGE_H

#include <apr_errno.h>
#include <sys/uio.h>

#include "base/wsgi_fields.h"
#include "base/wsgi_log.h"

/**
 * One HTTP request as its executor sees it: where the body is read from and the response goes to.
 * Embedded mode implements it over Apache's filters (httpd/wsgi_local.c), a daemon over its socket
 * (daemon/wsgi_peer.c), the unit tests in memory. Nobody else tells the two modes apart.
 *
 * All functions are called without the GIL and may block. One thread at a time uses an exchange; it is usually,
 * not always, the thread of the request (PEP 3333 lets applications hand `write` to another one; the bridge then
 * serialises). Implementers embed wsgi_exchange_t as the first member of their own struct.
 */
typedef struct wsgi_exchange_t wsgi_exchange_t;

/** Status and headers of a response, checked by the rules of wsgi_httprules.h. */
typedef struct {
    int status;               /* 200 to 999 */
    const char *reason;       /* as the application gave it, "" if none */
    const wsgi_field_t *headers;
    apr_uint32_t header_count;
} wsgi_head_t;

/** WSGI_SEND_LAST: nothing follows, and the response is complete; no call of finish() is needed or allowed. */
#define WSGI_SEND_FLUSH 1u
#define WSGI_SEND_LAST 2u

/** How a request that was handed to a bridge ended. Goes over the wire: values are fixed. */
typedef enum {
    WSGI_DONE = 0,        /* response complete */
    WSGI_FAILED = 1,      /* nothing was sent; the cause is logged: 500 */
    WSGI_NO_CALLABLE = 2, /* nothing was sent; script has no entry point: 404 embedded, 500 in a daemon */
    WSGI_TIMED_OUT = 3,   /* nothing was sent; RequestTimeout: 504 with empty body */
    WSGI_TRUNCATED = 4,   /* head was sent, response is not complete: the client must be able to tell */
    WSGI_REJECTED = 5,    /* nothing was sent nor run: the process is being replaced, ask again */
    WSGI_EXPIRED = 6,     /* nothing was run: the request was older than queue-timeout: 504 */
    WSGI_OUTCOME_COUNT
} wsgi_outcome_t;

/** What to do about a script that changed on disk, asked once per request. */
typedef enum {
    WSGI_CHANGE_RELOAD, /* load it again in this process (embedded) */
    WSGI_CHANGE_IGNORE, /* serve this request with what is loaded */
    WSGI_CHANGE_REJECT  /* do not run it here: return WSGI_REJECTED */
} wsgi_change_t;

typedef struct {
    /**
     * Read some of the request body, blocking until there is at least one byte, the end or an error.
     * @param len in: capacity, 0 to only provoke `100 Continue`; out: bytes read, 0 at the end
     * @return APR_SUCCESS; APR_TIMEUP; APR_EGENERAL and others when the body is broken or the client gone.
     *         A body that ends early is an error, never a silent end (RFC 9112 section 8).
     */
    apr_status_t (*read)(wsgi_exchange_t *x, char *buf, apr_size_t *len);

    /**
     * Send the head (once: the first send or send_file carries it, later ones pass NULL) and/or some of the body.
     * The memory is borrowed until return. `flags` is a set of WSGI_SEND_*.
     * @return APR_SUCCESS; APR_ECONNABORTED when the client is gone; other status for other failures
     */
    apr_status_t (*send)(wsgi_exchange_t *x, const wsgi_head_t *head, const struct iovec *blocks, int count,
                         unsigned flags);

    /**
     * Send part of an open regular file. `fd` is borrowed: the implementer duplicates what it keeps, and must not
     * move its file offset. `head` as for send.
     */
    apr_status_t (*send_file)(wsgi_exchange_t *x, const wsgi_head_t *head, int fd, apr_off_t offset, apr_off_t length);

    /**
     * End the response, unless WSGI_SEND_LAST did. Called once, after the application's close().
     * WSGI_DONE with a head sent: complete. WSGI_TRUNCATED: make the truncation visible to the client.
     * The other outcomes: nothing was sent.
     */
    apr_status_t (*finish)(wsgi_exchange_t *x, wsgi_outcome_t outcome);

    /** Whether the client is known to be gone. Cheap; no system call needed. */
    int (*aborted)(wsgi_exchange_t *x);

    /**
     * The script was found changed on disk (or reload_required() said so). May block while a replacement of the
     * process starts. `script` and `application_group` name what has to be loaded afresh.
     */
    wsgi_change_t (*script_changed)(wsgi_exchange_t *x);

    /**
     * The request will be run here: from now on it is never handed back. Called once, after the interpreter was
     * acquired and the script checked for change, before the script is loaded.
     */
    void (*proceed)(wsgi_exchange_t *x);

    /**
     * The request waits for its turn to run Python, or waits no longer: once each, the second time with the GIL held.
     * Not called where requests may wait for different GILs, or for none. Must not block.
     */
    void (*waiting)(wsgi_exchange_t *x, int is_waiting);

    /** Log in the context of the request: its virtual host, client and log id, prefixed by its script. */
    void (*log)(wsgi_exchange_t *x, const wsgi_record_t *record);
    int (*log_enabled)(wsgi_exchange_t *x, wsgi_log_level_t level);
} wsgi_exchange_ops_t;

struct wsgi_exchange_t {
    const wsgi_exchange_ops_t *ops;
};

#endif
