/* sources: wire/wsgi_channel.c wire/wsgi_passedfd.c wire/wsgi_codec.c wire/wsgi_socket.c */
/* sources: base/wsgi_clock.c base/wsgi_fields.c base/wsgi_httprules.c */
#include "wire/wsgi_channel.h"

#include "wsgi_tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/wsgi_clock.h"
#include "wire/wsgi_socket.h"

enum { SHORT_TIMEOUT = 20000 };

static wsgi_channel_t channel; /* what is tested: it hears an Apache child */
static int other;              /* the far end of its socket, -1 once closed */
static wsgi_frame_t frame;

static void start(void)
{
    int fds[2] = { -1, -1 };

    if (wsgi_socket_pair(fds) != 0) {
        printf("Bail out! no socket pair\n");
        exit(2);
    }
    other = fds[1];
    wsgi_channel_init(&channel, fds[0], 1, SHORT_TIMEOUT, tap.pool);
}

static void close_other(void)
{
    close(other);
    other = -1;
}

static void stop(void)
{
    wsgi_channel_done(&channel);
    close(channel.fd);
    if (other >= 0) {
        close(other);
    }
}

static void put(const void *bytes, size_t len)
{
    CHECK_INT(write(other, bytes, len), len);
}

static void put_frame(wsgi_frame_type_t type, const char *payload)
{
    wsgi_frame_t header = wsgi_codec_frame(type, 0, strlen(payload));

    put(&header, sizeof(header));
    put(payload, strlen(payload));
}

static void check_payload(const char *want)
{
    char *payload = NULL;

    CHECK_INT(wsgi_channel_payload(&channel, &payload), APR_SUCCESS);
    CHECK_BYTES(payload, frame.length, want, strlen(want));
}

static void frames_arrive_in_order(void)
{
    put_frame(WSGI_FRAME_BODY, "one");
    put_frame(WSGI_FRAME_BODY, "two");
    put_frame(WSGI_FRAME_BODY_END, "");
    CHECK_INT(wsgi_channel_next(&channel, &frame), APR_SUCCESS);
    CHECK_INT(frame.type, WSGI_FRAME_BODY);
    CHECK(wsgi_channel_has_input(&channel));
    check_payload("one");
    CHECK_INT(wsgi_channel_next(&channel, &frame), APR_SUCCESS);
    check_payload("two");
    CHECK_INT(wsgi_channel_next(&channel, &frame), APR_SUCCESS);
    CHECK_INT(frame.type, WSGI_FRAME_BODY_END);
    check_payload("");
    CHECK(!wsgi_channel_has_input(&channel));
}

static void payload_stays_readable_while_others_arrive(void)
{
    char text[600], *payloads[100];

    for (int i = 0; i < 100; i++) {
        memset(text, 'a' + i % 26, sizeof(text) - 1);
        text[sizeof(text) - 1 - (size_t)i] = '\0';
        put_frame(WSGI_FRAME_BODY, text);
        CHECK_INT(wsgi_channel_next(&channel, &frame), APR_SUCCESS);
        CHECK_INT(wsgi_channel_payload(&channel, &payloads[i]), APR_SUCCESS);
    }
    for (int i = 0; i < 100; i++) {
        int same = 1;
        for (int at = 0; at < 599 - i; at++) {
            same = same && payloads[i][at] == 'a' + i % 26;
        }
        CHECK(same);
    }
}

static void frame_may_come_byte_by_byte(void)
{
    wsgi_frame_t header = wsgi_codec_frame(WSGI_FRAME_BODY, 0, 5);
    char all[sizeof(header) + 5], buf[16];

    memcpy(all, &header, sizeof(header));
    memcpy(all + sizeof(header), "hello", 5);
    channel.timeout = 0;
    for (size_t i = 0; i < sizeof(header); i++) {
        CHECK_INT(wsgi_channel_next(&channel, &frame), APR_TIMEUP);
        put(&all[i], 1);
    }
    CHECK_INT(wsgi_channel_next(&channel, &frame), APR_SUCCESS);
    for (size_t i = sizeof(header); i < sizeof(all); i++) {
        apr_size_t len = sizeof(buf);
        CHECK_INT(wsgi_channel_take(&channel, buf, &len), APR_TIMEUP);
        put(&all[i], 1);
        len = sizeof(buf);
        CHECK_INT(wsgi_channel_take(&channel, buf, &len), APR_SUCCESS);
        CHECK_INT(len, 1);
        CHECK_INT(buf[0], all[i]);
    }
}

