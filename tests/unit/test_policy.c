/* sources: daemon/wsgi_policy.c */
#include "daemon/wsgi_policy.h"

#include "wsgi_tap.h"

/* What a test names is what it is about; everything else is a quiet worker of an unlimited group. */
#define SECONDS(n) apr_time_from_sec(n)
#define NOW SECONDS(1000)

static wsgi_group_t unlimited(void)
{
    wsgi_group_t group = { .name = "app", .threads = 1, .processes = 1 };

    return group;
}

static wsgi_activity_t quiet(void)
{
    wsgi_activity_t seen = { .started = SECONDS(1) };

    return seen;
}

static void check(wsgi_decision_t got, wsgi_action_t action, const char *reason, apr_time_t next)
{
    CHECK_INT(got.action, action);
    CHECK_STR(got.reason, reason);
    CHECK_TIME(got.next, next);
}

static void keeps_going_without_limits(void)
{
    wsgi_group_t group = unlimited();
    wsgi_activity_t seen = quiet();

    seen.active = 3;
    seen.served = 1000000;
    seen.oldest = SECONDS(2);
    check(wsgi_policy_decide(&group, &seen, NOW), WSGI_KEEP, NULL, 0);
}

static void is_replaced_at_the_request_limit(void)
{
    wsgi_group_t group = unlimited();
    wsgi_activity_t seen = quiet();

    group.maximum_requests = 10;
    seen.served = 9;
    check(wsgi_policy_decide(&group, &seen, NOW), WSGI_KEEP, NULL, 0);
    seen.served = 10;
    check(wsgi_policy_decide(&group, &seen, NOW), WSGI_REPLACE, "maximum_requests", 0);
}

static void asks_for_one_replacement_only(void)
{
    wsgi_group_t group = unlimited();
    wsgi_activity_t seen = quiet();

    group.maximum_requests = 10;
    seen.served = 12;
    seen.replacing = 1;
    check(wsgi_policy_decide(&group, &seen, NOW), WSGI_KEEP, NULL, 0);
}

static void never_fires_early(void)
{
    wsgi_group_t group = unlimited();
    wsgi_activity_t seen = quiet();

    group.restart_interval = SECONDS(999);
    check(wsgi_policy_decide(&group, &seen, NOW - 1), WSGI_KEEP, NULL, NOW);
    check(wsgi_policy_decide(&group, &seen, NOW), WSGI_REPLACE, "restart_interval", 0);
}

static void is_inactive_only_while_idle_and_after_activity(void)
{
    wsgi_group_t group = unlimited();
    wsgi_activity_t seen = quiet();

    group.inactivity_timeout = SECONDS(60);
    check(wsgi_policy_decide(&group, &seen, NOW), WSGI_KEEP, NULL, 0); /* it never served anything */
    seen.last_activity = NOW - SECONDS(59);
    check(wsgi_policy_decide(&group, &seen, NOW), WSGI_KEEP, NULL, NOW + SECONDS(1));
    seen.last_activity = NOW - SECONDS(60);
    seen.active = 1;
    check(wsgi_policy_decide(&group, &seen, NOW), WSGI_KEEP, NULL, 0);
    seen.stale = 1; /* the only request is stuck: as good as idle */
    check(wsgi_policy_decide(&group, &seen, NOW), WSGI_REPLACE, "inactivity_timeout", 0);
}

static void stops_when_no_script_loads_in_time(void)
{
    wsgi_group_t group = unlimited();
    wsgi_activity_t seen = quiet();

    group.startup_timeout = SECONDS(15);
    check(wsgi_policy_decide(&group, &seen, NOW), WSGI_KEEP, NULL, 0); /* no request yet */
    seen.startup_begun = NOW - SECONDS(15);
    check(wsgi_policy_decide(&group, &seen, NOW), WSGI_STOP, "startup_timeout", 0);
    seen.script_available = 1;
    check(wsgi_policy_decide(&group, &seen, NOW), WSGI_KEEP, NULL, 0);
}

