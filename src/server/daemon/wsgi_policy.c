#include "daemon/wsgi_policy.h"

#include <math.h>
#include <string.h>

apr_interval_time_t wsgi_policy_request_limit(const wsgi_group_t *limits)
{
    double threads = limits->threads > 1 ? limits->threads : 1;

    return (apr_interval_time_t)((double)limits->request_timeout * (1.0 + log(threads)));
}

apr_interval_time_t wsgi_policy_window(const wsgi_group_t *limits, const char *reason)
{
    if (strcmp(reason, "eviction_signal") == 0) {
        return limits->eviction_timeout;
    }
    if (limits->graceful_timeout > 0) {
        return limits->graceful_timeout;
    }
    /* No window given: what was asked for from outside waits for requests, what a limit asked for does not. */
    return strcmp(reason, "graceful_signal") == 0 || strcmp(reason, "restart_interval") == 0 ? -1 : 0;
}

void wsgi_policy_scatter(wsgi_group_t *limits, const double chance[2])
{
    if (limits->maximum_requests > 0) {
        limits->maximum_requests += (apr_int64_t)((double)(limits->maximum_requests_jitter + 1) * chance[0]);
    }
    if (limits->restart_interval > 0) {
        limits->restart_interval += (apr_interval_time_t)((double)limits->restart_interval_jitter * chance[1]);
    }
}

static wsgi_decision_t decision(wsgi_action_t action, const char *reason, apr_time_t next)
{
    wsgi_decision_t result = { action, reason, next };

    return result;
}

static void look_again(apr_time_t *next, apr_time_t when)
{
    if (*next == 0 || when < *next) {
        *next = when;
    }
}

/* Whether `limit` (0: off) has passed since `since` (0: not begun); else have `next` tell when it will have. */
static int is_over(apr_interval_time_t limit, apr_time_t since, apr_time_t now, apr_time_t *next)
{
    if (limit <= 0 || since == 0) {
        return 0;
    }
    if (now >= since + limit) {
        return 1;
    }
    look_again(next, since + limit);
    return 0;
}

/*
 * It accepts nothing more: stop once it is idle, or its window is over, or none of its requests can get on. The reason
 * why it was retired stays, unless there is that worse one.
 */
static wsgi_decision_t decide_retired(const wsgi_group_t *limits, const wsgi_activity_t *seen, apr_time_t now)
{
    apr_interval_time_t window = wsgi_policy_window(limits, seen->reason);
    int busy = seen->active > seen->stale;
    apr_time_t next = window >= 0 ? seen->retired + window : 0;

    if (!busy || (window >= 0 && now >= next)) {
        return decision(WSGI_STOP, seen->reason, 0);
    }
    if (is_over(limits->deadlock_timeout, seen->last_probe, now, &next)) {
        return decision(WSGI_STOP, "deadlock_timeout", 0);
    }
    return decision(WSGI_KEEP, NULL, next);
}

/* What no request can survive, or nobody has to wait for. */
static const char *reason_to_stop(const wsgi_group_t *limits, const wsgi_activity_t *seen, apr_time_t now,
                                  apr_time_t *next)
{
    apr_time_t startup = seen->script_available ? 0 : seen->startup_begun;

    if (is_over(limits->startup_timeout, startup, now, next)) {
        return "startup_timeout";
    }
    return is_over(limits->deadlock_timeout, seen->last_probe, now, next) ? "deadlock_timeout" : NULL;
}

static const char *reason_to_replace(const wsgi_group_t *limits, const wsgi_activity_t *seen, apr_time_t now,
                                     apr_time_t *next)
{
    if (seen->has_wedged_request) {
        return "request_timeout";
    }
    if (is_over(limits->restart_interval, seen->started, now, next)) {
        return "restart_interval";
    }
    if (seen->active <= seen->stale && is_over(limits->inactivity_timeout, seen->last_activity, now, next)) {
        return "inactivity_timeout";
    }
    if (limits->maximum_requests > 0 && seen->served >= limits->maximum_requests) {
        return "maximum_requests";
    }
    if (seen->cpu_limit_reached) {
        return "cpu_time_limit";
    }
    if (seen->asked_to_leave) {
        return limits->eviction_timeout > 0 ? "eviction_signal" : "graceful_signal";
    }
    return NULL;
}

wsgi_decision_t wsgi_policy_decide(const wsgi_group_t *limits, const wsgi_activity_t *seen, apr_time_t now)
{
    apr_time_t next = 0;
    const char *reason;

    if (seen->told_to_end) {
        return decision(WSGI_STOP, seen->retired != 0 ? seen->reason : "shutdown_signal", 0);
    }
    if (seen->retired != 0) {
        return decide_retired(limits, seen, now);
    }
    reason = reason_to_stop(limits, seen, now, &next);
    if (reason != NULL) {
        return decision(WSGI_STOP, reason, 0);
    }
    if (!seen->replacing) {
        reason = reason_to_replace(limits, seen, now, &next);
        if (reason != NULL) {
            return decision(WSGI_REPLACE, reason, next);
        }
        (void)is_over(wsgi_policy_request_limit(limits), seen->oldest, now, &next);
    }
    return decision(WSGI_KEEP, NULL, next);
}
