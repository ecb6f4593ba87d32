#ifndef WSGI_OUTBOX_H
#define WSGI_OUTBOX_H

#include <apr_errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/uio.h>

#include "bridge/wsgi_flusher.h"
#include "bridge/wsgi_pystate.h"

/**
 * What a call has produced and not sent yet. PEP 3333 ("Buffering and Streaming") lets a server go on sending a block
 * while the application produces the next: small blocks are kept for WSGI_HOLD_TIME at most, and what comes meanwhile
 * leaves together with them. Then no block costs a transfer, nor the GIL. Whoever uses the exchange for anything but
 * logs sends first what is held.
 *
 * Guarded by the call's lock, unless said otherwise.
 */
typedef struct {
    wsgi_flush_t flush;         /* first: the flusher's pointer is ours */
    wsgi_call_t *call;          /* constant */
    char *data;                 /* malloc'ed */
    size_t length, capacity;
    atomic_int is_waiting;      /* written under the lock: bytes are held, or the head alone */
    atomic_int is_flushed;      /* written under the lock: the flusher knows us */
    apr_time_t sent;            /* when something was sent last, monotonic; 0 never */
    apr_interval_time_t spent;  /* by the flusher since wsgi_outbox_settle() */
    apr_status_t failed;        /* why nothing more can be sent */
} wsgi_outbox_t;

void wsgi_outbox_init(wsgi_outbox_t *outbox, wsgi_call_t *call);
void wsgi_outbox_clear(wsgi_outbox_t *outbox);

/**
 * Keep a copy of a block for a moment, or the head alone when `size` is 0. GIL: held, and kept.
 * @return 1; 0 when it is to be sent at once: it is large, or late, or the exchange is in use, or cannot be used
 */
int wsgi_outbox_hold(wsgi_call_t *call, const char *data, size_t size);

/**
 * Send what is held, then the blocks, with the head before the first. GIL: not held.
 * @return as of the exchange; APR_EINVAL when the request is over
 */
apr_status_t wsgi_outbox_send(wsgi_call_t *call, const struct iovec *blocks, int count, unsigned flags);

/** The same for a file. GIL: not held. */
apr_status_t wsgi_outbox_send_file(wsgi_call_t *call, int fd, apr_off_t offset, apr_off_t length);

/** Send what is held, if anything is. The call's lock is held, the exchange is there, the GIL is not held. */
void wsgi_outbox_empty(wsgi_call_t *call);

/** Send what is held. GIL: not held. @return what the flusher has spent so far on sending, in microseconds */
apr_interval_time_t wsgi_outbox_settle(wsgi_call_t *call);

/**
 * The exchange has been taken away from the call: see the flusher out. What is held stays for the caller.
 * GIL: held; given away only to wait.
 */
void wsgi_outbox_retire(wsgi_call_t *call);

/** In a process just made by fork(): what was held is the other one's to send. */
void wsgi_outbox_forked(wsgi_outbox_t *outbox);

#endif
