#ifndef WSGI_TURN_H
#define WSGI_TURN_H

#include <apr_time.h>
#include <pthread.h>
#include <stdatomic.h>

/**
 * Requests come to a GIL one after the other. CPython's GIL is a flag with a mutex and a condition variable of its own:
 * threads that meet there wake, find the mutex held, and sleep once more. Whoever waits for its turn first sleeps once.
 *
 * A turn is a courtesy, no lock: nothing is guarded by it. An application that waits for something keeps its turn
 * although it has let the GIL go. So nobody waits longer than WSGI_TURN_LIMIT while the turn does not change hands, and
 * when that happens none are taken for WSGI_TURN_PAUSE: they pay for requests that are over in less time. Where it
 * happens again soon, in less time than the last pause took, the next is twice as long, up to WSGI_TURN_LONGEST_PAUSE.
 */
typedef struct {
    pthread_mutex_t lock;
    atomic_uint given;           /* how often it changed hands */
    _Atomic apr_time_t resumed;  /* monotonic: turns are taken from then on; 0: there was no pause */
    _Atomic apr_interval_time_t pause; /* how long the last one was */
} wsgi_turn_t;

/* Microseconds. */
#define WSGI_TURN_LIMIT 2000
#define WSGI_TURN_PAUSE 100000
#define WSGI_TURN_LONGEST_PAUSE (16 * WSGI_TURN_PAUSE)

/** @return 0, or an error number */
int wsgi_turn_init(wsgi_turn_t *turn);
void wsgi_turn_destroy(wsgi_turn_t *turn);

/** Wait for one's turn, before asking for the GIL. GIL: not held. @return whether it was taken */
int wsgi_turn_take(wsgi_turn_t *turn);

/** Once the GIL is not needed any more, by the thread that took the turn. */
void wsgi_turn_give(wsgi_turn_t *turn);

#endif
