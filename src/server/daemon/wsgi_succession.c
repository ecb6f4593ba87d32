#include "daemon/wsgi_succession.h"

#include <sys/wait.h>

#include "daemon/wsgi_policy.h"

/* How long others wait at most after a death; 0: not at all. */
static const apr_interval_time_t last_pause[] = {
    [WSGI_DEATH_DUE] = 0,
    [WSGI_DEATH_REFUSED] = 0,
    [WSGI_DEATH_UNREADY] = WSGI_SUCCESSION_LAST_PAUSE,
    [WSGI_DEATH_SERVING] = WSGI_SUCCESSION_LAST_SERVING_PAUSE
};

static void back_off(wsgi_succession_t *s, apr_interval_time_t last, apr_time_t now)
{
    s->pause = s->pause == 0 ? WSGI_SUCCESSION_FIRST_PAUSE : s->pause * 2 < last ? s->pause * 2 : last;
    s->next_start = now + s->pause;
}

/*
 * A retired worker did what it was told; one that ended in order was told by somebody else, but for the process of a
 * service, whose script ended on its own.
 */
static int was_told(const wsgi_proc_t *proc, const wsgi_group_t *group, int status)
{
    int in_order = proc->state == WSGI_PROC_READY && WIFEXITED(status) && WEXITSTATUS(status) == 0;

    return proc->state == WSGI_PROC_RETIRING || (in_order && group->threads > 0);
}

/* Workers can be made from another template as well. */
static int is_spare(const wsgi_succession_t *s, wsgi_proctable_t *table, const wsgi_proc_t *proc)
{
    const wsgi_proc_t *newest = wsgi_proctable_newest_template(table);

    return proc->state == WSGI_PROC_TEMPLATE_STARTING && newest != NULL && newest->as_of >= s->code_needed;
}

wsgi_death_t wsgi_succession_judge(const wsgi_succession_t *s, wsgi_proctable_t *table, const wsgi_proc_t *proc,
                                   const wsgi_group_t *group, int status, apr_time_t now)
{
    if (is_spare(s, table, proc)) {
        return WSGI_DEATH_SPARE;
    }
    if (wsgi_proc_is_starting(proc) && wsgi_succession_knows_change(s, proc) && WIFEXITED(status)
        && WEXITSTATUS(status) == WSGI_WORKER_REFUSED) {
        return WSGI_DEATH_REFUSED;
    }
    if (now - proc->birth >= WSGI_SUCCESSION_YOUNG || was_told(proc, group, status)) {
        return WSGI_DEATH_DUE;
    }
    return wsgi_proc_is_starting(proc) || group->threads == 0 ? WSGI_DEATH_UNREADY : WSGI_DEATH_SERVING;
}

void wsgi_succession_after(wsgi_succession_t *s, wsgi_death_t death, apr_time_t now)
{
    if (death == WSGI_DEATH_SPARE) {
        return;
    }
    if (last_pause[death] == 0) {
        s->pause = 0;
        s->next_start = 0;
    } else {
        back_off(s, last_pause[death], now);
    }
}

void wsgi_succession_failed(wsgi_succession_t *s, apr_time_t now)
{
    back_off(s, WSGI_SUCCESSION_LAST_PAUSE, now);
}

/* Of those that serve, some are to be replaced, and no replacement starts yet. */
static int has_waiting(const wsgi_proctable_t *table, int wanted)
{
    int starting = wsgi_proctable_count_lasting(table, WSGI_PROC_STARTING);

    return starting == 0 && wsgi_proctable_count_lasting(table, WSGI_PROC_READY) < wanted;
}

int wsgi_succession_missing(const wsgi_succession_t *s, const wsgi_proctable_t *table, const wsgi_group_t *group,
                            apr_time_t now)
{
    int alive = wsgi_proctable_count(table, WSGI_PROC_READY) + wsgi_proctable_count(table, WSGI_PROC_STARTING);

    if (now < s->next_start) {
        return 0;
    }
    if (group->stop_first) {
        alive += wsgi_proctable_count(table, WSGI_PROC_RETIRING);
        return alive < s->wanted ? s->wanted - alive : 0;
    }
    if (alive < s->wanted) {
        return s->wanted - alive;
    }
    return has_waiting(table, s->wanted) || (s->reload_asked != 0 && !wsgi_succession_has_successor(s, table));
}

wsgi_proc_t *wsgi_succession_next_to_retire(const wsgi_succession_t *s, wsgi_proctable_t *table,
                                            const wsgi_group_t *group)
{
    int ready = wsgi_proctable_count(table, WSGI_PROC_READY);
    int is_settled = wsgi_proctable_count(table, WSGI_PROC_RETIRING) == 0
                     && wsgi_proctable_count(table, WSGI_PROC_STARTING) == 0;

    if (ready > s->wanted || (group->stop_first && is_settled && ready == s->wanted)) {
        return wsgi_proctable_oldest_obsolete(table);
    }
    return NULL;
}

apr_time_t wsgi_succession_retirement_end(const wsgi_proc_t *proc, const wsgi_group_t *group, const char *reason,
                                          apr_time_t now)
{
    apr_interval_time_t window = proc->state != WSGI_PROC_READY ? 0 : wsgi_policy_window(group, reason);

    if (window < 0 || group->shutdown_timeout == 0) {
        return 0;
    }
    return now + window + group->shutdown_timeout + WSGI_SUCCESSION_SLACK;
}

apr_time_t wsgi_succession_termination_end(const wsgi_group_t *group, apr_time_t now)
{
    return group->shutdown_timeout > 0 ? now + group->shutdown_timeout + WSGI_SUCCESSION_SLACK : 0;
}

void wsgi_succession_ask_reload(wsgi_succession_t *s, const wsgi_proctable_t *table, apr_time_t now)
{
    if (s->reload_asked == 0) {
        s->reload_asked = now;
        wsgi_succession_need_code(s, now);
    }
    if (!wsgi_succession_has_successor(s, table)) {
        s->next_start = 0;
    }
}

void wsgi_succession_need_code(wsgi_succession_t *s, apr_time_t now)
{
    s->code_needed = now;
}

void wsgi_succession_keep_code(wsgi_succession_t *s)
{
    s->code_needed = 0;
}

wsgi_proc_t *wsgi_succession_template(const wsgi_succession_t *s, wsgi_proctable_t *table)
{
    wsgi_proc_t *newest = wsgi_proctable_newest_template(table);
    int alive = wsgi_proctable_count(table, WSGI_PROC_READY) + wsgi_proctable_count(table, WSGI_PROC_STARTING);

    if (newest == NULL || newest->as_of >= s->code_needed || (s->reload_asked != 0 && alive < s->wanted)) {
        return newest;
    }
    return NULL;
}

int wsgi_succession_knows_change(const wsgi_succession_t *s, const wsgi_proc_t *proc)
{
    return s->reload_asked != 0 && proc->as_of >= s->reload_asked;
}

int wsgi_succession_has_successor(const wsgi_succession_t *s, const wsgi_proctable_t *table)
{
    for (int i = 0; i < table->capacity; i++) {
        const wsgi_proc_t *proc = &table->procs[i];
        if (wsgi_proc_is_starting(proc) && wsgi_succession_knows_change(s, proc)) {
            return 1;
        }
    }
    return 0;
}
