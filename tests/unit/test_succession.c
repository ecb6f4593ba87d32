/* sources: daemon/wsgi_succession.c daemon/wsgi_proctable.c daemon/wsgi_policy.c */
#include "daemon/wsgi_succession.h"

#include "daemon/wsgi_worker.h"
#include "wsgi_tap.h"

/*
 * Workers are written as a text, one letter each, the oldest first: s starting, r ready, o ready but obsolete,
 * x retiring, t a template that starts, T one that is ready, . free. The i-th is born at second i + 1; the clock is an
 * argument.
 */
#define SECONDS(n) apr_time_from_sec(n)
#define NOW SECONDS(1000)
#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

enum { EXITED_0 = 0, EXITED_1 = 1 << 8, EXITED_REFUSED = WSGI_WORKER_REFUSED << 8, KILLED = 9 };

static wsgi_proctable_t workers(const char *text)
{
    wsgi_proctable_t table;

    wsgi_proctable_init(&table, (int)strlen(text), tap.pool);
    for (int i = 0; i < table.capacity; i++) {
        wsgi_proc_t *proc = &table.procs[i];
        proc->state = text[i] == 's' ? WSGI_PROC_STARTING
                      : text[i] == 'r' || text[i] == 'o' ? WSGI_PROC_READY
                      : text[i] == 'x' ? WSGI_PROC_RETIRING
                      : text[i] == 't' ? WSGI_PROC_TEMPLATE_STARTING
                      : text[i] == 'T' ? WSGI_PROC_TEMPLATE : WSGI_PROC_FREE;
        proc->is_obsolete = text[i] == 'o';
        proc->pid = 100 + i;
        proc->birth = proc->as_of = SECONDS(i + 1);
    }
    return table;
}

/* In the message of a failed row. */
static int row_is(size_t row, long long got, long long want)
{
    if (got != want) {
        printf("# row %d: got %lld, want %lld\n", (int)row, got, want);
    }
    return got == want;
}

static void completes_the_group(void)
{
    static const struct {
        const char *workers;
        int wanted;
        apr_time_t reload_asked, next_start;
        int missing;
    } rows[] = {
        { "...", 3, 0, 0, 3 },
        { "r..", 3, 0, 0, 2 },
        { "rs.", 3, 0, 0, 1 },
        { "rrr", 3, 0, 0, 0 },
        { "sss", 3, 0, 0, 0 },
        { "rrrrr", 3, 0, 0, 0 },              /* more than enough is not less than enough */
        { "xxx...", 3, 0, 0, 3 },             /* who leaves does not count */
        { "oor...", 3, 0, 0, 1 },             /* who is to be replaced is replaced one by one */
        { "oors..", 3, 0, 0, 0 },
        { "oorr..", 3, 0, 0, 1 },
        { "oo....", 3, 0, 0, 1 },             /* what is missing altogether comes first */
        { "oos...", 3, 0, 0, 0 },
        { "rrr...", 2, 0, 0, 0 },             /* fewer are wanted than there are */
        { "rro...", 2, 0, 0, 0 },
        { "...", 3, 0, NOW + 1, 0 },          /* a pause holds */
        { "...", 3, 0, NOW, 3 },              /* to its end and no longer */
        { "rrr.", 3, SECONDS(500), 0, 1 },    /* one for who waits for a changed script, though all are there */
        { "rrr.", 3, SECONDS(500), NOW + 1, 0 },
        { "rrs.", 3, SECONDS(3), 0, 0 },      /* the one that starts was born late enough to know the change */
        { "rrs.", 3, SECONDS(4), 0, 1 },      /* and this one was not */
        { "r.", 3, SECONDS(500), 0, 2 },      /* the missing ones will know it */
        { "TTt...", 3, 0, 0, 3 },             /* templates serve nothing */
        { "Trrr", 3, SECONDS(1), 0, 1 },      /* though this one knows the change, a worker made from it is needed */
        { "rrrt", 3, SECONDS(4), 0, 0 },      /* that will be made from this one */
        { "rrrt", 3, SECONDS(5), 0, 1 },      /* but not from this one */
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsgi_group_t group = { .name = "app", .threads = 1 };
        wsgi_succession_t s = { .wanted = rows[i].wanted, .reload_asked = rows[i].reload_asked,
                                .next_start = rows[i].next_start };
        wsgi_proctable_t table = workers(rows[i].workers);
        CHECK(row_is(i, wsgi_succession_missing(&s, &table, &group, NOW), rows[i].missing));
    }
}

