#ifndef WSGI_CHANNEL_H
#define WSGI_CHANNEL_H

#include <apr_errno.h>
#include <apr_pools.h>
#include <apr_time.h>
#include <sys/uio.h>

#include "wire/wsgi_codec.h"

/**
 * Frames over one connected UNIX stream socket. One thread uses a channel. No single wait is longer than `timeout`;
 * deadlines are on the monotonic clock. Whether the socket blocks makes no difference: every call passes MSG_DONTWAIT
 * and polls when it has to, so that what is ready costs one system call.
 */
typedef struct wsgi_channel_t wsgi_channel_t;
struct wsgi_channel_t {
    int fd;                      /* owned by whoever opened it */
    apr_interval_time_t timeout; /* microseconds */
    int from_child;              /* the other side is an Apache child (else a worker) */
    /**
     * Called when a send has to wait and the other side has sent something meanwhile: reading it keeps two sides
     * that both write from waiting for each other. NULL: only wait to write. A failure ends the send.
     */
    apr_status_t (*while_blocked)(void *context);
    void *context;
    int may_widen;               /* a send that has to wait may have the system make more room for it, once */
    int is_unread;               /* set with APR_EOF: the other side went without having read all that was sent to it */

    /* private */
    char *buf;
    apr_size_t start, end, capacity; /* bytes received and not yet taken */
    apr_size_t remaining;            /* payload of the current frame not yet taken */
    int passed_fd;                   /* received beside a frame, -1 none */
    apr_pool_t *pool;
};

void wsgi_channel_init(wsgi_channel_t *channel, int fd, int from_child, apr_interval_time_t timeout, apr_pool_t *pool);

/** Close a descriptor that was received but never taken. Does not close the socket. */
void wsgi_channel_done(wsgi_channel_t *channel);

/**
 * Read what has come, without waiting for it. wsgi_channel_next() then goes on from there.
 * @return APR_SUCCESS when there is something; APR_EAGAIN; APR_EOF; other status of recv
 */
apr_status_t wsgi_channel_read_ahead(wsgi_channel_t *channel);

/**
 * Wait for the header of the next frame; the payload of the one before must have been taken.
 * @return APR_SUCCESS; APR_EOF when the other side closed; APR_TIMEUP; APR_EGENERAL for a frame that may not come
 *         from that side; other status of recv
 */
apr_status_t wsgi_channel_next(wsgi_channel_t *channel, wsgi_frame_t *frame);

/** The whole payload of the current frame in one block of memory of the channel's pool, valid as long as that. */
apr_status_t wsgi_channel_payload(wsgi_channel_t *channel, char **payload);

/**
 * Some of the payload of the current frame, at least one byte.
 * @param len in: capacity; out: bytes, 0 when the payload is used up
 */
apr_status_t wsgi_channel_take(wsgi_channel_t *channel, char *buf, apr_size_t *len);

/** The descriptor that came with the current frame, now the caller's; -1 if none did. */
int wsgi_channel_take_fd(wsgi_channel_t *channel);

/** Whether received bytes are waiting in memory, so that no system call is needed to go on. */
int wsgi_channel_has_input(const wsgi_channel_t *channel);

/** Wait until the other side has sent something. @return APR_SUCCESS, APR_TIMEUP or an error of poll */
apr_status_t wsgi_channel_wait(const wsgi_channel_t *channel, apr_interval_time_t timeout);

/**
 * Send all of `blocks`, whose entries are used up in the doing. `fd` travels beside the first byte, -1: none.
 * @return APR_SUCCESS; APR_TIMEUP; APR_ECONNABORTED when the other side is gone; other status of sendmsg
 */
apr_status_t wsgi_channel_send(wsgi_channel_t *channel, struct iovec *blocks, int count, int fd);

#endif
