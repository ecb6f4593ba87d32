#include "daemon/wsgi_retire.h"

#include <signal.h>
#include <string.h>

#include "base/wsgi_clock.h"
#include "daemon/wsgi_delivery.h"

void wsgi_retire_signal(const wsgi_proc_t *proc, int signum)
{
    if (proc->pid > 0) { /* 0 would be the whole process group */
        (void)kill(proc->pid, signum);
    }
}

void wsgi_retire_proc(wsgi_keeper_t *k, wsgi_proc_t *proc, const char *reason)
{
    if (proc->state != WSGI_PROC_STARTING && proc->state != WSGI_PROC_READY) {
        return;
    }
    proc->kill_at = wsgi_succession_retirement_end(proc, k->group, reason, wsgi_clock_now());
    proc->state = WSGI_PROC_RETIRING;
    wsgi_board_keeper_state(k->board, proc->slot, WSGI_WORKER_RETIRING);
    if (proc->control.fd < 0
        || wsgi_control_try_send(proc->control.fd, WSGI_CONTROL_RETIRE, reason, (int)strlen(reason)) != APR_SUCCESS) {
        wsgi_retire_signal(proc, SIGTERM); /* it closed its end: it is about to go anyway */
    }
}

void wsgi_retire_template(wsgi_keeper_t *k, wsgi_proc_t *template)
{
    if (template->state == WSGI_PROC_TEMPLATE_STARTING) {
        wsgi_retire_signal(template, SIGTERM); /* it does not listen yet */
    }
    template->kill_at = wsgi_succession_retirement_end(template, k->group, "", wsgi_clock_now());
    template->state = WSGI_PROC_RETIRING;
    wsgi_control_close(&template->control);
}

void wsgi_retire_replaced(wsgi_keeper_t *k)
{
    wsgi_proc_t *proc;

    while ((proc = wsgi_succession_next_to_retire(&k->succession, &k->table, k->group)) != NULL) {
        wsgi_retire_proc(k, proc, proc->reason);
    }
}

void wsgi_retire_kill_overdue(wsgi_keeper_t *k, apr_time_t now)
{
    for (int i = 0; i < k->table.capacity; i++) {
        wsgi_proc_t *proc = &k->table.procs[i];
        if (proc->state != WSGI_PROC_FREE && proc->kill_at != 0 && now >= proc->kill_at) {
            wsgi_log(k->log, WSGI_HERE, WSGI_LOG_WARNING, 0,
                     WSGI_LOGNO(0253) "Process %ld of daemon process group '%s' did not end in its time and is killed.",
                     (long)proc->pid, k->group->name);
            wsgi_retire_signal(proc, SIGKILL);
            proc->kill_at = 0;
            if (proc->pid == 0) {
                wsgi_delivery_on_unborn(k, proc);
            }
        }
    }
}

void wsgi_retire_drain(wsgi_keeper_t *k)
{
    if (k->group->threads == 0) {
        wsgi_retire_terminate(k);
    } else if (!k->is_draining) {
        k->is_draining = 1;
        for (int i = 0; i < k->table.capacity; i++) {
            wsgi_proc_t *proc = &k->table.procs[i];
            if (wsgi_proc_is_template(proc)) {
                wsgi_retire_template(k, proc);
            } else {
                wsgi_retire_proc(k, proc, "graceful_signal");
            }
        }
    }
}

void wsgi_retire_terminate(wsgi_keeper_t *k)
{
    if (k->is_terminating) {
        return;
    }
    k->is_terminating = 1;
    for (int i = 0; i < k->table.capacity; i++) {
        wsgi_proc_t *proc = &k->table.procs[i];
        if (proc->state != WSGI_PROC_FREE) {
            wsgi_retire_signal(proc, SIGTERM);
            proc->kill_at = wsgi_succession_termination_end(k->group, wsgi_clock_now());
        }
    }
}
