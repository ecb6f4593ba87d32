#include "bridge/wsgi_turn.h"

#include <sched.h>

#include "base/wsgi_clock.h"

/* A turn is mostly shorter than it takes to fall asleep and be woken: first let others run that often. */
enum { YIELDS = 2 };

int wsgi_turn_init(wsgi_turn_t *turn)
{
    atomic_init(&turn->given, 0);
    atomic_init(&turn->resumed, 0);
    atomic_init(&turn->pause, 0);
    return pthread_mutex_init(&turn->lock, NULL);
}

void wsgi_turn_destroy(wsgi_turn_t *turn)
{
    pthread_mutex_destroy(&turn->lock);
}

static int take_soon(wsgi_turn_t *turn)
{
    for (int i = 0; i < YIELDS; i++) {
        sched_yield();
        if (pthread_mutex_trylock(&turn->lock) == 0) {
            return 1;
        }
    }
    return 0;
}

/* @return 0 when one other request has the turn for too long */
static int take_later(wsgi_turn_t *turn)
{
    unsigned given;

    do {
        given = atomic_load_explicit(&turn->given, memory_order_relaxed);
        if (wsgi_clock_mutex_lock(&turn->lock, WSGI_TURN_LIMIT) == 0) {
            return 1;
        }
    } while (given != atomic_load_explicit(&turn->given, memory_order_relaxed));
    return 0;
}

/* @param resumed when the last pause ended, as of when the caller began to wait: of all who did one begins the next */
static void pause_turns(wsgi_turn_t *turn, apr_time_t resumed)
{
    apr_time_t now = wsgi_clock_now();
    apr_interval_time_t last = atomic_load_explicit(&turn->pause, memory_order_relaxed);
    apr_interval_time_t pause = resumed != 0 && now - resumed < last ? 2 * last : WSGI_TURN_PAUSE;

    if (pause > WSGI_TURN_LONGEST_PAUSE) {
        pause = WSGI_TURN_LONGEST_PAUSE;
    }
    if (atomic_compare_exchange_strong(&turn->resumed, &resumed, now + pause)) {
        atomic_store_explicit(&turn->pause, pause, memory_order_relaxed);
    }
}

int wsgi_turn_take(wsgi_turn_t *turn)
{
    apr_time_t resumed = atomic_load_explicit(&turn->resumed, memory_order_relaxed);

    if (resumed != 0 && wsgi_clock_now() < resumed) {
        return 0;
    }
    if (pthread_mutex_trylock(&turn->lock) == 0 || take_soon(turn) || take_later(turn)) {
        return 1;
    }
    pause_turns(turn, resumed);
    return 0;
}

void wsgi_turn_give(wsgi_turn_t *turn)
{
    atomic_fetch_add_explicit(&turn->given, 1, memory_order_relaxed);
    pthread_mutex_unlock(&turn->lock);
}
