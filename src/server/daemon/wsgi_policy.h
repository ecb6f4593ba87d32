#ifndef WSGI_POLICY_H
#define WSGI_POLICY_H

#include "base/wsgi_model.h"

/**
 * When a daemon process keeps going, asks to be replaced, or stops: a pure function of its group's limits, of what
 * it has seen, and of the time. All times are of the monotonic clock, microseconds; 0 means never.
 */

typedef enum {
    WSGI_KEEP,    /* go on; look again at `next` */
    WSGI_REPLACE, /* ask the keeper for a replacement and go on until it is ready */
    WSGI_STOP     /* accept nothing more and shut down */
} wsgi_action_t;

typedef struct {
    apr_time_t started;        /* ready to serve since */
    apr_int64_t served;        /* connections finished */
    int active;                /* requests in progress */
    int stale;                 /* of these, past request-timeout and interrupt-timeout */
    apr_time_t oldest;         /* start of the longest running request that is not stale, 0 none */
    apr_time_t last_activity;  /* 0 before the first */
    apr_time_t startup_begun;  /* first request looked for its script, 0 none did */
    int script_available;      /* a script was loaded: startup-timeout is over for good */
    apr_time_t last_probe;     /* the GIL could be had last, 0 not watched */
    int cpu_limit_reached;     /* SIGXCPU */
    int asked_to_leave;        /* SIGUSR1 */
    int told_to_end;           /* SIGTERM, SIGINT: at once, whatever else there is */
    int has_wedged_request;    /* a request went past its time, and past its grace if there is one */
    int replacing;             /* a replacement was asked for: triggers are silent */
    apr_time_t retired;        /* accepts nothing since, 0 still accepting */
    const char *reason;        /* why it is replaced or retired; NULL */
} wsgi_activity_t;

typedef struct {
    wsgi_action_t action;
    const char *reason; /* a value of shutdown_reason, NULL with WSGI_KEEP */
    apr_time_t next;    /* when to decide again at the latest, 0: only when something happens */
} wsgi_decision_t;

/**
 * Move the limits of one worker by chance within maximum_requests_jitter and restart_interval_jitter, so that workers
 * that started together are not due together.
 * @param chance two numbers from 0 to below 1
 */
void wsgi_policy_scatter(wsgi_group_t *limits, const double chance[2]);

/** @param limits the group; only its times, maximum_requests and threads are read */
wsgi_decision_t wsgi_policy_decide(const wsgi_group_t *limits, const wsgi_activity_t *seen, apr_time_t now);

/**
 * How long a request may take before request-timeout applies: the more threads, the longer, since one stuck thread
 * of many does less harm: timeout x (1 + ln threads). 0: for ever.
 */
apr_interval_time_t wsgi_policy_request_limit(const wsgi_group_t *limits);

/** How long a retired process may go on with what it has. @return microseconds, -1: until it is done */
apr_interval_time_t wsgi_policy_window(const wsgi_group_t *limits, const char *reason);

#endif
