#include "daemon/wsgi_gauge.h"

#include "daemon/wsgi_memory.h"

enum { LOOK_PAUSE = 100000 }; /* microseconds between two looks */

/* ---- maximum-rss ---- */

static int is_replacing(wsgi_keeper_t *k)
{
    return wsgi_proctable_count(&k->table, WSGI_PROC_STARTING) > 0
           || wsgi_proctable_oldest_obsolete(&k->table) != NULL;
}

/* The worker that uses most beyond the limit is replaced, and no other until that is done. */
static void look_at_memory(wsgi_keeper_t *k)
{
    apr_int64_t most = k->group->maximum_rss;
    wsgi_proc_t *largest = NULL;

    if (most == 0 || is_replacing(k)) {
        return;
    }
    for (int i = 0; i < k->table.capacity; i++) {
        wsgi_proc_t *proc = &k->table.procs[i];
        apr_int64_t rss = proc->state == WSGI_PROC_READY ? wsgi_memory_rss(proc->pid) : 0;
        if (rss > most) {
            most = rss;
            largest = proc;
        }
    }
    if (largest != NULL) {
        wsgi_log(k->log, WSGI_HERE, WSGI_LOG_INFO, 0,
                 "Process %ld of daemon process group '%s' uses %" APR_INT64_T_FMT " bytes of memory, maximum-rss is %"
                 APR_INT64_T_FMT "; it is replaced.",
                 (long)largest->pid, k->group->name, most, k->group->maximum_rss);
        wsgi_proc_make_obsolete(largest, "maximum_rss");
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
    look_at_memory(k);
    if (follows_load) {
        look_at_load(k, now);
    }
}
