#include "daemon/wsgi_control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

typedef struct {
    apr_uint16_t type;
    apr_uint16_t len;
} header_t;

void wsgi_control_init(wsgi_control_t *control, int fd)
{
    control->fd = fd;
    control->used = 0;
}

void wsgi_control_close(wsgi_control_t *control)
{
    if (control->fd >= 0) {
        close(control->fd);
        control->fd = -1;
    }
}

static apr_status_t send_block(int fd, wsgi_control_type_t type, const char *text, int len, int flags)
{
    char block[sizeof(header_t) + WSGI_CONTROL_TEXT];
    header_t header = { .type = (apr_uint16_t)type, .len = (apr_uint16_t)len };
    size_t left = sizeof(header) + (size_t)len;
    char *at = block;

    if (len >= WSGI_CONTROL_TEXT) {
        return APR_ENOSPC;
    }
    memcpy(block, &header, sizeof(header));
    memcpy(block + sizeof(header), text, (size_t)len);
    while (left > 0) {
        ssize_t n = send(fd, at, left, MSG_NOSIGNAL | flags);
        if (n < 0 && errno != EINTR) {
            apr_status_t rv = errno;
            if (at != block) { /* half a message is the end of the conversation */
                (void)shutdown(fd, SHUT_WR);
            }
            return rv;
        }
        if (n > 0) {
            at += n;
            left -= (size_t)n;
        }
    }
    return APR_SUCCESS;
}

apr_status_t wsgi_control_send(int fd, wsgi_control_type_t type, const char *text, int len)
{
    return send_block(fd, type, text, len, 0);
}

apr_status_t wsgi_control_try_send(int fd, wsgi_control_type_t type, const char *text, int len)
{
    return send_block(fd, type, text, len, MSG_DONTWAIT);
}

/* @return 1 a whole message was in the buffer; 0 not yet; -1 nonsense */
static int take(wsgi_control_t *control, wsgi_control_message_t *message)
{
    header_t header;
    int whole;

    if (control->used < (int)sizeof(header)) {
        return 0;
    }
    memcpy(&header, control->buf, sizeof(header));
    if (header.len >= WSGI_CONTROL_TEXT) {
        return -1;
    }
    whole = (int)sizeof(header) + header.len;
    if (control->used < whole) {
        return 0;
    }
    message->type = header.type;
    message->len = header.len;
    memcpy(message->text, control->buf + sizeof(header), header.len);
    message->text[header.len] = '\0';
    control->used -= whole;
    memmove(control->buf, control->buf + whole, (size_t)control->used);
    return 1;
}

int wsgi_control_next(wsgi_control_t *control, wsgi_control_message_t *message)
{
    for (;;) {
        int got = take(control, message);
        ssize_t n;

        if (got != 0) {
            return got;
        }
        n = recv(control->fd, control->buf + control->used, sizeof(control->buf) - (size_t)control->used, MSG_DONTWAIT);
        if (n > 0) {
            control->used += (int)n;
        } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            return 0;
        } else if (n == 0 || errno != EINTR) {
            return -1;
        }
    }
}
