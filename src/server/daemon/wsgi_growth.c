#include "daemon/wsgi_growth.h"

#include <string.h>

static void add_point(wsgi_growth_t *growth, apr_int64_t bytes, apr_time_t now)
{
    if (growth->used == WSGI_GROWTH_POINTS) {
        growth->used--;
        memmove(growth->points, growth->points + 1, (size_t)growth->used * sizeof(growth->points[0]));
    }
    growth->points[growth->used].when = now;
    growth->points[growth->used].bytes = bytes;
    growth->used++;
}

void wsgi_growth_note(wsgi_growth_t *growth, apr_int64_t bytes, apr_interval_time_t load, apr_time_t now)
{
    apr_interval_time_t interval = load / 2 > WSGI_GROWTH_INTERVAL ? load / 2 : WSGI_GROWTH_INTERVAL;

    growth->bytes = bytes;
    if (growth->used == 0 || now - growth->points[growth->used - 1].when >= interval) {
        add_point(growth, bytes, now);
    }
}

apr_int64_t wsgi_growth_rate(const wsgi_growth_t *growth)
{
    double slowest = 0;

    if (growth->used < WSGI_GROWTH_POINTS) {
        return 0;
    }
    for (int i = 1; i < growth->used; i++) {
        double bytes = (double)(growth->points[i].bytes - growth->points[i - 1].bytes);
        double rate = bytes * APR_USEC_PER_SEC / (double)(growth->points[i].when - growth->points[i - 1].when);
        slowest = i == 1 || rate < slowest ? rate : slowest;
    }
    return slowest > 0 ? (apr_int64_t)slowest : 0;
}

/* @return microseconds until the worker is beyond the limit, 0: it is, -1: it will never be */
static apr_interval_time_t time_left(const wsgi_growth_t *growth, apr_int64_t limit)
{
    apr_int64_t rate = wsgi_growth_rate(growth);

    if (growth->bytes > limit) {
        return 0;
    }
    return rate > 0 ? (apr_interval_time_t)((double)(limit - growth->bytes) / (double)rate * APR_USEC_PER_SEC) : -1;
}

/* Whether worker `a` is to be replaced before `b`; both will reach the limit. */
static int is_before(const wsgi_growth_t *a, const wsgi_growth_t *b, apr_int64_t limit)
{
    apr_interval_time_t left_a = time_left(a, limit), left_b = time_left(b, limit);

    return left_a < left_b || (left_a == left_b && a->bytes > b->bytes);
}

/* How many are to be replaced no later than `worker`, itself included: they all take their time before it is done. */
static int rank(const wsgi_growth_t *const *workers, int count, const wsgi_growth_t *worker, apr_int64_t limit)
{
    int n = 0;

    for (int i = 0; i < count; i++) {
        n += workers[i] != NULL && time_left(workers[i], limit) >= 0 && !is_before(worker, workers[i], limit);
    }
    return n;
}

int wsgi_growth_choose(const wsgi_growth_t *const *workers, int count, const wsgi_growth_terms_t *terms)
{
    apr_interval_time_t step = terms->load + terms->pause;
    int first = -1, is_due = 0;

    for (int i = 0; i < count; i++) {
        apr_interval_time_t left = workers[i] != NULL ? time_left(workers[i], terms->limit) : -1;
        if (left < 0) {
            continue;
        }
        if (first < 0 || is_before(workers[i], workers[first], terms->limit)) {
            first = i;
        }
        is_due |= left <= (rank(workers, count, workers[i], terms->limit) - terms->stop_first) * step;
    }
    return is_due ? first : -1;
}
