/* sources: base/wsgi_clock.c */
#include "base/wsgi_clock.h"

#include "wsgi_tap.h"

#include <errno.h>
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

/* Wake-ups for no reason are allowed, so it is the loop around it that has to take its time. */
static void condition_is_waited_for_as_long_as_asked(void)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t cond;
    apr_time_t before = wsgi_clock_now();
    int rc = 0;

    CHECK_INT(wsgi_clock_cond_init(&cond), 0);
    pthread_mutex_lock(&lock);
    while (rc == 0) {
        rc = wsgi_clock_cond_wait(&cond, &lock, 1100000 - (wsgi_clock_now() - before));
    }
    pthread_mutex_unlock(&lock);
    CHECK_INT(rc, ETIMEDOUT);
    CHECK(wsgi_clock_now() - before >= 1100000); /* more than a second: both parts of the time count */
    pthread_cond_destroy(&cond);
}

static void *signal_condition(void *arg)
{
    pthread_mutex_t *lock = ((void **)arg)[0];
    int *done = ((void **)arg)[2];

    pthread_mutex_lock(lock);
    *done = 1;
    pthread_cond_signal(((void **)arg)[1]);
    pthread_mutex_unlock(lock);
    return NULL;
}

static void condition_is_seen_when_it_is_signalled(void)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t cond;
    int done = 0, rc = 0;
    void *arg[] = { &lock, &cond, &done };
    pthread_t thread;

    CHECK_INT(wsgi_clock_cond_init(&cond), 0);
    pthread_mutex_lock(&lock);
    CHECK_INT(pthread_create(&thread, NULL, signal_condition, arg), 0);
    while (!done && rc == 0) {
        rc = wsgi_clock_cond_wait(&cond, &lock, apr_time_from_sec(60));
    }
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
    CHECK_INT(rc, 0);
    CHECK_INT(done, 1);
    pthread_cond_destroy(&cond);
}

int main(void)
{
    TAP_RUN(clock_never_goes_back);
    TAP_RUN(clock_counts_microseconds);
    TAP_RUN(passed_deadline_waits_not_at_all);
    TAP_RUN(part_of_a_millisecond_is_rounded_up);
    TAP_RUN(far_deadline_is_bounded_by_what_poll_takes);
    TAP_RUN(condition_is_waited_for_as_long_as_asked);
    TAP_RUN(condition_is_seen_when_it_is_signalled);
    return tap_done();
}