static void retires_the_oldest_replaced_worker_once_there_are_enough(void)
{
    static const struct {
        const char *workers;
        int wanted;
        int retired; /* index, -1 none */
    } rows[] = {
        { "rrr", 3, -1 },
        { "oor", 3, -1 },   /* no replacement is ready */
        { "oors", 3, -1 },
        { "oorr", 3, 0 },
        { "roro", 3, 1 },
        { "xorr", 2, 1 },   /* who leaves already is not asked again */
        { "xoor", 3, -1 },
        { "rrrr", 3, -1 },  /* only replaced ones go */
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsgi_group_t group = { .name = "app", .threads = 1 };
        wsgi_succession_t s = { .wanted = rows[i].wanted };
        wsgi_proctable_t table = workers(rows[i].workers);
        const wsgi_proc_t *next = wsgi_succession_next_to_retire(&s, &table, &group);
        CHECK(row_is(i, next != NULL ? next - table.procs : -1, rows[i].retired));
    }
}

static void ends_before_it_starts_where_memory_is_scarce(void)
{
    static const struct {
        const char *workers;
        int wanted;
        int missing;
        int retired; /* index, -1 none */
    } rows[] = {
        { "...", 2, 2, -1 },
        { "rr.", 2, 0, -1 },
        { "or.", 2, 0, 0 },    /* it goes first */
        { "xr.", 2, 0, -1 },   /* and while it is there nobody comes */
        { "xo.", 2, 0, -1 },   /* nor goes */
        { "r..", 2, 1, -1 },
        { "rs.", 2, 0, -1 },
        { "os.", 2, 0, -1 },
        { "oo.", 2, 0, 0 },
        { "o..", 2, 1, -1 },   /* the one that has gone is replaced first */
        { "ooo", 2, 0, 0 },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsgi_group_t group = { .name = "app", .threads = 1, .stop_first = 1 };
        wsgi_succession_t s = { .wanted = rows[i].wanted };
        wsgi_proctable_t table = workers(rows[i].workers);
        const wsgi_proc_t *next = wsgi_succession_next_to_retire(&s, &table, &group);
        CHECK(row_is(i, wsgi_succession_missing(&s, &table, &group, NOW), rows[i].missing));
        CHECK(row_is(i, next != NULL ? next - table.procs : -1, rows[i].retired));
    }
}

static void chooses_a_template(void)
{
    static const struct {
        const char *workers;
        apr_time_t code_needed, reload_asked;
        int template; /* index, -1 none */
    } rows[] = {
        { "...", 0, 0, -1 },
        { "t..", 0, 0, -1 },
        { "T..", 0, 0, 0 },
        { "TT.", 0, 0, 1 },
        { "TtT", 0, 0, 2 },
        { "T..", SECONDS(2), 0, -1 },          /* it is out of date */
        { ".T.", SECONDS(2), 0, 1 },
        { "Trr", SECONDS(2), SECONDS(2), -1 }, /* the group is complete: who comes now is to know the change */
        { "Tr.", SECONDS(2), SECONDS(2), 0 },  /* while the old code serves, it is better than a gap */
        { "Trs", SECONDS(2), SECONDS(2), -1 },
        { "Tx.", SECONDS(2), SECONDS(2), 0 },
        { "T..", SECONDS(2), 0, -1 },          /* but not after the new code */
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsgi_succession_t s = { .wanted = 2, .code_needed = rows[i].code_needed, .reload_asked = rows[i].reload_asked };
        wsgi_proctable_t table = workers(rows[i].workers);
        const wsgi_proc_t *template = wsgi_succession_template(&s, &table);
        CHECK(row_is(i, template != NULL ? template - table.procs : -1, rows[i].template));
    }
}

