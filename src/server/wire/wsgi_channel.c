#include "wire/wsgi_channel.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/wsgi_clock.h"
#include "wire/wsgi_passedfd.h"
#include "wire/wsgi_socket.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* both sides ignore SIGPIPE */
#endif
#ifndef IOV_MAX
#define IOV_MAX 16
#endif

enum { BUFFER_BYTES = 16384, SMALLEST_BUFFER = 1024 };

void wsgi_channel_init(wsgi_channel_t *channel, int fd, int from_child, apr_interval_time_t timeout, apr_pool_t *pool)
{
    memset(channel, 0, sizeof(*channel));
    channel->fd = fd;
    channel->from_child = from_child;
    channel->timeout = timeout;
    channel->passed_fd = -1;
    channel->pool = pool;
    channel->capacity = BUFFER_BYTES;
    channel->buf = apr_palloc(pool, channel->capacity);
}

static void drop_fd(wsgi_channel_t *channel)
{
    if (channel->passed_fd >= 0) {
        close(channel->passed_fd);
        channel->passed_fd = -1;
    }
}

void wsgi_channel_done(wsgi_channel_t *channel)
{
    drop_fd(channel);
}

/* Wait for one of `events`. @param seen receives which came */
static apr_status_t wait_for(int fd, short events, short *seen, apr_interval_time_t timeout)
{
    apr_time_t deadline = timeout > 0 ? wsgi_clock_now() + timeout : 0;
    struct pollfd pfd = { .fd = fd, .events = events };
    int ms, n;

    do {
        ms = timeout > 0 ? wsgi_clock_poll_ms(deadline) : 0;
        n = poll(&pfd, 1, ms);
        if (n > 0) {
            *seen = pfd.revents;
            return APR_SUCCESS;
        }
        if (n < 0 && errno != EINTR) {
            return errno;
        }
    } while (ms > 0);
    return APR_TIMEUP;
}

apr_status_t wsgi_channel_wait(const wsgi_channel_t *channel, apr_interval_time_t timeout)
{
    short seen;

    return wait_for(channel->fd, POLLIN, &seen, timeout);
}

int wsgi_channel_has_input(const wsgi_channel_t *channel)
{
    return channel->end > channel->start;
}

/* One recvmsg. @param len in: capacity; out: bytes, on success only. @return as wsgi_channel_read_ahead() */
static apr_status_t receive_now(wsgi_channel_t *channel, char *buf, apr_size_t *len)
{
    struct iovec block = { buf, *len };
    wsgi_passedfd_t control;

    for (;;) {
        struct msghdr msg = { .msg_iov = &block, .msg_iovlen = 1 };
        ssize_t n;

        wsgi_passedfd_expect(&msg, &control);
        n = recvmsg(channel->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n >= 0) {
            channel->passed_fd = wsgi_passedfd_collect(&msg, channel->passed_fd);
            *len = (apr_size_t)n;
            return n > 0 ? APR_SUCCESS : APR_EOF;
        }
        if (errno == ECONNRESET) { /* closed with something of ours unread: unix(7), and the BSDs as well */
            channel->is_unread = 1;
            return APR_EOF;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return APR_EAGAIN;
        }
        if (errno != EINTR) {
            return errno;
        }
    }
}

/* As above, once something is there. */
static apr_status_t receive(wsgi_channel_t *channel, char *buf, apr_size_t *len)
{
    apr_status_t rv;
    short seen;

    while ((rv = receive_now(channel, buf, len)) == APR_EAGAIN) {
        rv = wait_for(channel->fd, POLLIN, &seen, channel->timeout);
        if (rv != APR_SUCCESS) {
            return rv;
        }
    }
    return rv;
}

apr_status_t wsgi_channel_read_ahead(wsgi_channel_t *channel)
{
    apr_size_t len = channel->capacity - channel->end;
    apr_status_t rv = receive_now(channel, channel->buf + channel->end, &len);

    if (rv == APR_SUCCESS) {
        channel->end += len;
    }
    return rv;
}

/* Have at least `need` bytes (no more than the buffer holds) in the buffer. */
static apr_status_t fill(wsgi_channel_t *channel, apr_size_t need)
{
    if (channel->start == channel->end) {
        channel->start = channel->end = 0;
    }
    if (channel->capacity - channel->start < need) {
        memmove(channel->buf, channel->buf + channel->start, channel->end - channel->start);
        channel->end -= channel->start;
        channel->start = 0;
    }
    while (channel->end - channel->start < need) {
        apr_size_t n = channel->capacity - channel->end;
        apr_status_t rv = receive(channel, channel->buf + channel->end, &n);
        if (rv != APR_SUCCESS) {
            return rv;
        }
        channel->end += n;
    }
    return APR_SUCCESS;
}