static void payload_can_be_taken_in_pieces(void)
{
    char buf[4];
    apr_size_t len = sizeof(buf);

    put_frame(WSGI_FRAME_BODY, "0123456789");
    put_frame(WSGI_FRAME_BODY_END, "");
    CHECK_INT(wsgi_channel_next(&channel, &frame), APR_SUCCESS);
    for (const char *rest = "0123456789"; *rest; rest += len) {
        len = sizeof(buf);
        CHECK_OR_RETURN(wsgi_channel_take(&channel, buf, &len) == APR_SUCCESS && len > 0);
        CHECK_BYTES(buf, len, rest, strlen(rest) < 4 ? strlen(rest) : 4);
    }
    len = sizeof(buf);
    CHECK_INT(wsgi_channel_take(&channel, buf, &len), APR_SUCCESS);
    CHECK_INT(len, 0);
    CHECK_INT(wsgi_channel_next(&channel, &frame), APR_SUCCESS);
    CHECK_INT(frame.type, WSGI_FRAME_BODY_END);
}

static void large_payload_is_collected(void)
{
    char *text = apr_palloc(tap.pool, 60001);

    memset(text, 'x', 60000);
    text[60000] = '\0';
    put_frame(WSGI_FRAME_BODY, text);
    put_frame(WSGI_FRAME_BODY, "after");
    CHECK_INT(wsgi_channel_next(&channel, &frame), APR_SUCCESS);
    check_payload(text);
    CHECK_INT(wsgi_channel_next(&channel, &frame), APR_SUCCESS);
    check_payload("after");
}

static void end_between_frames_and_inside_one(void)
{
    wsgi_frame_t header = wsgi_codec_frame(WSGI_FRAME_BODY, 0, 10);
    char *payload;

    put(&header, sizeof(header));
    put("123", 3);
    close_other();
    CHECK_INT(wsgi_channel_next(&channel, &frame), APR_SUCCESS);
    CHECK_INT(wsgi_channel_payload(&channel, &payload), APR_EOF);
    CHECK_INT(wsgi_channel_next(&channel, &frame), APR_EOF);
    CHECK(!channel.is_unread);
}

static void end_inside_a_header(void)
{
    put("abc", 3);
    close_other();
    CHECK_INT(wsgi_channel_next(&channel, &frame), APR_EOF);
}

static void frame_of_the_wrong_side_is_refused(void)
{
    put_frame(WSGI_FRAME_HEAD, "");
    CHECK_INT(wsgi_channel_next(&channel, &frame), APR_EGENERAL);
}

static void garbage_is_refused(void)
{
    put("GET / HTTP/1.1\r\n\r\n", 18);
    CHECK_INT(wsgi_channel_next(&channel, &frame), APR_EGENERAL);
}

static void silence_ends_at_the_timeout(void)
{
    apr_time_t before = wsgi_clock_now();

    CHECK_INT(wsgi_channel_next(&channel, &frame), APR_TIMEUP);
    CHECK(wsgi_clock_now() - before >= SHORT_TIMEOUT);
    CHECK_INT(wsgi_channel_wait(&channel, 0), APR_TIMEUP);
    put("x", 1);
    CHECK_INT(wsgi_channel_wait(&channel, SHORT_TIMEOUT), APR_SUCCESS);
}

/* Send bytes with descriptors beside the first of them. */
static void put_with_fds(const void *bytes, size_t len, const int *fds, int count)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(4 * sizeof(int))];
    } control;
    struct iovec block = { (void *)(uintptr_t)bytes, len };
    struct msghdr msg = { .msg_iov = &block, .msg_iovlen = 1 };
    struct cmsghdr *c;

    memset(&control, 0, sizeof(control));
    msg.msg_control = control.space;
    msg.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
    c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
    memcpy(CMSG_DATA(c), fds, (size_t)count * sizeof(int));
    CHECK_INT(sendmsg(other, &msg, 0), len);
}

