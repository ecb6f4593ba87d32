#ifndef WSGI_SUCCESSION_H
#define WSGI_SUCCESSION_H

#include "base/wsgi_model.h"
#include "daemon/wsgi_proctable.h"

/**
 * Who follows whom among the workers of a group, and when: a pure function of the table, of what became of the workers
 * before, and of the time. The keeper is the only thread that uses it. All times are of the monotonic clock,
 * microseconds; 0 means never.
 */

enum {
    WSGI_SUCCESSION_FIRST_PAUSE = 100000, /* before another try after a failure; doubled up to the last */
    WSGI_SUCCESSION_LAST_PAUSE = 20000000,
    WSGI_SUCCESSION_LAST_SERVING_PAUSE = 1000000, /* if they served: others should not wait for one request */
    WSGI_SUCCESSION_YOUNG = 5000000, /* a worker that lived less long than this died young */
    WSGI_SUCCESSION_SLACK = 1000000  /* beyond the worker's own time-outs before it is killed */
};

typedef struct {
    int wanted;                /* workers that serve at once, but for those that replace others; at least 1 */
    apr_interval_time_t pause; /* 0: the last worker did not fail */
    apr_time_t next_start;     /* no new worker before */
    apr_time_t reload_asked;   /* a worker met a changed script, and none younger is ready; 0: no */
    apr_time_t code_needed;    /* what a template loaded before that is out of date; 0: nothing is */
} wsgi_succession_t;

/** What the death of a worker, or of a template, says about those that follow it. */
typedef enum {
    WSGI_DEATH_DUE,     /* it was told to end, or lived long enough: the next one may start at once */
    WSGI_DEATH_SPARE,   /* a template that there is another for: nothing */
    WSGI_DEATH_REFUSED, /* it would not be ready without a script that others serve: as DUE, and nothing changes */
    WSGI_DEATH_UNREADY, /* it died young, before it served, or serves no requests: the next one may fare no better */
    WSGI_DEATH_SERVING  /* it died young, serving */
} wsgi_death_t;

/**
 * @param proc   in the table, as it was when it died
 * @param status as of waitpid
 */
wsgi_death_t wsgi_succession_judge(const wsgi_succession_t *s, wsgi_proctable_t *table, const wsgi_proc_t *proc,
                                   const wsgi_group_t *group, int status, apr_time_t now);

/** A worker has died so: when may the next one start? */
void wsgi_succession_after(wsgi_succession_t *s, wsgi_death_t death, apr_time_t now);

/** No worker could be started at all: try again after a pause. */
void wsgi_succession_failed(wsgi_succession_t *s, apr_time_t now);

/**
 * How many workers are to be started now. As many as are wanted, if fewer serve or start; of those that serve and are
 * to be replaced one after the other gets its replacement, so that there is never more than one beyond what is wanted.
 * Whoever found a changed script waits for a worker that knows it, though the group be complete with others.
 * With group->stop_first a worker that has not ended yet still counts.
 */
int wsgi_succession_missing(const wsgi_succession_t *s, const wsgi_proctable_t *table, const wsgi_group_t *group,
                            apr_time_t now);

/**
 * @return the replaced worker to be retired next, the oldest first; NULL while the group is not complete without it,
 * or, with group->stop_first, while another one ends or starts
 */
wsgi_proc_t *wsgi_succession_next_to_retire(const wsgi_succession_t *s, wsgi_proctable_t *table,
                                            const wsgi_group_t *group);

/** When a worker that retires now is overdue, 0 never. One that only starts has no requests to finish. */
apr_time_t wsgi_succession_retirement_end(const wsgi_proc_t *proc, const wsgi_group_t *group, const char *reason,
                                          apr_time_t now);

/** When a worker that is told to end without finishing anything is overdue, 0 never. */
apr_time_t wsgi_succession_termination_end(const wsgi_group_t *group, apr_time_t now);

/** A worker found a changed script. Somebody waits: whatever ended the workers before may have been mended. */
void wsgi_succession_ask_reload(wsgi_succession_t *s, const wsgi_proctable_t *table, apr_time_t now);

/** Processes that start from now on are to load the scripts as they are now. */
void wsgi_succession_need_code(wsgi_succession_t *s, apr_time_t now);

/** Nobody can load the scripts as they are now: what is loaded stays good. */
void wsgi_succession_keep_code(wsgi_succession_t *s);

/**
 * The template from which the next worker is to be made. One that is out of date will do for those that are missing
 * while others serve the same old code.
 * @return NULL when there is none
 */
wsgi_proc_t *wsgi_succession_template(const wsgi_succession_t *s, wsgi_proctable_t *table);

/** Whether a worker has the scripts as they are since one was found changed; 0 when none was. */
int wsgi_succession_knows_change(const wsgi_succession_t *s, const wsgi_proc_t *proc);

/** Whether a worker starts that will know of the change that was found, or a template to make it from. */
int wsgi_succession_has_successor(const wsgi_succession_t *s, const wsgi_proctable_t *table);

#endif
