#include "daemon/wsgi_spawner.h"

#include <errno.h>
#include <unistd.h>

#include "base/wsgi_clock.h"
#include "daemon/wsgi_delivery.h"
#include "daemon/wsgi_orders.h"
#include "daemon/wsgi_template.h"
#include "daemon/wsgi_worker.h"
#include "wire/wsgi_socket.h"

enum { SLOT_PAUSE = 100000 }; /* microseconds before another look for a free slot */

/* In a new worker: what only the keeper may hold. */
static void leave_keeper(wsgi_keeper_t *k)
{
    for (int i = 0; i < k->table.capacity; i++) {
        if (k->table.procs[i].state != WSGI_PROC_FREE) {
            wsgi_control_close(&k->table.procs[i].control);
        }
    }
    wsgi_control_close(&k->parent);
    wsgi_orders_leave(k);
    close(k->start->life_line);
}

static int may_refuse(wsgi_keeper_t *k)
{
    int others_serve = wsgi_proctable_count(&k->table, WSGI_PROC_READY) > 0;

    return others_serve && (k->group->reload_fallback_old || k->orders.order != WSGI_ORDER_NONE);
}

/* In the new process. */
static void be_process(wsgi_keeper_t *k, const wsgi_proc_t *proc, int control)
{
    wsgi_worker_start_t start = { .plan = k->start->plan,
                                  .endpoint = k->start->endpoint,
                                  .apache = k->start->apache,
                                  .listener = k->start->listener,
                                  .keeper = control,
                                  .slot = proc->slot,
                                  .birth = proc->birth,
                                  .as_of = proc->as_of,
                                  .warm = k->warm.scripts,
                                  .warm_count = k->warm.count,
                                  .bridge = k->bridge,
                                  .is_template = proc->state == WSGI_PROC_TEMPLATE_STARTING,
                                  .may_refuse = may_refuse(k),
                                  .pprocess = k->pool };

    leave_keeper(k);
    if (start.is_template) {
        wsgi_template_run(&start);
    }
    wsgi_worker_run(&start);
}

/* `proc`, which is not in the table yet, gets process id and control socket. @return 0, or -1 and errno */
static int fork_process(wsgi_keeper_t *k, wsgi_proc_t *proc)
{
    int pair[2], error;

    if (wsgi_socket_pair(pair) < 0) {
        return -1;
    }
    proc->pid = fork();
    if (proc->pid == 0) {
        close(pair[0]);
        be_process(k, proc, pair[1]);
    }
    error = errno;
    close(pair[1]);
    if (proc->pid < 0) {
        close(pair[0]);
        errno = error;
        return -1;
    }
    wsgi_control_init(&proc->control, pair[0]);
    return 0;
}

static int ask_template(wsgi_keeper_t *k, const wsgi_proc_t *template, wsgi_proc_t *proc)
{
    wsgi_template_order_t order = { .birth = proc->birth, .slot = proc->slot, .may_refuse = may_refuse(k) };
    int control;

    if (wsgi_delivery_ask(template, &order, &control) < 0) {
        return -1;
    }
    proc->as_of = template->as_of;
    proc->warm = template->warm;
    wsgi_control_init(&proc->control, control);
    return 0;
}

static void report_failure(wsgi_keeper_t *k)
{
    wsgi_log(k->log, WSGI_HERE, WSGI_LOG_ALERT, errno,
             WSGI_LOGNO(0024) "Unable to start a process of daemon process group '%s'; trying again.", k->group->name);
    wsgi_succession_failed(&k->succession, wsgi_clock_now());
}

void wsgi_spawner_start_template(wsgi_keeper_t *k)
{
    wsgi_proc_t *place = wsgi_proctable_free(&k->table);
    apr_time_t birth = wsgi_clock_now();
    wsgi_proc_t proc = { .state = WSGI_PROC_TEMPLATE_STARTING,
                         .slot = -1,
                         .birth = birth,
                         .as_of = birth,
                         .warm = k->warm.count };

    if (place == NULL) { /* others have still to end */
        k->succession.next_start = birth + SLOT_PAUSE;
    } else if (fork_process(k, &proc) < 0) {
        report_failure(k);
    } else {
        *place = proc;
    }
}

void wsgi_spawner_start(wsgi_keeper_t *k)
{
    const wsgi_proc_t *template = k->preloads ? wsgi_succession_template(&k->succession, &k->table) : NULL;
    apr_time_t birth = wsgi_clock_now();
    wsgi_proc_t proc = { .state = WSGI_PROC_STARTING, .birth = birth, .as_of = birth, .warm = k->warm.count };
    wsgi_proc_t *place;

    place = wsgi_proctable_free(&k->table);
    proc.slot = place != NULL ? wsgi_board_keeper_take(k->board, k->start->endpoint->generation) : -1;
    if (proc.slot < 0) { /* as many processes as there can be still finish, maybe of other generations */
        wsgi_board_keeper_sweep(k->board);
        k->succession.next_start = birth + SLOT_PAUSE;
        return;
    }
    if ((template != NULL ? ask_template(k, template, &proc) : fork_process(k, &proc)) < 0) {
        report_failure(k);
        wsgi_board_keeper_ended(k->board, proc.slot, 0);
        return;
    }
    *place = proc;
    wsgi_board_keeper_started(k->board, proc.slot, proc.pid);
}