/* Whether nobody holds the write end of a pipe any more. */
static int is_closed(int read_end)
{
    char byte;

    (void)fcntl(read_end, F_SETFL, O_NONBLOCK);
    return read(read_end, &byte, 1) == 0;
}

static void descriptor_comes_with_its_frame(void)
{
    wsgi_frame_t header = wsgi_codec_frame(WSGI_FRAME_BODY_END, 0, 0);
    int ends[2] = { -1, -1 }, fd;

    CHECK_OR_RETURN(wsgi_socket_pipe(ends) == 0);
    put_with_fds(&header, sizeof(header), &ends[1], 1);
    close(ends[1]);
    CHECK_INT(wsgi_channel_take_fd(&channel), -1);
    CHECK_INT(wsgi_channel_next(&channel, &frame), APR_SUCCESS);
    fd = wsgi_channel_take_fd(&channel);
    CHECK(fd >= 0);
    CHECK_INT(wsgi_channel_take_fd(&channel), -1);
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    CHECK_INT(write(fd, "x", 1), 1);
    close(fd);
    close(ends[0]);
}

static void descriptor_that_nobody_took_is_closed(void)
{
    wsgi_frame_t header = wsgi_codec_frame(WSGI_FRAME_BODY_END, 0, 0);
    int ends[2] = { -1, -1 };

    CHECK_OR_RETURN(wsgi_socket_pipe(ends) == 0);
    put_with_fds(&header, sizeof(header), &ends[1], 1);
    close(ends[1]);
    CHECK_INT(wsgi_channel_next(&channel, &frame), APR_SUCCESS);
    CHECK(!is_closed(ends[0]));
    wsgi_channel_done(&channel);
    CHECK(is_closed(ends[0]));
    close(ends[0]);
}

static void surplus_descriptors_are_closed(void)
{
    wsgi_frame_t header = wsgi_codec_frame(WSGI_FRAME_BODY_END, 0, 0);
    int first[2] = { -1, -1 }, second[2] = { -1, -1 }, fds[4];

    CHECK_OR_RETURN(wsgi_socket_pipe(first) == 0 && wsgi_socket_pipe(second) == 0);
    fds[0] = fds[1] = first[1];
    fds[2] = fds[3] = second[1];
    put_with_fds(&header, sizeof(header), fds, 4);
    put_with_fds(&header, sizeof(header), fds, 1);
    close(first[1]);
    close(second[1]);
    CHECK_INT(wsgi_channel_next(&channel, &frame), APR_SUCCESS);
    CHECK_INT(wsgi_channel_next(&channel, &frame), APR_SUCCESS);
    wsgi_channel_done(&channel);
    CHECK(is_closed(first[0]));
    CHECK(is_closed(second[0]));
    close(first[0]);
    close(second[0]);
}

static void blocks_are_sent_in_one_piece(void)
{
    char buf[16];
    struct iovec blocks[] = { { (void *)(uintptr_t) "", 0 }, { (void *)(uintptr_t) "ab", 2 },
                              { (void *)(uintptr_t) "", 0 }, { (void *)(uintptr_t) "cde", 3 },
                              { (void *)(uintptr_t) "", 0 } };

    CHECK_INT(wsgi_channel_send(&channel, blocks, 5, -1), APR_SUCCESS);
    CHECK_INT(read(other, buf, sizeof(buf)), 5);
    CHECK_BYTES(buf, 5, "abcde", 5);
    CHECK_INT(wsgi_channel_send(&channel, blocks, 0, -1), APR_SUCCESS);
}

