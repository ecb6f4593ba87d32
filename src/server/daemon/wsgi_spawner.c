#include "daemon/wsgi_spawner.h"

#include <errno.h>
#include <unistd.h>

#include "base/wsgi_clock.h"
#include "daemon/wsgi_orders.h"
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

static void be_worker(wsgi_keeper_t *k, int slot, apr_time_t birth, int control)
{
    int others_serve = wsgi_proctable_count(&k->table, WSGI_PROC_READY) > 0;
    wsgi_worker_start_t start = { .plan = k->start->plan,
                                  .endpoint = k->start->endpoint,
                                  .apache = k->start->apache,
                                  .listener = k->start->listener,
                                  .keeper = control,
                                  .slot = slot,
                                  .birth = birth,
                                  .warm = k->warm.scripts,
                                  .warm_count = k->warm.count,
                                  .bridge = k->bridge,
                                  .may_refuse = others_serve && (k->group->reload_fallback_old
                                                                 || k->orders.order != WSGI_ORDER_NONE),
                                  .pprocess = k->pool };

    leave_keeper(k);
    wsgi_worker_run(&start);
}

/* @return the process id of the new worker, whose control socket is `*control`; -1 and errno after a failure */
static pid_t fork_worker(wsgi_keeper_t *k, int slot, apr_time_t birth, int *control)
{
    int pair[2];
    pid_t pid;
    int error;

    if (wsgi_socket_pair(pair) < 0) {
        return -1;
    }
    pid = fork();
    if (pid == 0) {
        close(pair[0]);
        be_worker(k, slot, birth, pair[1]);
    }
    error = errno;
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        errno = error;
        return -1;
    }
    *control = pair[0];
    return pid;
}

void wsgi_spawner_start(wsgi_keeper_t *k)
{
    wsgi_proc_t *proc = wsgi_proctable_free(&k->table);
    int slot = proc != NULL ? wsgi_board_keeper_take(k->board, k->start->endpoint->generation) : -1;
    apr_time_t birth = wsgi_clock_now();
    int control = -1;
    pid_t pid;

    if (slot < 0) { /* as many processes as there can be still finish, maybe of other generations */
        wsgi_board_keeper_sweep(k->board);
        k->succession.next_start = birth + SLOT_PAUSE;
        return;
    }
    pid = fork_worker(k, slot, birth, &control);
    if (pid < 0) {
        wsgi_log(k->log, WSGI_HERE, WSGI_LOG_ALERT, errno,
                 WSGI_LOGNO(0024) "Unable to start a process of daemon process group '%s'; trying again.",
                 k->group->name);
        wsgi_board_keeper_ended(k->board, slot, 0);
        wsgi_succession_failed(&k->succession, wsgi_clock_now());
        return;
    }
    *proc = (wsgi_proc_t){ .state = WSGI_PROC_STARTING, .pid = pid, .slot = slot, .birth = birth };
    wsgi_control_init(&proc->control, control);
    wsgi_board_keeper_started(k->board, slot, pid);
}
