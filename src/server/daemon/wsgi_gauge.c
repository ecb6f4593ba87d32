#include "daemon/wsgi_gauge.h"

#include "daemon/wsgi_memory.h"

enum { LOOK_PAUSE = 100000 }; /* microseconds between two looks */

/* ---- maximum-rss ---- */

static int is_replacing(wsgi_keeper_t *k)
{
    return wsgi_proctable_count(&k->table, WSGI_PROC_STARTING) > 0
           || wsgi_proctable_oldest_obsolete(&k->table) != NULL;
}

static void note_memory(wsgi_keeper_t *k, apr_time_t now)
{
    for (int i = 0; i < k->table.capacity; i++) {
        wsgi_proc_t *proc = &k->table.procs[i];
        if (proc->state == WSGI_PROC_READY) {
            wsgi_growth_note(&proc->growth, wsgi_memory_rss(proc->pid), k->gauge.startup, now);
        }
    }
}

static void tell_about_memory(wsgi_keeper_t *k, const wsgi_proc_t *proc)
{
    wsgi_log(k->log, WSGI_HERE, WSGI_LOG_INFO, 0,
             "Process %ld of daemon process group '%s' uses %" APR_INT64_T_FMT " bytes of memory and %" APR_INT64_T_FMT
             " more every second, maximum-rss is %" APR_INT64_T_FMT "; it is replaced.",
             (long)proc->pid, k->group->name, proc->growth.bytes, wsgi_growth_rate(&proc->growth),
             k->group->maximum_rss);
}

/* One worker is replaced, and no other until that is done. */
static void look_at_memory(wsgi_keeper_t *k, apr_time_t now)
{
    wsgi_growth_terms_t terms = { .limit = k->group->maximum_rss,
                                  .load = k->gauge.startup,
                                  .pause = LOOK_PAUSE,
                                  .stop_first = k->group->stop_first };
    const wsgi_growth_t **workers;
    int chosen;

    if (terms.limit == 0) {
        return;
    }
    note_memory(k, now);
    if (is_replacing(k)) {
        return;
    }
    workers = apr_pcalloc(k->scratch, (apr_size_t)k->table.capacity * sizeof(*workers));
    for (int i = 0; i < k->table.capacity; i++) {
        workers[i] = k->table.procs[i].state == WSGI_PROC_READY ? &k->table.procs[i].growth : NULL;
    }
    chosen = wsgi_growth_choose(workers, k->table.capacity, &terms);
    if (chosen >= 0) {
        tell_about_memory(k, &k->table.procs[chosen]);
        wsgi_proc_make_obsolete(&k->table.procs[chosen], "maximum_rss");
    }
}

/* Workers that start together take longer than one alone: a longer time counts at once, a shorter one by and by. */
void wsgi_gauge_started(wsgi_keeper_t *k, wsgi_proc_t *proc, apr_time_t now)
{
    proc->ready = now;
    proc->startup = now - proc->birth;
    k->gauge.startup = proc->startup > k->gauge.startup ? proc->startup : (proc->startup + k->gauge.startup) / 2;
}

void wsgi_gauge_loaded(wsgi_keeper_t *k, wsgi_proc_t *proc, apr_time_t begun, apr_time_t now)
{
    if (proc->ready != 0 && begun >= proc->ready && begun <= now) {
        proc->startup += now - begun;
        k->gauge.startup = proc->startup > k->gauge.startup ? proc->startup : k->gauge.startup;
    }
}

/* ---- minimum-processes, maximum-processes ---- */

static wsgi_sizing_seen_t see_load(wsgi_keeper_t *k)
{
    wsgi_sizing_seen_t seen = { .low = k->group->minimum_processes,
                                .high = k->group->processes,
                                .wanted = k->succession.wanted,
                                .starting = wsgi_proctable_count(&k->table, WSGI_PROC_STARTING),
                                .threads = k->group->threads };
    apr_time_t now = apr_time_now();

    for (int i = 0; i < k->table.capacity; i++) {
        if (k->table.procs[i].state == WSGI_PROC_READY) {
            wsgi_load_t load = wsgi_board_read_load(k->board, k->table.procs[i].slot, k->gauge.last_load);
            seen.ready++;
            seen.busy += load.busy;
            seen.waited = load.waited > seen.waited ? load.waited : seen.waited;
        }
    }
    k->gauge.last_load = now;
    return seen;
}

static void look_at_load(wsgi_keeper_t *k, apr_time_t now)
{
    wsgi_sizing_seen_t seen = see_load(k);
    int wanted = wsgi_sizing_decide(&k->gauge.sizing, &seen, now);

    if (wanted == k->succession.wanted) {
        return;
    }
    wsgi_log(k->log, WSGI_HERE, WSGI_LOG_INFO, 0,
             "Daemon process group '%s' goes from %d to %d processes; %d of %d threads are busy, a request waited for "
             "%.3f seconds.",
             k->group->name, k->succession.wanted, wanted, seen.busy, seen.ready * seen.threads,
             (double)seen.waited / APR_USEC_PER_SEC);
    k->succession.wanted = wanted;
    if (wanted < seen.wanted) {
        wsgi_proc_t *proc = wsgi_proctable_oldest_lasting(&k->table);
        if (proc != NULL) {
            wsgi_proc_make_obsolete(proc, "scale_down");
        }
    }
}

/* ---- both ---- */

void wsgi_gauge_look(wsgi_keeper_t *k, apr_time_t now)
{
    int follows_load = k->group->threads > 0 && k->group->minimum_processes < k->group->processes;

    if ((k->group->maximum_rss == 0 && !follows_load) || k->is_draining || k->is_terminating) {
        k->gauge.next = 0;
        return;
    }
    if (now < k->gauge.next) {
        return;
    }
    k->gauge.next = now + LOOK_PAUSE;
    look_at_memory(k, now);
    if (follows_load) {
        look_at_load(k, now);
    }
}