static void more_blocks_than_one_call_takes(void)
{
    enum { COUNT = 3000 };
    struct iovec *blocks = apr_palloc(tap.pool, COUNT * sizeof(*blocks));
    char digits[] = "0123456789", buf[COUNT + 1];
    ssize_t n, done = 0;

    for (int i = 0; i < COUNT; i++) {
        blocks[i] = (struct iovec){ &digits[i % 10], 1 };
    }
    CHECK_INT(wsgi_channel_send(&channel, blocks, COUNT, -1), APR_SUCCESS);
    while (done < COUNT && (n = read(other, buf + done, sizeof(buf) - (size_t)done)) > 0) {
        done += n;
    }
    CHECK_INT(done, COUNT);
    CHECK_INT(buf[2999], '9');
    CHECK_INT(buf[1500], '0');
}

static void descriptor_is_sent_beside_the_first_byte(void)
{
    struct iovec block = { (void *)(uintptr_t) "x", 1 };
    wsgi_channel_t receiver;
    char buf[4];
    apr_size_t len = sizeof(buf);
    int ends[2] = { -1, -1 }, fd;

    CHECK_OR_RETURN(wsgi_socket_pipe(ends) == 0);
    CHECK_INT(wsgi_channel_send(&channel, &block, 1, ends[1]), APR_SUCCESS);
    wsgi_channel_init(&receiver, other, 0, SHORT_TIMEOUT, tap.pool);
    receiver.remaining = 1;
    CHECK_INT(wsgi_channel_take(&receiver, buf, &len), APR_SUCCESS);
    fd = wsgi_channel_take_fd(&receiver);
    CHECK(fd >= 0 && fd != ends[1]);
    close(fd);
    close(ends[1]);
    CHECK(is_closed(ends[0]));
    close(ends[0]);
}

/* It may close with something of ours unread; the system then says "reset" after what it had sent. */
static void other_side_may_leave_our_bytes_unread(void)
{
    CHECK_INT(write(channel.fd, "unread", 6), 6);
    put_frame(WSGI_FRAME_BODY_END, "");
    close_other();
    CHECK_INT(wsgi_channel_next(&channel, &frame), APR_SUCCESS);
    CHECK_INT(frame.type, WSGI_FRAME_BODY_END);
    CHECK_INT(wsgi_channel_next(&channel, &frame), APR_EOF);
    CHECK(channel.is_unread);
}

static void sending_nothing_is_silent(void)
{
    struct iovec none = { NULL, 0 };

    close_other();
    CHECK_INT(wsgi_channel_send(&channel, NULL, 0, -1), APR_SUCCESS);
    CHECK_INT(wsgi_channel_send(&channel, &none, 1, -1), APR_SUCCESS);
}

static void sending_to_nobody_is_no_signal(void)
{
    struct iovec block = { (void *)(uintptr_t) "x", 1 };

    close_other();
    CHECK_INT(wsgi_channel_send(&channel, &block, 1, -1), APR_ECONNABORTED);
}

static void send_that_nobody_takes_ends_at_the_timeout(void)
{
    size_t size = 8u << 20;
    struct iovec block = { apr_pcalloc(tap.pool, size), size };
    apr_time_t before = wsgi_clock_now();

    CHECK_INT(wsgi_channel_send(&channel, &block, 1, -1), APR_TIMEUP);
    CHECK(wsgi_clock_now() - before >= SHORT_TIMEOUT);
}

static int send_buffer(void)
{
    int size = 0;
    socklen_t len = sizeof(size);

    CHECK_INT(getsockopt(channel.fd, SOL_SOCKET, SO_SNDBUF, &size, &len), 0);
    return size;
}

static void send_something_large(void)
{
    size_t size = 8u << 20;
    struct iovec block = { apr_pcalloc(tap.pool, size), size };

    CHECK_INT(wsgi_channel_send(&channel, &block, 1, -1), APR_TIMEUP);
}

