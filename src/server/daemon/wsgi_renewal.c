#include "daemon/wsgi_renewal.h"

#include <string.h>

#include "base/wsgi_clock.h"
#include "daemon/wsgi_gauge.h"
#include "daemon/wsgi_retire.h"

static const char script_reload[] = "script_reload"; /* reason, as it goes over the control socket */

/*
 * A worker that knows the changed scripts is ready: those that do not accept nothing more from this moment. The board
 * says so to requests that wait in them, and must say it of nobody who is not retired here.
 */
static void finish_reload(wsgi_keeper_t *k)
{
    wsgi_board_keeper_fresh(k->board, k->succession.reload_asked);
    for (int i = 0; i < k->table.capacity; i++) {
        if (!wsgi_succession_knows_change(&k->succession, &k->table.procs[i])) {
            wsgi_retire_proc(k, &k->table.procs[i], script_reload);
        }
    }
    k->succession.reload_asked = 0;
}

void wsgi_renewal_give_up(wsgi_keeper_t *k, int is_refused)
{
    const char *text = is_refused ? "refused" : "";

    for (int i = 0; i < k->table.capacity; i++) {
        wsgi_proc_t *proc = &k->table.procs[i];
        if (proc->state == WSGI_PROC_READY && proc->control.fd >= 0) { /* if it fails, the request waits its time */
            (void)wsgi_control_try_send(proc->control.fd, WSGI_CONTROL_NO_SUCCESSOR, text, (int)strlen(text));
        }
        if (is_refused && proc->is_obsolete && strcmp(proc->reason, script_reload) == 0) {
            proc->is_obsolete = 0;
        }
    }
    if (is_refused) {
        k->succession.reload_asked = 0;
        wsgi_succession_keep_code(&k->succession);
    }
}

/*
 * What others of the group answer with is loaded by this one as well: its own first request would have to wait for
 * that, and might come when the file cannot be loaded any more.
 */
static void spread_scripts(wsgi_keeper_t *k, wsgi_proc_t *proc)
{
    for (; proc->warm < k->warm.count; proc->warm++) {
        const wsgi_warm_script_t *warm = &k->warm.scripts[proc->warm];
        wsgi_report_t report = { .application_group = warm->application_group, .script = warm->script };
        char text[WSGI_CONTROL_TEXT];
        int len = wsgi_warm_encode(text, &report);
        if (proc->versions[proc->warm].when == 0 && len > 0) { /* a failure is no worse than not to have tried */
            (void)wsgi_control_try_send(proc->control.fd, WSGI_CONTROL_LOAD, text, len);
        }
    }
}

static void spread_to_all(wsgi_keeper_t *k)
{
    for (int i = 0; i < k->table.capacity; i++) {
        wsgi_proc_t *proc = &k->table.procs[i];
        if (proc->state == WSGI_PROC_READY && k->group->threads > 0) {
            spread_scripts(k, proc);
        }
    }
}

void wsgi_renewal_on_ready(wsgi_keeper_t *k, wsgi_proc_t *proc)
{
    if (proc->state != WSGI_PROC_STARTING) {
        return;
    }
    proc->state = WSGI_PROC_READY;
    wsgi_gauge_started(k, proc, wsgi_clock_now());
    wsgi_board_keeper_state(k->board, proc->slot, WSGI_WORKER_READY);
    if (wsgi_board_read_generation_ready(k->board) < k->start->endpoint->generation) {
        wsgi_board_keeper_fresh(k->board, k->begun); /* no worker of a generation before needs a replacement now */
        wsgi_board_keeper_generation_ready(k->board, k->start->endpoint->generation);
    }
    if (wsgi_succession_knows_change(&k->succession, proc)) {
        finish_reload(k);
    }
    wsgi_retire_replaced(k);
    if (k->group->threads > 0) {
        (void)wsgi_control_try_send(proc->control.fd, WSGI_CONTROL_SERVE, "", 0); /* a failure shows as its death */
        spread_scripts(k, proc);
    }
}

/*
 * A worker whose first request for a script came after a change serves the new code; those with the old one, which
 * may get no request soon by which they would notice, are replaced one by one.
 */
void wsgi_renewal_on_loaded(wsgi_keeper_t *k, wsgi_proc_t *proc, const wsgi_control_message_t *message)
{
    wsgi_report_t report;
    int index, known = k->warm.count;

    if (!wsgi_warm_decode(&report, message)) {
        return;
    }
    wsgi_board_keeper_remember(k->board, k->start->endpoint->generation, report.application_group, report.script);
    index = wsgi_warm_add(&k->warm, report.application_group, report.script);
    if (index >= 0) {
        proc->versions[index] = report.version;
        if (index >= known) { /* else it may have been loaded long before the request that it answers now */
            wsgi_gauge_loaded(k, proc, (apr_time_t)report.version.when, wsgi_clock_now());
        }
        wsgi_proctable_compare_versions(&k->table, proc, index, script_reload);
        spread_to_all(k);
    }
}

void wsgi_renewal_reload(wsgi_keeper_t *k)
{
    wsgi_succession_ask_reload(&k->succession, &k->table, wsgi_clock_now());
    if (k->group->stop_first) {
        finish_reload(k); /* they hand their requests back, which wait for the ones that start when they have ended */
    }
}

void wsgi_renewal_on_replace(wsgi_keeper_t *k, wsgi_proc_t *proc, const char *reason)
{
    if (proc->state != WSGI_PROC_READY) {
        return;
    }
    wsgi_proc_make_obsolete(proc, reason);
    if (strcmp(reason, script_reload) == 0) {
        wsgi_renewal_reload(k);
    }
}