static void judges_the_death_of_a_template(void)
{
    static const struct {
        const char *workers; /* the first one died */
        apr_time_t code_needed, reload_asked;
        int status;
        wsgi_death_t death;
    } rows[] = {
        { "t..", 0, 0, KILLED, WSGI_DEATH_UNREADY },
        { "tT.", 0, 0, KILLED, WSGI_DEATH_SPARE },
        { "tT.", 0, 0, EXITED_REFUSED, WSGI_DEATH_SPARE },
        { "tT.", SECONDS(3), 0, KILLED, WSGI_DEATH_UNREADY },  /* the other one is out of date */
        { "tr.", SECONDS(1), SECONDS(1), EXITED_REFUSED, WSGI_DEATH_REFUSED },
        { "tr.", SECONDS(2), SECONDS(2), EXITED_REFUSED, WSGI_DEATH_UNREADY }, /* for another reason */
        { "T..", 0, 0, KILLED, WSGI_DEATH_SERVING },
        { "x..", 0, 0, KILLED, WSGI_DEATH_DUE },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsgi_group_t group = { .name = "app", .threads = 1 };
        wsgi_succession_t s = { .wanted = 2, .code_needed = rows[i].code_needed, .reload_asked = rows[i].reload_asked };
        wsgi_proctable_t table = workers(rows[i].workers);
        wsgi_death_t death = wsgi_succession_judge(&s, &table, &table.procs[0], &group, rows[i].status, SECONDS(2));
        CHECK(row_is(i, death, rows[i].death));
    }
}

static void a_spare_template_changes_nothing(void)
{
    wsgi_succession_t s = { .wanted = 1, .pause = SECONDS(2), .next_start = NOW + 5 };

    wsgi_succession_after(&s, WSGI_DEATH_SPARE, NOW);
    CHECK(s.pause == SECONDS(2) && s.next_start == NOW + 5);
}

static void code_that_nobody_can_load_is_needed_no_more(void)
{
    wsgi_succession_t s = { .wanted = 1 };
    wsgi_proctable_t table = workers("Tr");

    wsgi_succession_ask_reload(&s, &table, NOW);
    CHECK(wsgi_succession_template(&s, &table) == NULL);
    s.reload_asked = 0;
    CHECK(wsgi_succession_template(&s, &table) == NULL);
    wsgi_succession_keep_code(&s);
    CHECK(wsgi_succession_template(&s, &table) == &table.procs[0]);
}

static void judges_a_death(void)
{
    static const struct {
        const char *worker;
        int threads, status;
        apr_interval_time_t age;
        apr_time_t reload_asked;
        wsgi_death_t death;
    } rows[] = {
        { "r", 5, KILLED, SECONDS(5), 0, WSGI_DEATH_DUE },             /* old enough */
        { "r", 5, KILLED, SECONDS(5) - 1, 0, WSGI_DEATH_SERVING },
        { "r", 5, EXITED_1, SECONDS(1), 0, WSGI_DEATH_SERVING },
        { "r", 5, EXITED_0, SECONDS(1), 0, WSGI_DEATH_DUE },           /* in order */
        { "r", 0, EXITED_0, SECONDS(1), 0, WSGI_DEATH_UNREADY },       /* a service's script has ended */
        { "s", 5, EXITED_0, SECONDS(1), 0, WSGI_DEATH_UNREADY },       /* it should have become ready */
        { "s", 5, EXITED_1, SECONDS(1), 0, WSGI_DEATH_UNREADY },
        { "s", 5, KILLED, SECONDS(60), 0, WSGI_DEATH_DUE },
        { "x", 5, KILLED, SECONDS(1), 0, WSGI_DEATH_DUE },             /* it was told to */
        { "s", 5, EXITED_REFUSED, SECONDS(1), SECONDS(1), WSGI_DEATH_REFUSED },
        { "s", 5, EXITED_REFUSED, SECONDS(60), SECONDS(1), WSGI_DEATH_REFUSED },
        { "s", 5, EXITED_REFUSED, SECONDS(1), 0, WSGI_DEATH_UNREADY }, /* nobody asked for it */
        { "s", 5, EXITED_REFUSED, SECONDS(1), SECONDS(2), WSGI_DEATH_UNREADY },
        { "r", 5, EXITED_REFUSED, SECONDS(1), SECONDS(1), WSGI_DEATH_SERVING },
        { "s", 5, WSGI_WORKER_REFUSED, SECONDS(1), SECONDS(1), WSGI_DEATH_UNREADY }, /* a signal of that number */
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsgi_group_t group = { .name = "app", .processes = 1, .threads = rows[i].threads };
        wsgi_succession_t s = { .reload_asked = rows[i].reload_asked };
        wsgi_proctable_t table = workers(rows[i].worker);
        apr_time_t now = table.procs[0].birth + rows[i].age;
        wsgi_death_t death = wsgi_succession_judge(&s, &table, &table.procs[0], &group, rows[i].status, now);
        CHECK(row_is(i, death, rows[i].death));
    }
}