static void only_a_send_that_has_to_wait_gets_more_room(void)
{
    int small = 8192, before;
    struct iovec block = { "little", 6 };

    CHECK_INT(setsockopt(channel.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    before = send_buffer();
    send_something_large();
    CHECK_INT(send_buffer(), before); /* not unless it is allowed */
    stop();
    start();
    CHECK_INT(setsockopt(channel.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    channel.may_widen = 1;
    CHECK_INT(wsgi_channel_send(&channel, &block, 1, -1), APR_SUCCESS);
    CHECK_INT(send_buffer(), before); /* nor for what fits */
    send_something_large();
    CHECK(send_buffer() > before);
    CHECK_INT(channel.may_widen, 0);
}

static void room_that_is_there_is_not_made_less(void)
{
    int large = 1 << 20, before;

    CHECK_INT(setsockopt(channel.fd, SOL_SOCKET, SO_SNDBUF, &large, sizeof(large)), 0);
    before = send_buffer();
    channel.may_widen = 1;
    send_something_large();
    CHECK_INT(send_buffer(), before);
}

/* The other side, which also wants to be read before it reads. */
static size_t taken_by_other;

static apr_status_t read_meanwhile(void *context)
{
    static char sink[65536];
    wsgi_channel_t *reading = context;
    apr_size_t len = 1;
    ssize_t n;
    char byte;

    reading->remaining = 1;
    CHECK_INT(wsgi_channel_take(reading, &byte, &len), APR_SUCCESS);
    n = read(other, sink, sizeof(sink));
    taken_by_other += n > 0 ? (size_t)n : 0;
    put("y", 1);
    return APR_SUCCESS;
}

static void two_sides_that_both_send_do_not_wait_for_each_other(void)
{
    size_t size = 2u << 20;
    struct iovec block = { apr_pcalloc(tap.pool, size), size };
    char sink[4096];
    ssize_t n;

    taken_by_other = 0;
    channel.while_blocked = read_meanwhile;
    channel.context = &channel;
    put("y", 1);
    CHECK_INT(wsgi_channel_send(&channel, &block, 1, -1), APR_SUCCESS);
    while ((n = recv(other, sink, sizeof(sink), MSG_DONTWAIT)) > 0) {
        taken_by_other += (size_t)n;
    }
    CHECK_INT(taken_by_other, size);
}

static apr_status_t give_up(void *context)
{
    (void)context;
    return APR_EGENERAL;
}

static void failure_while_blocked_ends_the_send(void)
{
    size_t size = 8u << 20;
    struct iovec block = { apr_pcalloc(tap.pool, size), size };

    channel.while_blocked = give_up;
    put("y", 1);
    CHECK_INT(wsgi_channel_send(&channel, &block, 1, -1), APR_EGENERAL);
}

int main(void)
{
    tap.before = start;
    tap.after = stop;
    TAP_RUN(frames_arrive_in_order);
    TAP_RUN(payload_stays_readable_while_others_arrive);
    TAP_RUN(frame_may_come_byte_by_byte);
    TAP_RUN(payload_can_be_taken_in_pieces);
    TAP_RUN(large_payload_is_collected);
    TAP_RUN(end_between_frames_and_inside_one);
    TAP_RUN(end_inside_a_header);
    TAP_RUN(frame_of_the_wrong_side_is_refused);
    TAP_RUN(garbage_is_refused);
    TAP_RUN(silence_ends_at_the_timeout);
    TAP_RUN(descriptor_comes_with_its_frame);
    TAP_RUN(descriptor_that_nobody_took_is_closed);
    TAP_RUN(surplus_descriptors_are_closed);
    TAP_RUN(blocks_are_sent_in_one_piece);
    TAP_RUN(more_blocks_than_one_call_takes);
    TAP_RUN(descriptor_is_sent_beside_the_first_byte);
    TAP_RUN(other_side_may_leave_our_bytes_unread);
    TAP_RUN(sending_nothing_is_silent);
    TAP_RUN(sending_to_nobody_is_no_signal);
    TAP_RUN(send_that_nobody_takes_ends_at_the_timeout);
    TAP_RUN(only_a_send_that_has_to_wait_gets_more_room);
    TAP_RUN(room_that_is_there_is_not_made_less);
    TAP_RUN(two_sides_that_both_send_do_not_wait_for_each_other);
    TAP_RUN(failure_while_blocked_ends_the_send);
    return tap_done();
}
