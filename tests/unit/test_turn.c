/* sources: bridge/wsgi_turn.c base/wsgi_clock.c */
#include "bridge/wsgi_turn.h"

#include <unistd.h>

#include "base/wsgi_clock.h"
#include "wsgi_tap.h"

enum { THREADS = 4, ROUNDS = 2000, SHORT = WSGI_TURN_LIMIT / 4 };

static struct {
    wsgi_turn_t turn;
    atomic_int inside, most, taken, refused;
} world;

static void start(void)
{
    memset(&world, 0, sizeof(world));
    CHECK_INT(wsgi_turn_init(&world.turn), 0);
}

static void stop(void)
{
    wsgi_turn_destroy(&world.turn);
}

static void run_in_threads(void *(*function)(void *))
{
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++) {
        CHECK_INT(pthread_create(&threads[i], NULL, function, NULL), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    }
}

static void *take_often(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        if (wsgi_turn_take(&world.turn)) {
            int inside = atomic_fetch_add(&world.inside, 1) + 1;
            if (inside > atomic_load(&world.most)) {
                atomic_store(&world.most, inside);
            }
            atomic_fetch_add(&world.taken, 1);
            atomic_fetch_sub(&world.inside, 1);
            wsgi_turn_give(&world.turn);
        }
    }
    return arg;
}

static void one_has_the_turn(void)
{
    run_in_threads(take_often);
    CHECK_INT(world.most, 1);
    CHECK(world.taken > 0); /* not all: on a busy machine who has it may be kept from running */
}

static void *try_once(void *arg)
{
    if (wsgi_turn_take(&world.turn)) {
        wsgi_turn_give(&world.turn);
    } else {
        atomic_fetch_add(&world.refused, 1);
    }
    return arg;
}

static void nobody_waits_long_for_one_that_keeps_it(void)
{
    CHECK(wsgi_turn_take(&world.turn));
    run_in_threads(try_once); /* comes back although nobody gives the turn */
    CHECK_INT(world.refused, THREADS);
    wsgi_turn_give(&world.turn);
}

static void wait_for_turns(void)
{
    while (!wsgi_turn_take(&world.turn)) {
        usleep(SHORT);
    }
}

static void turns_pause_after_that(void)
{
    apr_time_t before = wsgi_clock_now();

    nobody_waits_long_for_one_that_keeps_it();
    wait_for_turns();
    CHECK(wsgi_clock_now() - before >= WSGI_TURN_PAUSE);
    wsgi_turn_give(&world.turn);
}

/* The main thread has the turn. @return length of the pause that follows, 0 when the machine let too much time pass */
static apr_interval_time_t provoke(apr_time_t resumed, apr_interval_time_t last)
{
    apr_interval_time_t pause;

    run_in_threads(try_once);
    pause = atomic_load(&world.turn.resumed) - wsgi_clock_now();
    wsgi_turn_give(&world.turn);
    return wsgi_clock_now() - resumed < last ? pause : 0;
}

static void pauses_grow_where_they_follow_each_other(void)
{
    apr_interval_time_t last = WSGI_TURN_PAUSE, pause = 0;

    for (int attempt = 0; attempt < 20 && pause == 0; attempt++) {
        atomic_store(&world.turn.resumed, 0);
        wait_for_turns();
        (void)provoke(0, 0);
        wait_for_turns();
        pause = provoke(atomic_load(&world.turn.resumed), last);
    }
    CHECK(pause > last);
    CHECK(pause <= 2 * last);
    CHECK_INT(atomic_load(&world.turn.pause), 2 * last); /* however many threads met it */
}

static void a_pause_after_a_long_time_is_short_again(void)
{
    wait_for_turns();
    (void)provoke(0, 0);
    wait_for_turns();
    usleep(2 * WSGI_TURN_PAUSE);
    (void)provoke(0, 0);
    CHECK_INT(atomic_load(&world.turn.pause), WSGI_TURN_PAUSE);
}

static void pauses_have_a_limit(void)
{
    atomic_store(&world.turn.pause, WSGI_TURN_LONGEST_PAUSE);
    atomic_store(&world.turn.resumed, wsgi_clock_now() - 1);
    wait_for_turns();
    (void)provoke(0, 0);
    CHECK_INT(atomic_load(&world.turn.pause), WSGI_TURN_LONGEST_PAUSE);
}

int main(void)
{
    tap.before = start;
    tap.after = stop;
    TAP_RUN(one_has_the_turn);
    TAP_RUN(nobody_waits_long_for_one_that_keeps_it);
    TAP_RUN(turns_pause_after_that);
    TAP_RUN(pauses_grow_where_they_follow_each_other);
    TAP_RUN(a_pause_after_a_long_time_is_short_again);
    TAP_RUN(pauses_have_a_limit);
    return tap_done();
}
