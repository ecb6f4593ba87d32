#ifndef WSGI_SIZING_H
#define WSGI_SIZING_H

#include <apr_time.h>

/**
 * How many workers a group with room for more or fewer should have: a pure function of its load and of the time. It
 * grows soon, by one worker at a time, when requests wait; it shrinks late, when one worker less would long have been
 * enough, so that a group does not swing between two sizes. Times in microseconds, of the monotonic clock.
 */

enum {
    WSGI_SIZING_WAIT = 20000,          /* a request that waited longer shows that there are too few threads */
    WSGI_SIZING_GROW_AFTER = 100000,   /* of load, before another worker is started */
    WSGI_SIZING_SHRINK_AFTER = 30000000 /* of idleness, before a worker is ended */
};

/** What is remembered from look to look; 0 at first. */
typedef struct {
    apr_time_t crowded_since; /* 0: not crowded */
    apr_time_t idle_since;    /* 0: not idle */
} wsgi_sizing_t;

typedef struct {
    int low, high;              /* bounds */
    int wanted;                 /* as decided before */
    int ready, starting;        /* workers */
    int threads;                /* of each */
    int busy;                   /* threads of all that have a request */
    apr_interval_time_t waited; /* the longest a request waited since the look before */
} wsgi_sizing_seen_t;

/** @return how many workers are wanted from now on, from low to high */
int wsgi_sizing_decide(wsgi_sizing_t *sizing, const wsgi_sizing_seen_t *seen, apr_time_t now);

#endif
