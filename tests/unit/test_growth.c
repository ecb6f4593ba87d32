/* sources: daemon/wsgi_growth.c */
#include "daemon/wsgi_growth.h"

#include "wsgi_tap.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define MS(n) ((apr_time_t)(n) * 1000)
#define MB(n) ((apr_int64_t)(n) * 1000000)
#define NOW apr_time_from_sec(1000)

/* A worker seen every 100 ms for so long, growing by so much each time */
static wsgi_growth_t grown(apr_int64_t from, apr_int64_t step, int looks, apr_interval_time_t load)
{
    wsgi_growth_t growth = { .bytes = 0 };

    for (int i = 0; i < looks; i++) {
        wsgi_growth_note(&growth, from + i * step, load, NOW + MS(100) * i);
    }
    return growth;
}

static void tells_the_slowest_of_the_last_intervals(void)
{
    static const struct {
        apr_int64_t mb[WSGI_GROWTH_POINTS + 1]; /* every 250 ms, -1: not seen any more */
        apr_int64_t rate;
    } rows[] = {
        { { 10, 20, 30, 40, 50, -1 }, MB(40) },
        { { 10, 20, 30, 40, -1, -1 }, 0 },        /* not long enough */
        { { 10, 90, 90, 90, 90, -1 }, 0 },        /* grew once */
        { { 90, 90, 90, 90, 500, -1 }, 0 },
        { { 10, 20, 30, 35, 50, -1 }, MB(20) },
        { { 10, 20, 15, 35, 50, -1 }, 0 },        /* shrinks now and then */
        { { 50, 40, 30, 20, 10, -1 }, 0 },
        { { 90, 10, 20, 30, 40, 50 }, MB(40) },   /* what is longer ago is forgotten */
        { { 0, 0, 0, 0, 0, -1 }, 0 },             /* the system does not tell */
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsgi_growth_t growth = { .bytes = 0 };
        for (int at = 0; at <= WSGI_GROWTH_POINTS && rows[i].mb[at] >= 0; at++) {
            wsgi_growth_note(&growth, MB(rows[i].mb[at]), MS(100), NOW + MS(250) * at);
        }
        if (wsgi_growth_rate(&growth) != rows[i].rate) {
            printf("# row %d\n", (int)i);
        }
        CHECK_INT(wsgi_growth_rate(&growth), rows[i].rate);
    }
}

static void looks_longer_at_what_loads_longer(void)
{
    wsgi_growth_t brief = grown(MB(10), MB(1), 15, MS(500)), slow = grown(MB(10), MB(1), 15, MS(1000));

    CHECK_INT(wsgi_growth_rate(&brief), MB(10));
    CHECK_INT(wsgi_growth_rate(&slow), 0);
    slow = grown(MB(10), MB(1), 21, MS(1000)); /* twice the second it takes */
    CHECK_INT(wsgi_growth_rate(&slow), MB(10));
}

static void chooses_in_time(void)
{
    static const struct {
        apr_int64_t mb[3];   /* now; 0: no such worker */
        apr_int64_t step[3]; /* MB per 100 ms */
        int load;            /* ms */
        int stop_first;
        int chosen;
    } rows[] = {
        { { 300, 0, 0 }, { 0, 0, 0 }, 1000, 0, -1 },      /* at the limit is not beyond it */
        { { 301, 0, 0 }, { 0, 0, 0 }, 1000, 0, 0 },
        { { 301, 302, 0 }, { 0, 0, 0 }, 1000, 0, 1 },     /* the largest */
        { { 301, 302, 100 }, { 9, 0, 0 }, 1000, 0, 1 },
        { { 189, 0, 0 }, { 10, 0, 0 }, 1000, 0, -1 },     /* 1.11 s left, 1.1 s needed */
        { { 190, 0, 0 }, { 10, 0, 0 }, 1000, 0, 0 },
        { { 280, 0, 0 }, { 10, 0, 0 }, 100, 0, 0 },
        { { 279, 0, 0 }, { 10, 0, 0 }, 100, 0, -1 },
        { { 299, 0, 0 }, { 10, 0, 0 }, 1000, 1, -1 },     /* it ends first */
        { { 301, 0, 0 }, { 10, 0, 0 }, 1000, 1, 0 },
        { { 80, 70, 0 }, { 10, 10, 0 }, 1000, 0, -1 },    /* 2.2 and 2.3 s left; two need 2.2 s */
        { { 180, 80, 0 }, { 10, 10, 0 }, 1000, 0, 0 },    /* the second would not be done in time */
        { { 80, 180, 0 }, { 10, 10, 0 }, 1000, 0, 1 },
        { { 0, 79, 79 }, { 0, 10, 10 }, 1000, 0, -1 },
        { { 0, 80, 80 }, { 0, 10, 10 }, 1000, 0, 1 },
        { { 120, 100, 290 }, { 10, 1, 0 }, 1000, 0, -1 }, /* the largest does not grow */
        { { 190, 100, 299 }, { 10, 1, 0 }, 1000, 0, 0 },
        { { 300, 200, 0 }, { 1, 10, 0 }, 1000, 1, 0 },    /* ends now, so that the other can in a second */
        { { 0, 0, 0 }, { 0, 0, 0 }, 1000, 0, -1 },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsgi_growth_terms_t terms = { MB(300), MS(rows[i].load), MS(100), rows[i].stop_first };
        const wsgi_growth_t *workers[3] = { NULL };
        wsgi_growth_t growths[3];
        int chosen;
        for (int w = 0; w < 3; w++) {
            growths[w] = grown(MB(rows[i].mb[w] - 40 * rows[i].step[w]), MB(rows[i].step[w]), 41, terms.load);
            workers[w] = rows[i].mb[w] > 0 ? &growths[w] : NULL;
        }
        chosen = wsgi_growth_choose(workers, 3, &terms);
        if (chosen != rows[i].chosen) {
            printf("# row %d\n", (int)i);
        }
        CHECK_INT(chosen, rows[i].chosen);
    }
}

int main(void)
{
    TAP_RUN(tells_the_slowest_of_the_last_intervals);
    TAP_RUN(looks_longer_at_what_loads_longer);
    TAP_RUN(chooses_in_time);
    return tap_done();
}
