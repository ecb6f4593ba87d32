/* sources: daemon/wsgi_sizing.c */
#include "daemon/wsgi_sizing.h"

#include "wsgi_tap.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define MS(n) ((apr_time_t)(n) * 1000)
#define NOW apr_time_from_sec(1000)

/* The same sight every 100 ms for so long. @return what is wanted at the end, deciding at most once */
static int look_for(wsgi_sizing_t *sizing, wsgi_sizing_seen_t seen, int milliseconds)
{
    for (int at = 0; at <= milliseconds; at += 100) {
        int wanted = wsgi_sizing_decide(sizing, &seen, NOW + MS(at));
        if (wanted != seen.wanted) {
            return wanted;
        }
    }
    return seen.wanted;
}

static void follows_the_load(void)
{
    static const struct {
        wsgi_sizing_seen_t seen; /* low, high, wanted, ready, starting, threads, busy, waited */
        int milliseconds;
        int wanted;
    } rows[] = {
        { { 1, 8, 2, 2, 0, 5, 9, 0 }, 60000, 2 },          /* a thread is free, and nobody waited */
        { { 1, 8, 2, 2, 0, 5, 10, 0 }, 0, 2 },             /* a moment says little */
        { { 1, 8, 2, 2, 0, 5, 10, 0 }, 100, 3 },
        { { 1, 8, 2, 2, 0, 5, 3, MS(21) }, 100, 3 },       /* somebody waited */
        { { 1, 8, 2, 2, 0, 5, 3, MS(20) }, 10000, 2 },
        { { 1, 8, 3, 2, 1, 5, 10, MS(500) }, 60000, 3 },   /* one starts already */
        { { 1, 8, 3, 2, 0, 5, 10, MS(500) }, 60000, 3 },   /* or is about to */
        { { 1, 8, 8, 8, 0, 5, 40, MS(500) }, 60000, 8 },   /* no room */
        { { 1, 8, 1, 0, 0, 5, 0, 0 }, 60000, 1 },          /* nobody serves */
        { { 1, 8, 4, 4, 0, 5, 7, 0 }, 29900, 4 },          /* 7 of 15 would be busy with one less */
        { { 1, 8, 4, 4, 0, 5, 7, 0 }, 30000, 3 },
        { { 1, 8, 4, 4, 0, 5, 8, 0 }, 60000, 4 },          /* more than half of 15 */
        { { 1, 8, 4, 4, 0, 5, 0, MS(30) }, 0, 4 },
        { { 2, 8, 2, 2, 0, 5, 0, 0 }, 60000, 2 },          /* not below the lowest */
        { { 1, 8, 2, 2, 1, 5, 0, 0 }, 60000, 2 },          /* a replacement starts: not now */
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsgi_sizing_t sizing = { 0, 0 };
        int got = look_for(&sizing, rows[i].seen, rows[i].milliseconds);
        if (got != rows[i].wanted) {
            printf("# row %d: got %d, want %d\n", (int)i, got, rows[i].wanted);
        }
        CHECK_INT(got, rows[i].wanted);
    }
}

static void begins_anew_after_each_step(void)
{
    wsgi_sizing_t sizing = { 0, 0 };
    wsgi_sizing_seen_t seen = { 1, 8, 1, 1, 0, 5, 5, 0 };

    CHECK_INT(look_for(&sizing, seen, 100), 2);
    seen.wanted = seen.ready = 2;
    seen.busy = 10;
    CHECK_INT(wsgi_sizing_decide(&sizing, &seen, NOW + MS(200)), 2);
    CHECK_INT(wsgi_sizing_decide(&sizing, &seen, NOW + MS(300)), 3);
}

static void forgets_idleness_when_requests_come(void)
{
    wsgi_sizing_t sizing = { 0, 0 };
    wsgi_sizing_seen_t idle = { 1, 8, 3, 3, 0, 5, 0, 0 }, busy = { 1, 8, 3, 3, 0, 5, 12, 0 };

    CHECK_INT(wsgi_sizing_decide(&sizing, &idle, NOW), 3);
    CHECK_INT(wsgi_sizing_decide(&sizing, &busy, NOW + MS(29000)), 3);
    CHECK_INT(wsgi_sizing_decide(&sizing, &idle, NOW + MS(30000)), 3);
    CHECK_INT(wsgi_sizing_decide(&sizing, &idle, NOW + MS(59000)), 3);
    CHECK_INT(wsgi_sizing_decide(&sizing, &idle, NOW + MS(60000)), 2);
}

int main(void)
{
    TAP_RUN(follows_the_load);
    TAP_RUN(begins_anew_after_each_step);
    TAP_RUN(forgets_idleness_when_requests_come);
    return tap_done();
}