static void waits_longer_after_each_failure_up_to_a_limit(void)
{
    static const int tenths[] = { 1, 2, 4, 8, 16, 32, 64, 128, 200, 200 };
    wsgi_succession_t s = { 0 };

    for (size_t i = 0; i < COUNT(tenths); i++) {
        wsgi_succession_after(&s, WSGI_DEATH_UNREADY, NOW);
        CHECK_TIME(s.pause, SECONDS(tenths[i]) / 10);
        CHECK_TIME(s.next_start, NOW + s.pause);
    }
    wsgi_succession_after(&s, WSGI_DEATH_DUE, NOW);
    CHECK_TIME(s.next_start, 0);
    wsgi_succession_failed(&s, NOW); /* from the beginning */
    CHECK_TIME(s.pause, SECONDS(1) / 10);
    wsgi_succession_after(&s, WSGI_DEATH_REFUSED, NOW);
    CHECK_TIME(s.next_start, 0);
}

static void does_not_wait_long_after_one_that_served(void)
{
    wsgi_succession_t s = { 0 };

    for (int i = 0; i < 10; i++) {
        wsgi_succession_after(&s, WSGI_DEATH_SERVING, NOW);
    }
    CHECK_TIME(s.pause, SECONDS(1));
    for (int i = 0; i < 10; i++) {
        wsgi_succession_after(&s, WSGI_DEATH_UNREADY, NOW);
    }
    CHECK_TIME(s.pause, SECONDS(20));
    wsgi_succession_after(&s, WSGI_DEATH_SERVING, NOW);
    CHECK_TIME(s.next_start, NOW + SECONDS(1));
}

static void a_changed_script_ends_a_pause_once(void)
{
    wsgi_succession_t s = { .next_start = NOW + SECONDS(20) };
    wsgi_proctable_t table = workers("rs");

    wsgi_succession_ask_reload(&s, &table, NOW);
    CHECK_TIME(s.reload_asked, NOW);
    CHECK_TIME(s.next_start, 0);
    s.next_start = NOW + SECONDS(20);
    table.procs[1].as_of = NOW; /* a successor starts: who asks now waits for it */
    wsgi_succession_ask_reload(&s, &table, NOW + 1);
    CHECK_TIME(s.reload_asked, NOW);
    CHECK_TIME(s.next_start, NOW + SECONDS(20));
}

static void gives_a_worker_time_to_leave(void)
{
    static const struct {
        const char *worker, *reason;
        int graceful, eviction, shutdown; /* seconds */
        int seconds;                      /* -1: never overdue */
    } rows[] = {
        { "r", "maximum_requests", 15, 0, 5, 21 },
        { "s", "maximum_requests", 15, 0, 5, 6 },   /* has no requests to finish */
        { "r", "maximum_requests", 0, 0, 5, 6 },
        { "r", "graceful_signal", 0, 0, 5, -1 },    /* waits for its requests */
        { "r", "eviction_signal", 15, 60, 5, 66 },
        { "r", "maximum_requests", 15, 0, 0, -1 },  /* no limit was wanted */
        { "s", "graceful_signal", 0, 0, 5, 6 },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsgi_group_t group = { .name = "app", .processes = 1, .threads = 1,
                               .graceful_timeout = SECONDS(rows[i].graceful),
                               .eviction_timeout = SECONDS(rows[i].eviction),
                               .shutdown_timeout = SECONDS(rows[i].shutdown) };
        wsgi_proctable_t table = workers(rows[i].worker);
        apr_time_t end = wsgi_succession_retirement_end(&table.procs[0], &group, rows[i].reason, NOW);
        CHECK(row_is(i, end, rows[i].seconds < 0 ? 0 : NOW + SECONDS(rows[i].seconds)));
        end = wsgi_succession_termination_end(&group, NOW);
        CHECK(row_is(i, end, rows[i].shutdown == 0 ? 0 : NOW + SECONDS(rows[i].shutdown + 1)));
    }
}

