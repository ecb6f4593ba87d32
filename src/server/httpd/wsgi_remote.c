#include "httpd/wsgi_remote.h"

#include <errno.h>
#include <unistd.h>

#include "base/wsgi_clock.h"
#include "httpd/wsgi_hostlog.h"
#include "httpd/wsgi_kept.h"
#include "httpd/wsgi_relay.h"
#include "httpd/wsgi_startup.h"
#include "httpd/wsgi_upload.h"
#include "wire/wsgi_channel.h"
#include "wire/wsgi_socket.h"

/* Between two attempts to connect: often while a worker may just be busy, then rarely. Microseconds. */
enum { SHORT_PAUSE = 125000, LONG_PAUSE = 1000000, SHORT_PAUSES_UNTIL = 2000000 };

typedef struct {
    request_rec *r;
    const wsgi_endpoint_t *endpoint;
    wsgi_call_t *call;
    wsgi_upload_t upload;
    int must_connect; /* a connection that was kept has turned out to be closed */
} remote_t;

static int is_busy(int error)
{
    return error == ECONNREFUSED || error == EAGAIN || error == EWOULDBLOCK;
}

/* Try until it works, fails for good, or takes too long. @return 0, or the last error */
static int connect_in_time(int fd, remote_t *c)
{
    apr_time_t start = wsgi_clock_now(), waited;
    int error;

    for (;;) {
        c->call->daemon_connects++;
        error = wsgi_socket_connect(fd, c->endpoint->socket_path) == 0 ? 0 : errno;
        waited = wsgi_clock_now() - start;
        if (!is_busy(error) || waited >= c->endpoint->group->connect_timeout) {
            return error;
        }
        wsgi_hostlog_say(c->r, WSGI_HERE, WSGI_LOG_TRACE1, error, "Connection attempt %d to '%s' failed, trying again.",
                         c->call->daemon_connects, c->endpoint->socket_path);
        apr_sleep(waited < SHORT_PAUSES_UNTIL ? SHORT_PAUSE : LONG_PAUSE);
    }
}

