#ifndef WSGI_GROWTH_H
#define WSGI_GROWTH_H

#include <apr_time.h>

/**
 * When a worker whose memory grows is to be replaced so that the replacement is ready before it has reached the limit:
 * a pure function of what was seen of the workers, of how long a new one takes to load, and of the time.
 *
 * A worker counts as growing when its memory grew in each of the last WSGI_GROWTH_POINTS - 1 intervals; the slowest of
 * them tells how fast. So neither what is loaded with the first requests nor a single large request replaces a process
 * that will never reach the limit, and one that leaks now and then is replaced when it has reached it. Since the
 * intervals together last twice as long as loading, a process that grows alone is replaced ahead at two thirds of the
 * limit at the earliest, counted from what it had at its start.
 *
 * Times in microseconds, of the monotonic clock; memory in bytes.
 */

enum {
    WSGI_GROWTH_POINTS = 5,
    WSGI_GROWTH_INTERVAL = 250000 /* at least, from one point to the next; else half of what loading takes */
};

/** What is remembered of the memory of one worker; 0 at first. */
typedef struct {
    apr_int64_t bytes; /* as seen last */
    int used;          /* points */
    struct {
        apr_time_t when;
        apr_int64_t bytes;
    } points[WSGI_GROWTH_POINTS]; /* the oldest first */
} wsgi_growth_t;

/** What the choice depends on beside the workers. */
typedef struct {
    apr_int64_t limit;         /* above 0 */
    apr_interval_time_t load;  /* from the start of a worker until it is ready */
    apr_interval_time_t pause; /* between two looks */
    int stop_first;            /* a worker ends before its replacement starts */
} wsgi_growth_terms_t;

/** The memory of a worker was looked at. */
void wsgi_growth_note(wsgi_growth_t *growth, apr_int64_t bytes, apr_interval_time_t load, apr_time_t now);

/** @return bytes per second by which a worker grows at least, 0 when it does not grow steadily */
apr_int64_t wsgi_growth_rate(const wsgi_growth_t *growth);

/**
 * Workers are replaced one after the other, so the second to reach the limit needs twice the time, and so on: as soon
 * as that is all there is left for one of them, the one with the least time left is next. Of those beyond the limit
 * that is the largest.
 * @param workers that serve, NULL for an entry without one
 * @return index of the worker to be replaced now, -1: none
 */
int wsgi_growth_choose(const wsgi_growth_t *const *workers, int count, const wsgi_growth_terms_t *terms);

#endif