static void counts_and_finds_workers(void)
{
    wsgi_proctable_t table = workers("xros.");
    wsgi_proctable_t none = workers("..");

    CHECK_INT(wsgi_proctable_count(&table, WSGI_PROC_READY), 2);
    CHECK_INT(wsgi_proctable_count_lasting(&table, WSGI_PROC_READY), 1);
    CHECK_INT(wsgi_proctable_is_empty(&table), 0);
    CHECK_INT(wsgi_proctable_is_empty(&none), 1);
    CHECK(wsgi_proctable_free(&table) == &table.procs[4]);
    CHECK(wsgi_proctable_find(&table, 101) == &table.procs[1]);
    CHECK(wsgi_proctable_find(&table, 104) == NULL); /* the number of one that is gone */
    table.procs[4].state = WSGI_PROC_STARTING;
    CHECK(wsgi_proctable_free(&table) == NULL);
}

static void tells_when_the_first_is_overdue(void)
{
    wsgi_proctable_t table = workers("xx.r");

    CHECK_TIME(wsgi_proctable_next_kill(&table), 0);
    table.procs[0].kill_at = NOW + 2;
    table.procs[1].kill_at = NOW + 1;
    table.procs[2].kill_at = NOW; /* it is gone */
    CHECK_TIME(wsgi_proctable_next_kill(&table), NOW + 1);
}

static void replaces_who_loaded_another_version_first(void)
{
    wsgi_proctable_t table = workers("rrrs");

    for (int i = 0; i < 3; i++) {
        table.procs[i].versions[2] = (wsgi_version_t){ .stamp = 7, .when = 100 + (apr_uint64_t)i };
    }
    wsgi_proctable_compare_versions(&table, &table.procs[1], 2, "script_reload");
    CHECK_INT(wsgi_proctable_count_lasting(&table, WSGI_PROC_READY), 3);
    table.procs[1].versions[2] = (wsgi_version_t){ .stamp = 8, .when = 200 };
    wsgi_proctable_compare_versions(&table, &table.procs[1], 2, "script_reload");
    CHECK_INT(table.procs[0].is_obsolete, 1);
    CHECK_INT(table.procs[1].is_obsolete, 0);
    CHECK_INT(table.procs[2].is_obsolete, 1);
    CHECK_STR(table.procs[0].reason, "script_reload");
    wsgi_proc_make_obsolete(&table.procs[0], "maximum_requests");
    CHECK_STR(table.procs[0].reason, "script_reload");
    wsgi_proc_make_obsolete(&table.procs[3], "maximum_requests"); /* it does not serve yet */
    CHECK_INT(table.procs[3].is_obsolete, 0);
    CHECK(wsgi_proctable_oldest_obsolete(&table) == &table.procs[0]);
}

int main(void)
{
    TAP_RUN(completes_the_group);
    TAP_RUN(retires_the_oldest_replaced_worker_once_there_are_enough);
    TAP_RUN(ends_before_it_starts_where_memory_is_scarce);
    TAP_RUN(judges_a_death);
    TAP_RUN(chooses_a_template);
    TAP_RUN(judges_the_death_of_a_template);
    TAP_RUN(a_spare_template_changes_nothing);
    TAP_RUN(code_that_nobody_can_load_is_needed_no_more);
    TAP_RUN(waits_longer_after_each_failure_up_to_a_limit);
    TAP_RUN(does_not_wait_long_after_one_that_served);
    TAP_RUN(a_changed_script_ends_a_pause_once);
    TAP_RUN(gives_a_worker_time_to_leave);
    TAP_RUN(counts_and_finds_workers);
    TAP_RUN(tells_when_the_first_is_overdue);
    TAP_RUN(replaces_who_loaded_another_version_first);
    return tap_done();
}
