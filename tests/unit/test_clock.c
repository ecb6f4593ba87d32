/* sources: base/wsgi_clock.c */
#include "base/wsgi_clock.h"

#include "wsgi_tap.h"

#include <limits.h>
#include <poll.h>

static void clock_never_goes_back(void)
{
    apr_time_t before = wsgi_clock_now();

    for (int i = 0; i < 1000; i++) {
        apr_time_t now = wsgi_clock_now();
        CHECK(now >= before);
        before = now;
    }
}

static void clock_counts_microseconds(void)
{
    apr_time_t before = wsgi_clock_now(), passed;

    poll(NULL, 0, 20);
    passed = wsgi_clock_now() - before;
    CHECK(passed >= 20000);
    CHECK(passed < apr_time_from_sec(60));
}

static void passed_deadline_waits_not_at_all(void)
{
    CHECK_INT(wsgi_clock_poll_ms(wsgi_clock_now()), 0);
    CHECK_INT(wsgi_clock_poll_ms(0), 0);
    CHECK_INT(wsgi_clock_poll_ms(-1), 0);
}

static void part_of_a_millisecond_is_rounded_up(void)
{
    int wait = 0;

    for (int i = 0; i < 1000 && wait == 0; i++) { /* 0: this process was held up meanwhile */
        wait = wsgi_clock_poll_ms(wsgi_clock_now() + 900);
    }
    CHECK_INT(wait, 1);
}

static void far_deadline_is_bounded_by_what_poll_takes(void)
{
    CHECK_INT(wsgi_clock_poll_ms(wsgi_clock_now() + apr_time_from_sec(APR_INT64_C(10000000000))), INT_MAX);
}

int main(void)
{
    TAP_RUN(clock_never_goes_back);
    TAP_RUN(clock_counts_microseconds);
    TAP_RUN(passed_deadline_waits_not_at_all);
    TAP_RUN(part_of_a_millisecond_is_rounded_up);
    TAP_RUN(far_deadline_is_bounded_by_what_poll_takes);
    return tap_done();
}