static void stops_when_the_gil_cannot_be_had(void)
{
    wsgi_group_t group = unlimited();
    wsgi_activity_t seen = quiet();

    group.deadlock_timeout = SECONDS(300);
    seen.last_probe = NOW - SECONDS(299);
    check(wsgi_policy_decide(&group, &seen, NOW), WSGI_KEEP, NULL, NOW + SECONDS(1));
    seen.last_probe = NOW - SECONDS(300);
    check(wsgi_policy_decide(&group, &seen, NOW), WSGI_STOP, "deadlock_timeout", 0);
}

static void other_timers_run_without_deadlock_detection(void)
{
    wsgi_group_t group = unlimited();
    wsgi_activity_t seen = quiet();

    group.deadlock_timeout = 0;
    group.restart_interval = SECONDS(1);
    check(wsgi_policy_decide(&group, &seen, NOW), WSGI_REPLACE, "restart_interval", 0);
}

static void gives_more_threads_more_time(void)
{
    wsgi_group_t group = unlimited();

    group.request_timeout = SECONDS(100);
    CHECK_INT(wsgi_policy_request_limit(&group), SECONDS(100));
    group.threads = 5;
    CHECK_INT(wsgi_policy_request_limit(&group) / APR_USEC_PER_SEC, 260);
    group.threads = 25;
    CHECK_INT(wsgi_policy_request_limit(&group) / APR_USEC_PER_SEC, 421);
}

static void looks_again_when_the_oldest_request_is_due(void)
{
    wsgi_group_t group = unlimited();
    wsgi_activity_t seen = quiet();

    group.request_timeout = SECONDS(10);
    seen.active = 1;
    seen.oldest = NOW - SECONDS(4);
    check(wsgi_policy_decide(&group, &seen, NOW), WSGI_KEEP, NULL, NOW + SECONDS(6));
    seen.has_wedged_request = 1;
    check(wsgi_policy_decide(&group, &seen, NOW), WSGI_REPLACE, "request_timeout", 0);
}

static void names_the_signal_by_its_window(void)
{
    wsgi_group_t group = unlimited();
    wsgi_activity_t seen = quiet();

    seen.asked_to_leave = 1;
    check(wsgi_policy_decide(&group, &seen, NOW), WSGI_REPLACE, "graceful_signal", 0);
    group.eviction_timeout = SECONDS(5);
    check(wsgi_policy_decide(&group, &seen, NOW), WSGI_REPLACE, "eviction_signal", 0);
}

static void stops_at_once_when_retired_and_idle(void)
{
    wsgi_group_t group = unlimited();
    wsgi_activity_t seen = quiet();

    group.graceful_timeout = SECONDS(15);
    seen.retired = NOW;
    seen.reason = "maximum_requests";
    check(wsgi_policy_decide(&group, &seen, NOW), WSGI_STOP, "maximum_requests", 0);
}

static void lets_a_retired_worker_finish_within_its_window(void)
{
    wsgi_group_t group = unlimited();
    wsgi_activity_t seen = quiet();

    group.graceful_timeout = SECONDS(15);
    seen.retired = NOW;
    seen.reason = "maximum_requests";
    seen.active = 1;
    check(wsgi_policy_decide(&group, &seen, NOW + SECONDS(14)), WSGI_KEEP, NULL, NOW + SECONDS(15));
    check(wsgi_policy_decide(&group, &seen, NOW + SECONDS(15)), WSGI_STOP, "maximum_requests", 0);
}

static void does_not_wait_for_a_stale_request(void)
{
    wsgi_group_t group = unlimited();
    wsgi_activity_t seen = quiet();

    group.graceful_timeout = SECONDS(15);
    seen.retired = NOW;
    seen.reason = "request_timeout";
    seen.active = 2;
    seen.stale = 1;
    CHECK_INT(wsgi_policy_decide(&group, &seen, NOW).action, WSGI_KEEP);
    seen.stale = 2;
    CHECK_INT(wsgi_policy_decide(&group, &seen, NOW).action, WSGI_STOP);
}

