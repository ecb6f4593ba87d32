/* sources: daemon/wsgi_control.c wire/wsgi_socket.c */
#include "daemon/wsgi_control.h"

#include <unistd.h>

#include "wire/wsgi_socket.h"
#include "wsgi_tap.h"

static wsgi_control_t control; /* what is tested */
static int other;              /* the far end, -1 once closed */
static wsgi_control_message_t message;

static void start(void)
{
    int fds[2];

    if (wsgi_socket_pair(fds) != 0) {
        printf("Bail out! no socket pair\n");
        exit(2);
    }
    other = fds[1];
    wsgi_control_init(&control, fds[0]);
}

static void close_other(void)
{
    if (other >= 0) {
        close(other);
        other = -1;
    }
}

static void stop(void)
{
    close_other();
    close(control.fd);
}

static void put(const void *bytes, size_t len)
{
    CHECK_INT(write(other, bytes, len), len);
}

static void put_header(int type, int len)
{
    apr_uint16_t header[2] = { (apr_uint16_t)type, (apr_uint16_t)len };

    put(header, sizeof(header));
}

static void says_that_there_is_nothing_yet(void)
{
    CHECK_INT(wsgi_control_next(&control, &message), 0);
}

static void messages_arrive_in_order(void)
{
    CHECK_INT(wsgi_control_send(other, WSGI_CONTROL_READY, "", 0), APR_SUCCESS);
    CHECK_INT(wsgi_control_send(other, WSGI_CONTROL_RETIRE, "graceful_signal", 15), APR_SUCCESS);
    CHECK_INT(wsgi_control_next(&control, &message), 1);
    CHECK_INT(message.type, WSGI_CONTROL_READY);
    CHECK_STR(message.text, "");
    CHECK_INT(wsgi_control_next(&control, &message), 1);
    CHECK_INT(message.type, WSGI_CONTROL_RETIRE);
    CHECK_STR(message.text, "graceful_signal");
    CHECK_INT(message.len, 15);
    CHECK_INT(wsgi_control_next(&control, &message), 0);
}

static void text_may_hold_a_nul(void)
{
    CHECK_INT(wsgi_control_send(other, WSGI_CONTROL_LOADED, "group\0/script", 13), APR_SUCCESS);
    CHECK_INT(wsgi_control_next(&control, &message), 1);
    CHECK_BYTES(message.text, (size_t)message.len, "group\0/script", (size_t)13);
    CHECK_STR(message.text + 6, "/script");
}

static void a_message_may_come_byte_by_byte(void)
{
    put_header(WSGI_CONTROL_REPLACE, 2);
    CHECK_INT(wsgi_control_next(&control, &message), 0);
    put("o", 1);
    CHECK_INT(wsgi_control_next(&control, &message), 0);
    put("k", 1);
    CHECK_INT(wsgi_control_next(&control, &message), 1);
    CHECK_STR(message.text, "ok");
}

static void the_longest_text_fits(void)
{
    char text[WSGI_CONTROL_TEXT];

    memset(text, 'x', sizeof(text));
    CHECK_INT(wsgi_control_send(other, WSGI_CONTROL_LOADED, text, sizeof(text) - 1), APR_SUCCESS);
    CHECK_INT(wsgi_control_send(other, WSGI_CONTROL_READY, "", 0), APR_SUCCESS);
    CHECK_INT(wsgi_control_next(&control, &message), 1);
    CHECK_INT(message.len, sizeof(text) - 1);
    CHECK_INT(strlen(message.text), sizeof(text) - 1);
    CHECK_INT(wsgi_control_next(&control, &message), 1);
    CHECK_INT(message.type, WSGI_CONTROL_READY);
}

static void longer_texts_are_refused_by_both_ends(void)
{
    char text[WSGI_CONTROL_TEXT];

    memset(text, 'x', sizeof(text));
    CHECK_INT(wsgi_control_send(other, WSGI_CONTROL_LOADED, text, sizeof(text)), APR_ENOSPC);
    CHECK_INT(wsgi_control_next(&control, &message), 0);
    put_header(WSGI_CONTROL_LOADED, sizeof(text));
    CHECK_INT(wsgi_control_next(&control, &message), -1);
}

static void knows_that_the_other_side_is_gone(void)
{
    CHECK_INT(wsgi_control_send(other, WSGI_CONTROL_READY, "", 0), APR_SUCCESS);
    close_other();
    CHECK_INT(wsgi_control_next(&control, &message), 1); /* what it said before counts */
    CHECK_INT(wsgi_control_next(&control, &message), -1);
    CHECK(wsgi_control_send(control.fd, WSGI_CONTROL_RETIRE, "x", 1) != APR_SUCCESS);
}

/* Blocks for ever if it does; whoever runs the tests has a limit. */
static void never_waits_for_a_side_that_does_not_read(void)
{
    apr_status_t rv = APR_SUCCESS;
    int sent = 0, got = 0;

    while (rv == APR_SUCCESS && sent < 100000) {
        rv = wsgi_control_try_send(other, WSGI_CONTROL_NO_SUCCESSOR, "refused", 7);
        sent += rv == APR_SUCCESS;
    }
    CHECK(APR_STATUS_IS_EAGAIN(rv));
    while (wsgi_control_next(&control, &message) > 0) { /* what was sent is whole */
        CHECK_INT(message.type, WSGI_CONTROL_NO_SUCCESSOR);
        CHECK_STR(message.text, "refused");
        got++;
    }
    CHECK_INT(got, sent);
    CHECK_INT(wsgi_control_try_send(other, WSGI_CONTROL_RETIRE, "x", 1), APR_SUCCESS);
    CHECK_INT(wsgi_control_next(&control, &message), 1);
}

int main(void)
{
    tap.before = start;
    tap.after = stop;
    TAP_RUN(says_that_there_is_nothing_yet);
    TAP_RUN(messages_arrive_in_order);
    TAP_RUN(text_may_hold_a_nul);
    TAP_RUN(a_message_may_come_byte_by_byte);
    TAP_RUN(the_longest_text_fits);
    TAP_RUN(longer_texts_are_refused_by_both_ends);
    TAP_RUN(knows_that_the_other_side_is_gone);
    TAP_RUN(never_waits_for_a_side_that_does_not_read);
    return tap_done();
}