/* Connect, trying again while the backlog is full. @param fd receives the socket, -1 on failure. @return HTTP status */
static int connect_to_group(int *fd, remote_t *c)
{
    const wsgi_group_t *group = c->endpoint->group;
    request_rec *r = c->r;
    int error;

    *fd = wsgi_socket_new();
    if (*fd < 0) {
        wsgi_hostlog_say(r, WSGI_HERE, WSGI_LOG_ERR, errno,
                         WSGI_LOGNO(0115) "Unable to create a socket to connect to daemon process group '%s' on '%s'.",
                         group->name, c->endpoint->socket_path);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    error = connect_in_time(*fd, c);
    if (error == 0) {
        return OK;
    }
    close(*fd);
    *fd = -1;
    if (is_busy(error)) {
        wsgi_hostlog_say(r, WSGI_HERE, WSGI_LOG_ERR, error,
                         WSGI_LOGNO(0116) "Unable to connect to daemon process group '%s' on '%s' within %d seconds: "
                                          "its processes are all busy and the queue is full.",
                         group->name, c->endpoint->socket_path, (int)apr_time_sec(group->connect_timeout));
    } else {
        wsgi_hostlog_say(r, WSGI_HERE, WSGI_LOG_ERR, error,
                         WSGI_LOGNO(0117) "Unable to connect to daemon process group '%s' on '%s' as user id %ld.",
                         group->name, c->endpoint->socket_path, (long)geteuid());
    }
    return HTTP_SERVICE_UNAVAILABLE;
}

/* A connection that is there, or a new one. @param fd, is_reused receive it. @return HTTP status */
static int reach_group(int *fd, int *is_reused, remote_t *c)
{
    const wsgi_group_t *group = c->endpoint->group;

    *fd = c->must_connect ? -1 : wsgi_kept_take(wsgi_startup_kept(), group->id - 1);
    *is_reused = *fd >= 0;
    if (!*is_reused) {
        return connect_to_group(fd, c);
    }
    c->call->daemon_connects++;
    wsgi_hostlog_say(c->r, WSGI_HERE, WSGI_LOG_TRACE1, 0, "Using a connection kept for daemon process group '%s'.",
                     group->name);
    return OK;
}

/* The request, and the body as far as it is at hand, in one write. */
static apr_status_t send_request(wsgi_channel_t *channel, remote_t *c)
{
    struct iovec out[2 + WSGI_UPLOAD_BLOCKS];
    int count = 1;
    apr_size_t len;

    out[0].iov_base = wsgi_codec_encode_request(&len, c->call, c->upload.mode, c->r->pool);
    out[0].iov_len = len;
    if (out[0].iov_base == NULL) {
        return APR_ENOSPC;
    }
    count += wsgi_upload_collected(&c->upload, out + 1);
    return wsgi_channel_send(channel, out, count, -1);
}

static void log_unsent(const remote_t *c, apr_status_t rv)
{
    const wsgi_group_t *group = c->endpoint->group;

    if (c->call->daemon_restarts == 0) {
        wsgi_hostlog_say(c->r, WSGI_HERE, WSGI_LOG_ERR, rv,
                         WSGI_LOGNO(0121) "Unable to send the request to daemon process group '%s' on '%s'.",
                         group->name, c->endpoint->socket_path);
    } else {
        wsgi_hostlog_say(c->r, WSGI_HERE, WSGI_LOG_ERR, rv,
                         WSGI_LOGNO(0125) "Unable to send the request again to daemon process group '%s' on '%s'.",
                         group->name, c->endpoint->socket_path);
    }
}

/* Hand over and relay over one connection, which is kept afterwards or closed. @return HTTP status or OK */
static int converse(wsgi_relayed_t *result, int *is_unread, remote_t *c, int fd)
{
    const wsgi_group_t *group = c->endpoint->group;
    apr_interval_time_t timeout = group->socket_timeout > 0 ? group->socket_timeout : c->r->server->timeout;
    int status = HTTP_INTERNAL_SERVER_ERROR;
    wsgi_channel_t channel;
    apr_status_t rv;

    wsgi_channel_init(&channel, fd, 0, timeout, c->r->pool);
    rv = send_request(&channel, c);
    if (rv == APR_SUCCESS || rv == APR_ECONNABORTED) { /* a worker that hung up may have said why before */
        status = wsgi_relay_response(result, c->r, c->endpoint, c->call, &channel, &c->upload);
    } else {
        log_unsent(c, rv);
    }
    *is_unread = channel.is_unread;
    wsgi_channel_done(&channel);
    if (result->is_kept) {
        wsgi_kept_put(wsgi_startup_kept(), group->id - 1, fd);
    } else {
        close(fd);
    }
    return status;
}

/* One attempt. @param outcome WSGI_REJECTED asks for another. @return HTTP status or OK */
static int attempt(wsgi_outcome_t *outcome, remote_t *c)
{
    wsgi_relayed_t result = { .outcome = WSGI_FAILED };
    int fd, is_reused, is_unread = 0;
    int status = reach_group(&fd, &is_reused, c);

    if (status == OK) {
        status = converse(&result, &is_unread, c, fd);
    }
    if (is_reused && is_unread && result.outcome == WSGI_REJECTED) {
        c->must_connect = 1; /* closed while nobody used it, or just then: nothing has happened yet */
        return attempt(outcome, c);
    }
    *outcome = result.outcome;
    return status;
}

/*
 * Names the request on the board of its group: process, request_rec and moment, mixed (splitmix64's finisher) so that
 * all bits differ. Two requests may share a token by accident; then a lost one may be blamed on the other's worker in
 * the log, and nothing else depends on it.
 */
static apr_uint64_t make_token(const request_rec *r, apr_time_t now)
{
    apr_uint64_t process = (apr_uint64_t)wsgi_startup_pid();
    apr_uint64_t z = (process << 40) ^ (apr_uint64_t)(apr_uintptr_t)r ^ ((apr_uint64_t)now << 20);

    z = (z ^ (z >> 30)) * APR_UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * APR_UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) | 1u;
}

int wsgi_remote_run(request_rec *r, const wsgi_endpoint_t *endpoint, wsgi_call_t *call, int has_body)
{
    remote_t c = { .r = r, .endpoint = endpoint, .call = call };
    int limit = 2 * endpoint->group->processes + 1;
    wsgi_outcome_t outcome = WSGI_FAILED;
    int status = wsgi_upload_collect(&c.upload, r, has_body, endpoint->group->request_buffer_size);

    if (status != OK) {
        return status;
    }
    call->secret = endpoint->secret;
    call->queue_start = apr_time_now();
    call->queued = wsgi_clock_now();
    call->token = make_token(r, call->queue_start);
    status = attempt(&outcome, &c);
    while (outcome == WSGI_REJECTED && status == OK) {
        if (++call->daemon_restarts > limit) {
            wsgi_hostlog_say(r, WSGI_HERE, WSGI_LOG_ERR, 0,
                             WSGI_LOGNO(0124) "Processes of daemon process group '%s' were being replaced %d times in "
                                              "a row; the request is given up.",
                             endpoint->group->name, limit);
            return HTTP_SERVICE_UNAVAILABLE;
        }
        wsgi_hostlog_say(r, WSGI_HERE, WSGI_LOG_INFO, 0,
                         "Connecting again to daemon process group '%s', whose process ends (attempt %d).",
                         endpoint->group->name, call->daemon_restarts + 1);
        status = attempt(&outcome, &c);
    }
    return status;
}