static void without_a_window_waits_or_not_as_the_reason_says(void)
{
    static const struct {
        const char *reason;
        apr_interval_time_t window;
    } rows[] = {
        { "graceful_signal", -1 },  { "restart_interval", -1 }, { "maximum_requests", 0 },
        { "cpu_time_limit", 0 },    { "request_timeout", 0 },   { "script_reload", 0 },
    };
    wsgi_group_t group = unlimited();

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CHECK_INT(wsgi_policy_window(&group, rows[i].reason), rows[i].window);
    }
    group.graceful_timeout = SECONDS(15);
    group.eviction_timeout = SECONDS(3);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CHECK_INT(wsgi_policy_window(&group, rows[i].reason), SECONDS(15));
    }
    CHECK_INT(wsgi_policy_window(&group, "eviction_signal"), SECONDS(3));
}

static void scatters_limits_within_their_jitter(void)
{
    static const double least[] = { 0, 0 }, most[] = { 0.999999, 0.999999 };
    wsgi_group_t limits = { .maximum_requests = 100, .maximum_requests_jitter = 10,
                            .restart_interval = apr_time_from_sec(60),
                            .restart_interval_jitter = apr_time_from_sec(10) };
    wsgi_group_t off = { .maximum_requests_jitter = 10, .restart_interval_jitter = apr_time_from_sec(10) };
    wsgi_group_t other = limits;

    wsgi_policy_scatter(&limits, least);
    CHECK_INT(limits.maximum_requests, 100);
    CHECK_TIME(limits.restart_interval, apr_time_from_sec(60));
    wsgi_policy_scatter(&other, most);
    CHECK_INT(other.maximum_requests, 110);
    CHECK(other.restart_interval > apr_time_from_sec(69) && other.restart_interval <= apr_time_from_sec(70));
    wsgi_policy_scatter(&off, most);
    CHECK_INT(off.maximum_requests, 0);
    CHECK_TIME(off.restart_interval, 0);
}

/* ---- two causes ---- */

static wsgi_group_t everything_limited(void)
{
    wsgi_group_t group = { .name = "app", .threads = 1, .processes = 1,
                           .maximum_requests = 10,
                           .restart_interval = SECONDS(100),
                           .inactivity_timeout = SECONDS(100),
                           .request_timeout = SECONDS(100),
                           .startup_timeout = SECONDS(100),
                           .deadlock_timeout = SECONDS(100),
                           .graceful_timeout = SECONDS(15) };

    return group;
}

/* Of a process that has just begun, has one request, and gives no cause. */
static wsgi_activity_t nothing_wrong(void)
{
    wsgi_activity_t seen = { .started = NOW, .active = 1, .last_activity = NOW, .last_probe = NOW };

    seen.startup_begun = NOW;
    return seen;
}

static void cause_requests(wsgi_activity_t *seen) { seen->served = 10; }
static void cause_interval(wsgi_activity_t *seen) { seen->started = NOW - SECONDS(100); }
static void cause_inactivity(wsgi_activity_t *seen) { seen->last_activity = NOW - SECONDS(100); seen->stale = 1; }
static void cause_request(wsgi_activity_t *seen) { seen->has_wedged_request = 1; }
static void cause_startup(wsgi_activity_t *seen) { seen->startup_begun = NOW - SECONDS(100); }
static void cause_deadlock(wsgi_activity_t *seen) { seen->last_probe = NOW - SECONDS(100); }
static void cause_cpu(wsgi_activity_t *seen) { seen->cpu_limit_reached = 1; }
static void cause_leave(wsgi_activity_t *seen) { seen->asked_to_leave = 1; }
static void cause_end(wsgi_activity_t *seen) { seen->told_to_end = 1; }

/* In the order of their rank: of two at once the first in this list is the reason. */
static const struct {
    void (*set)(wsgi_activity_t *seen);
    const char *reason;
    wsgi_action_t action;
    int acts_on_retired;
} causes[] = {
    { cause_end, "shutdown_signal", WSGI_STOP, 1 },
    { cause_startup, "startup_timeout", WSGI_STOP, 0 },
    { cause_deadlock, "deadlock_timeout", WSGI_STOP, 1 },
    { cause_request, "request_timeout", WSGI_REPLACE, 0 },
    { cause_interval, "restart_interval", WSGI_REPLACE, 0 },
    { cause_inactivity, "inactivity_timeout", WSGI_REPLACE, 1 }, /* it leaves nothing to wait for */
    { cause_requests, "maximum_requests", WSGI_REPLACE, 0 },
    { cause_cpu, "cpu_time_limit", WSGI_REPLACE, 0 },
    { cause_leave, "graceful_signal", WSGI_REPLACE, 0 },
};

