#include "daemon/wsgi_sizing.h"

/* No thread is free, or requests had to wait though some were: they were in the other workers, or Python was busy. */
static int is_crowded(const wsgi_sizing_seen_t *seen)
{
    return seen->ready > 0 && (seen->busy >= seen->ready * seen->threads || seen->waited > WSGI_SIZING_WAIT);
}

/* With one worker less, at most half of the threads would be busy. */
static int is_idle(const wsgi_sizing_seen_t *seen)
{
    return seen->ready > 1 && seen->waited <= WSGI_SIZING_WAIT && 2 * seen->busy <= (seen->ready - 1) * seen->threads;
}

/* Whether a state has lasted; `since` is kept by the caller, 0 while it does not hold. */
static int has_lasted(apr_time_t *since, int holds, apr_interval_time_t limit, apr_time_t now)
{
    if (!holds) {
        *since = 0;
        return 0;
    }
    if (*since == 0) {
        *since = now;
    }
    return now - *since >= limit;
}

int wsgi_sizing_decide(wsgi_sizing_t *sizing, const wsgi_sizing_seen_t *seen, apr_time_t now)
{
    int is_settled = seen->starting == 0 && seen->ready >= seen->wanted;
    int grows = has_lasted(&sizing->crowded_since, is_settled && is_crowded(seen), WSGI_SIZING_GROW_AFTER, now);
    int shrinks = has_lasted(&sizing->idle_since, is_settled && is_idle(seen), WSGI_SIZING_SHRINK_AFTER, now);

    if (grows && seen->wanted < seen->high) {
        sizing->crowded_since = 0; /* what the new one changes has to show first */
        return seen->wanted + 1;
    }
    if (shrinks && seen->wanted > seen->low) {
        sizing->idle_since = 0;
        return seen->wanted - 1;
    }
    return seen->wanted;
}