apr_status_t wsgi_channel_next(wsgi_channel_t *channel, wsgi_frame_t *frame)
{
    apr_status_t rv = fill(channel, sizeof(*frame));

    if (rv != APR_SUCCESS) {
        return rv;
    }
    memcpy(frame, channel->buf + channel->start, sizeof(*frame));
    channel->start += sizeof(*frame);
    if (!wsgi_codec_is_valid(frame, channel->from_child)) {
        return APR_EGENERAL;
    }
    channel->remaining = frame->length;
    return APR_SUCCESS;
}

apr_status_t wsgi_channel_take(wsgi_channel_t *channel, char *buf, apr_size_t *len)
{
    apr_size_t n = *len < channel->remaining ? *len : channel->remaining;
    apr_size_t buffered = channel->end - channel->start;
    apr_status_t rv = APR_SUCCESS;

    *len = 0;
    if (n == 0) {
        return APR_SUCCESS;
    }
    if (buffered > 0) {
        n = n < buffered ? n : buffered;
        memcpy(buf, channel->buf + channel->start, n);
        channel->start += n;
    } else {
        rv = receive(channel, buf, &n);
    }
    if (rv == APR_SUCCESS) {
        channel->remaining -= n;
        *len = n;
    }
    return rv;
}

/* What was taken so far stays where it is for the caller: go on in the rest of the buffer, or in a new one. */
static void leave_behind(wsgi_channel_t *channel)
{
    apr_size_t waiting = channel->end - channel->start;

    channel->buf += channel->start;
    channel->capacity -= channel->start;
    if (channel->capacity < SMALLEST_BUFFER) {
        channel->capacity = BUFFER_BYTES;
        channel->buf = memcpy(apr_palloc(channel->pool, BUFFER_BYTES), channel->buf, waiting);
    }
    channel->start = 0;
    channel->end = waiting;
}

apr_status_t wsgi_channel_payload(wsgi_channel_t *channel, char **payload)
{
    apr_size_t len = channel->remaining;
    apr_size_t done = 0;

    if (len <= channel->end - channel->start) {
        *payload = channel->buf + channel->start; /* already complete: no copy */
        channel->start += len;
        channel->remaining = 0;
        leave_behind(channel);
        return APR_SUCCESS;
    }
    *payload = apr_palloc(channel->pool, len);
    while (done < len) {
        apr_size_t n = len - done;
        apr_status_t rv = wsgi_channel_take(channel, *payload + done, &n);
        if (rv != APR_SUCCESS) {
            return rv;
        }
        done += n;
    }
    return APR_SUCCESS;
}

int wsgi_channel_take_fd(wsgi_channel_t *channel)
{
    int fd = channel->passed_fd;

    channel->passed_fd = -1;
    return fd;
}

/* Skip `n` bytes that were sent. */
static void advance(struct iovec **blocks, int *count, apr_size_t n)
{
    while (*count > 0 && n >= (*blocks)->iov_len) {
        n -= (*blocks)->iov_len;
        (*blocks)++;
        (*count)--;
    }
    if (*count > 0) {
        (*blocks)->iov_base = (char *)(*blocks)->iov_base + n;
        (*blocks)->iov_len -= n;
    }
}

static apr_status_t wait_to_send(wsgi_channel_t *channel)
{
    short events = channel->while_blocked ? POLLOUT | POLLIN : POLLOUT;
    short seen = 0;
    apr_status_t rv = wait_for(channel->fd, events, &seen, channel->timeout);

    if (rv == APR_SUCCESS && (seen & POLLIN) && !(seen & POLLOUT) && channel->while_blocked) {
        rv = channel->while_blocked(channel->context);
    }
    return rv;
}

apr_status_t wsgi_channel_send(wsgi_channel_t *channel, struct iovec *blocks, int count, int fd)
{
    wsgi_passedfd_t control;

    advance(&blocks, &count, 0);
    while (count > 0) {
        struct msghdr msg = { .msg_iov = blocks, .msg_iovlen = count < IOV_MAX ? (unsigned)count : IOV_MAX };
        apr_status_t rv;
        ssize_t n;

        if (fd >= 0) {
            wsgi_passedfd_attach(&msg, &control, fd);
        }
        n = sendmsg(channel->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0) {
            fd = -1;
            advance(&blocks, &count, (apr_size_t)n);
            continue;
        }
        if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN) {
            channel->is_unread = 1;
            return APR_ECONNABORTED;
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            return errno;
        }
        if (channel->may_widen) {
            channel->may_widen = 0;
            if (wsgi_socket_widen(channel->fd)) {
                continue;
            }
        }
        rv = wait_to_send(channel);
        if (rv != APR_SUCCESS) {
            return rv;
        }
    }
    return APR_SUCCESS;
}