enum { CAUSES = sizeof(causes) / sizeof(causes[0]) };

static void of_two_causes_at_once_one_counts(void)
{
    wsgi_group_t group = everything_limited();

    for (int a = 0; a < CAUSES; a++) {
        for (int b = 0; b < CAUSES; b++) {
            wsgi_activity_t seen = nothing_wrong();
            causes[a].set(&seen);
            causes[b].set(&seen);
            CHECK_STR(wsgi_policy_decide(&group, &seen, NOW).reason, causes[a < b ? a : b].reason);
            CHECK_INT(wsgi_policy_decide(&group, &seen, NOW).action, causes[a < b ? a : b].action);
        }
    }
}

/* The first one has asked for a replacement, which is under way. */
static void while_it_is_replaced_only_what_stops_counts(void)
{
    wsgi_group_t group = everything_limited();

    for (int a = 0; a < CAUSES; a++) {
        for (int b = 0; b < CAUSES && causes[a].action == WSGI_REPLACE; b++) {
            wsgi_activity_t seen = nothing_wrong();
            int stops = causes[b].action == WSGI_STOP;
            causes[a].set(&seen);
            causes[b].set(&seen);
            seen.replacing = 1;
            CHECK_INT(wsgi_policy_decide(&group, &seen, NOW).action, stops ? WSGI_STOP : WSGI_KEEP);
            CHECK_STR(wsgi_policy_decide(&group, &seen, NOW).reason, stops ? causes[b].reason : NULL);
        }
    }
}

/* The first one has retired it, and its window is open. Its reason stays, but for what no request survives. */
static void once_retired_the_first_reason_stays(void)
{
    wsgi_group_t group = everything_limited();

    for (int a = 0; a < CAUSES; a++) {
        for (int b = 0; b < CAUSES && causes[a].action == WSGI_REPLACE && causes[a].set != cause_inactivity; b++) {
            wsgi_activity_t seen = nothing_wrong();
            wsgi_decision_t got;
            causes[a].set(&seen);
            causes[b].set(&seen);
            seen.retired = NOW;
            seen.reason = causes[a].reason;
            got = wsgi_policy_decide(&group, &seen, NOW);
            CHECK_INT(got.action, causes[b].acts_on_retired ? WSGI_STOP : WSGI_KEEP);
            CHECK_STR(got.reason, !causes[b].acts_on_retired ? NULL
                                  : causes[b].set == cause_deadlock ? "deadlock_timeout" : causes[a].reason);
        }
    }
}

int main(void)
{
    TAP_RUN(scatters_limits_within_their_jitter);
    TAP_RUN(of_two_causes_at_once_one_counts);
    TAP_RUN(while_it_is_replaced_only_what_stops_counts);
    TAP_RUN(once_retired_the_first_reason_stays);
    TAP_RUN(keeps_going_without_limits);
    TAP_RUN(is_replaced_at_the_request_limit);
    TAP_RUN(asks_for_one_replacement_only);
    TAP_RUN(never_fires_early);
    TAP_RUN(is_inactive_only_while_idle_and_after_activity);
    TAP_RUN(stops_when_no_script_loads_in_time);
    TAP_RUN(stops_when_the_gil_cannot_be_had);
    TAP_RUN(other_timers_run_without_deadlock_detection);
    TAP_RUN(gives_more_threads_more_time);
    TAP_RUN(looks_again_when_the_oldest_request_is_due);
    TAP_RUN(names_the_signal_by_its_window);
    TAP_RUN(stops_at_once_when_retired_and_idle);
    TAP_RUN(lets_a_retired_worker_finish_within_its_window);
    TAP_RUN(does_not_wait_for_a_stale_request);
    TAP_RUN(without_a_window_waits_or_not_as_the_reason_says);
    return tap_done();
}
