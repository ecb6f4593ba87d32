#include "daemon/wsgi_reaper.h"

#include <sys/wait.h>

#include "base/wsgi_clock.h"
#include "base/wsgi_exitstatus.h"
#include "daemon/wsgi_delivery.h"
#include "daemon/wsgi_orders.h"
#include "daemon/wsgi_renewal.h"

/* Of a single early death there is nothing to tell beyond that it happened. */
static void report_pause(const wsgi_keeper_t *k, int status)
{
    if (k->succession.pause > WSGI_SUCCESSION_FIRST_PAUSE) {
        wsgi_log(k->log, WSGI_HERE, WSGI_LOG_ERR, 0,
                 WSGI_LOGNO(0252) "Processes of daemon process group '%s' end soon after their start (the last one "
                                  "%s); the next one is started in %.1f seconds.",
                 k->group->name, wsgi_exit_describe(status, k->scratch),
                 (double)k->succession.pause / APR_USEC_PER_SEC);
    }
}

/* Its death may be noticed before the last that it said is read: why a script could not be loaded. */
static void hear_last_words(wsgi_keeper_t *k, wsgi_proc_t *proc)
{
    wsgi_control_message_t message;

    while (proc->control.fd >= 0 && wsgi_control_next(&proc->control, &message) > 0) {
        if (message.type == WSGI_CONTROL_FAILED) {
            wsgi_orders_note_trouble(k, message.text);
        }
    }
}

static void on_death(wsgi_keeper_t *k, wsgi_proc_t *proc, int status)
{
    apr_time_t now = wsgi_clock_now();
    wsgi_death_t death = wsgi_succession_judge(&k->succession, &k->table, proc, k->group, status, now);
    int was_starting = wsgi_proc_is_starting(proc);
    int is_ordered = k->orders.order != WSGI_ORDER_NONE && was_starting;
    int was_successor = was_starting && wsgi_succession_knows_change(&k->succession, proc);

    wsgi_log(k->log, WSGI_HERE, WSGI_LOG_INFO, 0, "Process %ld of daemon process group '%s' %s.", (long)proc->pid,
             k->group->name, wsgi_exit_describe(status, k->scratch));
    hear_last_words(k, proc);
    wsgi_board_keeper_ended(k->board, proc->slot, status);
    wsgi_control_close(&proc->control);
    proc->state = WSGI_PROC_FREE;
    if (k->is_draining || k->is_terminating) {
        return;
    }
    if (was_successor && !wsgi_succession_has_successor(&k->succession, &k->table)) {
        wsgi_renewal_give_up(k, death == WSGI_DEATH_REFUSED || is_ordered);
    }
    if (is_ordered) {
        wsgi_orders_on_failure(k, status);
    }
    wsgi_succession_after(&k->succession, death, now);
    report_pause(k, status);
}

void wsgi_reaper_collect(wsgi_keeper_t *k)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        wsgi_proc_t *proc = wsgi_proctable_find(&k->table, pid);
        proc = proc != NULL ? proc : wsgi_delivery_find(k, pid);
        if (proc != NULL) { /* else a child that some library made, or that a worker left */
            on_death(k, proc, status);
        }
    }
}
