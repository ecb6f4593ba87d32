/* sources: daemon/wsgi_warm.c stats/wsgi_board.c */
#include "daemon/wsgi_warm.h"

#include "wsgi_tap.h"

static wsgi_control_message_t message_of(const char *text, int len)
{
    wsgi_control_message_t message = { .type = WSGI_CONTROL_LOADED, .len = len };

    memcpy(message.text, text, (size_t)len);
    return message;
}

static void a_report_survives_the_journey(void)
{
    wsgi_report_t sent = { { APR_UINT64_MAX, 0x12345 }, "group", "/srv/app.wsgi" }, got;
    wsgi_control_message_t message;
    char text[WSGI_CONTROL_TEXT];
    int len = wsgi_warm_encode(text, &sent);

    CHECK_OR_RETURN(len > 0);
    message = message_of(text, len);
    CHECK_OR_RETURN(wsgi_warm_decode(&got, &message));
    CHECK(got.version.stamp == sent.version.stamp);
    CHECK(got.version.when == sent.version.when);
    CHECK_STR(got.application_group, "group");
    CHECK_STR(got.script, "/srv/app.wsgi");
}

static void the_main_interpreter_has_an_empty_name(void)
{
    wsgi_report_t sent = { { 1, 2 }, "", "/a" }, got;
    wsgi_control_message_t message;
    char text[WSGI_CONTROL_TEXT];
    int len = wsgi_warm_encode(text, &sent);

    message = message_of(text, len);
    CHECK_OR_RETURN(wsgi_warm_decode(&got, &message));
    CHECK_STR(got.application_group, "");
    CHECK_STR(got.script, "/a");
}

static void what_does_not_fit_is_not_sent(void)
{
    char text[WSGI_CONTROL_TEXT], path[WSGI_CONTROL_TEXT];
    wsgi_report_t report = { { 1, 2 }, "group", path };

    memset(path, '/', sizeof(path));
    path[WSGI_CONTROL_TEXT - 1] = '\0';
    CHECK_INT(wsgi_warm_encode(text, &report), 0);
    path[WSGI_CONTROL_TEXT - 20] = '\0';
    CHECK(wsgi_warm_encode(text, &report) > 0);
}

static void check_nonsense(const char *text, int len)
{
    wsgi_control_message_t message = message_of(text, len);
    wsgi_report_t report;

    CHECK_INT(wsgi_warm_decode(&report, &message), 0);
}

static void nonsense_is_no_report(void)
{
    check_nonsense("", 0);
    check_nonsense("1 2", 3);
    check_nonsense("1 2\0group", 9);
    check_nonsense("/script", 7);
}

static void versions_that_are_no_numbers_are_none(void)
{
    wsgi_control_message_t message = message_of("zz\0group\0/script", 16);
    wsgi_report_t report;

    CHECK_OR_RETURN(wsgi_warm_decode(&report, &message));
    CHECK_INT(report.version.stamp, 0);
    CHECK_INT(report.version.when, 0);
    CHECK_STR(report.script, "/script");
}

static void scripts_are_listed_once_per_interpreter(void)
{
    wsgi_warm_t warm = { .pool = tap.pool };

    CHECK_INT(wsgi_warm_add(&warm, "one", "/a"), 0);
    CHECK_INT(wsgi_warm_add(&warm, "two", "/a"), 1);
    CHECK_INT(wsgi_warm_add(&warm, "one", "/b"), 2);
    CHECK_INT(wsgi_warm_add(&warm, "two", "/a"), 1);
    CHECK_INT(warm.count, 3);
    CHECK_INT(wsgi_warm_add(&warm, "one", "relative"), -1);
    CHECK_INT(wsgi_warm_add(&warm, "one", ""), -1);
}

static void a_full_list_takes_no_more(void)
{
    wsgi_warm_t warm = { .pool = tap.pool };
    char path[16];

    for (int i = 0; i < WSGI_WARM_SCRIPTS; i++) {
        snprintf(path, sizeof(path), "/%d", i);
        CHECK_INT(wsgi_warm_add(&warm, "", path), i);
    }
    CHECK_INT(wsgi_warm_add(&warm, "", "/more"), -1);
    CHECK_INT(wsgi_warm_add(&warm, "", "/0"), 0);
}

static void the_next_keeper_inherits(void)
{
    wsgi_warm_t warm = { .pool = tap.pool };
    wsgi_board_t *board;

    CHECK_OR_RETURN(wsgi_board_parent_create(&board, 1, 1) == APR_SUCCESS);
    wsgi_board_keeper_remember(board, 4, "group", "/a");
    wsgi_warm_inherit(&warm, board, 3);
    CHECK_INT(warm.count, 0);
    wsgi_warm_inherit(&warm, board, 5);
    CHECK_INT(warm.count, 1);
    wsgi_warm_inherit(&warm, board, 4); /* another keeper of the same generation */
    CHECK_INT(warm.count, 1);
    CHECK_STR(warm.scripts[0].script, "/a");
    CHECK_STR(warm.scripts[0].application_group, "group");
    wsgi_board_parent_destroy(board);
}

int main(void)
{
    TAP_RUN(a_report_survives_the_journey);
    TAP_RUN(the_main_interpreter_has_an_empty_name);
    TAP_RUN(what_does_not_fit_is_not_sent);
    TAP_RUN(nonsense_is_no_report);
    TAP_RUN(versions_that_are_no_numbers_are_none);
    TAP_RUN(scripts_are_listed_once_per_interpreter);
    TAP_RUN(a_full_list_takes_no_more);
    TAP_RUN(the_next_keeper_inherits);
    return tap_done();
}
