#ifndef WSGI_PROCTABLE_H
#define WSGI_PROCTABLE_H

#include <sys/types.h>

#include "daemon/wsgi_control.h"
#include "daemon/wsgi_growth.h"
#include "daemon/wsgi_warm.h"

/**
 * The workers that a keeper has: plain data and questions about it, no system call and no clock. The keeper is the only
 * thread that uses it. All times are of the monotonic clock, microseconds.
 */

typedef enum {
    WSGI_PROC_FREE,
    WSGI_PROC_STARTING,
    WSGI_PROC_READY,
    WSGI_PROC_RETIRING,         /* also templates that are to end */
    WSGI_PROC_TEMPLATE_STARTING,
    WSGI_PROC_TEMPLATE          /* workers can be made from it */
} wsgi_proc_state_t;

typedef struct {
    wsgi_proc_state_t state;
    pid_t pid;          /* 0: a template was asked for it and it has not said yet */
    int slot;           /* on the board; -1: a template, which has none */
    wsgi_control_t control;
    apr_time_t birth;
    apr_time_t as_of;   /* none of its scripts was loaded before: birth, or that of the template it was made from */
    int warm;           /* it knows the warm scripts up to this one */
    apr_time_t ready;   /* since, 0: not yet */
    apr_interval_time_t startup; /* until it was ready, and to load what it loaded later */
    apr_time_t kill_at; /* 0: never */
    wsgi_version_t versions[WSGI_WARM_SCRIPTS]; /* of each warm script that it has answered with */
    wsgi_growth_t growth; /* of its memory, if the group has a limit */
    int is_closed;      /* said that it accepts nothing more */
    int is_obsolete;    /* to be retired once there are enough others */
    char reason[64];    /* why */
} wsgi_proc_t;

typedef struct {
    wsgi_proc_t *procs;
    int capacity;
} wsgi_proctable_t;

/** @param capacity the most workers there can be at once, all of them free at first */
void wsgi_proctable_init(wsgi_proctable_t *table, int capacity, apr_pool_t *pool);

int wsgi_proctable_count(const wsgi_proctable_t *table, wsgi_proc_state_t state);

/** Those in that state that need no replacement. */
int wsgi_proctable_count_lasting(const wsgi_proctable_t *table, wsgi_proc_state_t state);

int wsgi_proctable_is_empty(const wsgi_proctable_t *table);

/** @return a free entry, NULL when there is none */
wsgi_proc_t *wsgi_proctable_free(wsgi_proctable_t *table);

/** @return the worker with this process id, NULL when it is none */
wsgi_proc_t *wsgi_proctable_find(wsgi_proctable_t *table, pid_t pid);

/** @return of the obsolete workers that serve the one with the earliest birth, NULL when there is none */
wsgi_proc_t *wsgi_proctable_oldest_obsolete(wsgi_proctable_t *table);

/** @return of the workers that serve and last the one with the earliest birth, NULL when there is none */
wsgi_proc_t *wsgi_proctable_oldest_lasting(wsgi_proctable_t *table);

/** Whether it has not loaded yet what it should, as a worker or as a template. */
int wsgi_proc_is_starting(const wsgi_proc_t *proc);

/** Whether it is a template that starts or is ready. */
int wsgi_proc_is_template(const wsgi_proc_t *proc);

/** @return the template that is ready, and was made last, NULL when there is none */
wsgi_proc_t *wsgi_proctable_newest_template(wsgi_proctable_t *table);

/** @return the earliest time at which a worker is overdue, 0 never */
apr_time_t wsgi_proctable_next_kill(const wsgi_proctable_t *table);

/** A worker that serves is to be replaced. The first reason stays. */
void wsgi_proc_make_obsolete(wsgi_proc_t *proc, const char *reason);

/**
 * `proc` has just told which version of a script it has loaded: of any two workers with different versions the one that
 * loaded it first becomes obsolete.
 */
void wsgi_proctable_compare_versions(wsgi_proctable_t *table, wsgi_proc_t *proc, int script, const char *reason);

#endif
