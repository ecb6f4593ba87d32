#include "daemon/wsgi_keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "base/wsgi_clock.h"
#include "base/wsgi_loader.h"
#include "daemon/wsgi_child.h"
#include "daemon/wsgi_delivery.h"
#include "daemon/wsgi_gauge.h"
#include "daemon/wsgi_keeperstate.h"
#include "daemon/wsgi_orders.h"
#include "daemon/wsgi_reaper.h"
#include "daemon/wsgi_renewal.h"
#include "daemon/wsgi_retire.h"
#include "daemon/wsgi_spawner.h"
#include "daemon/wsgi_templates.h"

enum { /* of what is waited for */
    ORDERS_FDS = 3,
    KEEPER_FDS = ORDERS_FDS + WSGI_ORDERS_FDS /* workers follow */
};

enum { /* times in microseconds */
    MESSAGES = 64,            /* of one worker in one turn of the loop */
    SUPERSEDED_LOOK = 50000,  /* between two looks at what another generation does */
    SETTLE = 100000,          /* before the first worker, while an older generation serves; see begin() */
    WORD_PATIENCE = 30000000, /* for the parent's word about a next generation, in which this module may be missing */
    SERVICE_PATIENCE = 5000000 /* how long a service waits for the one of the generation before to end */
};

/* ---- what others say ---- */

static void read_signals(wsgi_keeper_t *k)
{
    int signum;

    while ((signum = wsgi_signals_next(&k->signals)) >= 0) {
        if (signum == SIGTERM || signum == SIGINT) {
            wsgi_retire_terminate(k);
        }
    }
}

static void read_parent(wsgi_keeper_t *k)
{
    wsgi_control_message_t message;
    int got;

    while ((got = wsgi_control_next(&k->parent, &message)) > 0) {
        if (message.type == WSGI_CONTROL_SUPERSEDED && k->group->threads == 0) {
            wsgi_retire_terminate(k); /* a service is not told to finish: its script knows no such thing */
        } else if (message.type == WSGI_CONTROL_SUPERSEDED) {
            k->is_superseded = 1;
        } else if (message.type == WSGI_CONTROL_ABANDONED) {
            k->is_abandoned = 1;
        } else if (message.type == WSGI_CONTROL_TERMINATE) {
            wsgi_retire_terminate(k);
        }
    }
    if (got < 0) { /* Apache's parent is gone: its children are what the life line tells about */
        wsgi_control_close(&k->parent);
    }
}

static void read_worker(wsgi_keeper_t *k, wsgi_proc_t *proc)
{
    wsgi_control_message_t message;
    int got = 0, limit = MESSAGES; /* one that never stops talking must not keep us from the others */

    while (limit-- > 0 && (got = wsgi_control_next(&proc->control, &message)) > 0) {
        switch (message.type) {
        case WSGI_CONTROL_BORN:
            wsgi_delivery_on_born(k, proc, &message);
            break;
        case WSGI_CONTROL_READY:
            if (proc->state == WSGI_PROC_TEMPLATE_STARTING) {
                wsgi_templates_on_ready(k, proc);
            } else {
                wsgi_renewal_on_ready(k, proc);
                wsgi_orders_on_ready(k, proc);
            }
            break;
        case WSGI_CONTROL_LOADED:
            wsgi_renewal_on_loaded(k, proc, &message);
            break;
        case WSGI_CONTROL_FAILED:
            wsgi_orders_note_trouble(k, message.text);
            break;
        case WSGI_CONTROL_REPLACE:
            wsgi_renewal_on_replace(k, proc, message.text);
            break;
        case WSGI_CONTROL_CLOSED:
            proc->is_closed = 1;
            break;
        default: /* nothing a worker may say */
            break;
        }
    }
    if (got < 0 && proc->pid == 0) {
        wsgi_delivery_on_unborn(k, proc);
    } else if (got < 0) {
        wsgi_control_close(&proc->control); /* its death, which is on its way, is what counts */
    }
}

/* ---- what follows ---- */

/* A service may hold what its successor needs, such as a port: it starts when the one before it has ended. */
static int must_wait_for_service(wsgi_keeper_t *k, apr_time_t now)
{
    if (k->group->threads > 0 || now >= k->begun + SERVICE_PATIENCE
        || !wsgi_board_read_older(k->board, k->start->endpoint->generation, 0)) {
        return 0;
    }
    k->succession.next_start = now + SUPERSEDED_LOOK;
    return 1;
}

/* Have as many workers as there should be. */
static void complete(wsgi_keeper_t *k, apr_time_t now)
{
    int missing;

    if (k->is_draining || k->is_terminating || now < k->succession.next_start || must_wait_for_service(k, now)) {
        return;
    }
    wsgi_templates_complete(k, now);
    missing = wsgi_succession_missing(&k->succession, &k->table, k->group, now);
    while (missing-- > 0 && now >= k->succession.next_start) {
        if (wsgi_templates_are_lacking(k)) {
            wsgi_templates_need(k);
            return;
        }
        wsgi_spawner_start(k);
    }
}

/*
 * Another generation is to take the place of this one: go when it is ready. Or at once, when this one is not ready
 * itself and an older one still serves: restarts may follow each other faster than an application is imported.
 */
static void look_at_generations(wsgi_keeper_t *k)
{
    int generation = k->start->endpoint->generation;

    if (!k->is_superseded || k->is_draining) {
        return;
    }
    if (wsgi_board_read_generation_ready(k->board) > generation
        || (wsgi_proctable_count(&k->table, WSGI_PROC_READY) == 0
            && wsgi_board_read_older(k->board, generation, 1))) {
        wsgi_retire_drain(k);
    }
}

/*
 * When nobody of this generation is left, there may be a next one. Its children come to this keeper's workers until its
 * own are ready, and so does the parent's word about it later than the end of the last old child.
 */
static void look_at_clients(wsgi_keeper_t *k, apr_time_t now)
{
    int is_last = k->parent.fd < 0 || k->is_abandoned
                  || (!k->is_superseded && k->alone != 0 && now >= k->alone + WORD_PATIENCE);

    if (k->alone != 0 && is_last) {
        wsgi_retire_drain(k);
    }
}

/* ---- the loop ---- */

/* What there is to do without anybody saying so, at its time; 0: nothing. */
static int pause_ms(const wsgi_keeper_t *k, apr_time_t now)
{
    apr_time_t due[] = {
        k->succession.next_start > now ? k->succession.next_start : 0,
        wsgi_proctable_next_kill(&k->table),
        k->is_superseded && !k->is_draining ? now + SUPERSEDED_LOOK : 0,
        !k->is_superseded && k->alone != 0 && !k->is_draining ? k->alone + WORD_PATIENCE : 0,
        k->gauge.next,
    };
    apr_time_t next = 0;

    for (size_t i = 0; i < sizeof(due) / sizeof(due[0]); i++) {
        if (due[i] != 0 && (next == 0 || due[i] < next)) {
            next = due[i];
        }
    }
    return next == 0 ? -1 : wsgi_clock_poll_ms(next);
}

static void wait_and_handle(wsgi_keeper_t *k, struct pollfd *fds, int *life_line)
{
    int n = KEEPER_FDS, ms = pause_ms(k, wsgi_clock_now());

    fds[0] = (struct pollfd){ .fd = k->signals.control, .events = POLLIN };
    fds[1] = (struct pollfd){ .fd = k->parent.fd, .events = POLLIN };
    fds[2] = (struct pollfd){ .fd = *life_line, .events = POLLIN };
    wsgi_orders_poll(k, fds + ORDERS_FDS);
    for (int i = 0; i < k->table.capacity; i++, n++) {
        const wsgi_proc_t *proc = &k->table.procs[i];
        fds[n] = (struct pollfd){ .fd = proc->state != WSGI_PROC_FREE ? proc->control.fd : -1, .events = POLLIN };
    }
    if (poll(fds, (nfds_t)n, ms) < 0) {
        return; /* EINTR: the handler wrote to a pipe */
    }
    if (fds[0].revents) {
        read_signals(k);
    }
    if (fds[1].revents) {
        read_parent(k);
    }
    if (fds[2].revents) {
        *life_line = -1;
        k->alone = wsgi_clock_now();
    }
    wsgi_orders_serve(k, fds + ORDERS_FDS);
    for (int i = 0; i < k->table.capacity; i++) {
        if (fds[KEEPER_FDS + i].revents && k->table.procs[i].state != WSGI_PROC_FREE) {
            read_worker(k, &k->table.procs[i]);
        }
    }
}

static void keep(wsgi_keeper_t *k)
{
    struct pollfd *fds = apr_pcalloc(k->pool, (apr_size_t)(k->table.capacity + KEEPER_FDS) * sizeof(*fds));
    int life_line = k->start->life_line;

    read_parent(k); /* it may have changed its mind while this process was made */
    for (;;) {
        apr_time_t now;
        apr_pool_clear(k->scratch);
        wsgi_reaper_collect(k);
        look_at_generations(k);
        if ((k->is_draining || k->is_terminating) && wsgi_proctable_is_empty(&k->table)) {
            return;
        }
        now = wsgi_clock_now();
        look_at_clients(k, now);
        wsgi_retire_kill_overdue(k, now);
        wsgi_gauge_look(k, now);
        wsgi_retire_replaced(k);
        wsgi_orders_look(k);
        complete(k, now);
        wait_and_handle(k, fds, &life_line);
    }
}

/*
 * While an older generation serves there is no hurry. If the next restart follows at once, as when a script changes
 * many things one by one, this keeper ends before it has started a worker for nothing.
 */
static void begin(wsgi_keeper_t *k)
{
    k->begun = wsgi_clock_now();
    wsgi_board_keeper_sweep(k->board);
    /* So that the first requests after a graceful restart need not wait until their script is imported. */
    wsgi_warm_inherit(&k->warm, k->board, k->start->endpoint->generation);
    if (wsgi_board_read_older(k->board, k->start->endpoint->generation, 1)) {
        k->succession.next_start = k->begun + SETTLE;
    }
}

/*
 * In another root directory mod_wsgi.so and what lies beside it are out of sight, so the bridge of the default Python
 * is opened before. This process is still root: nothing is opened that a python-home= could lead to. A failure is for
 * the workers to report, which look for it once more.
 */
static void open_bridge_outside(wsgi_keeper_t *k)
{
    const char *why;

    if (k->group->chroot != NULL && k->start->plan->settings->python_home == NULL) {
        (void)wsgi_loader_open(&k->bridge, &why, NULL, k->pool);
    }
}

/* @return 0 after logging why the process must end */
static int set_up(wsgi_keeper_t *k)
{
    (void)setpgid(0, 0); /* a signal for Apache's group, such as Ctrl-C, reaches us through the parent, in order */
    wsgi_signals_reset();
    if (wsgi_signals_open_keeper(&k->signals) < 0) {
        wsgi_log(k->log, WSGI_HERE, WSGI_LOG_ALERT, errno,
                 WSGI_LOGNO(0254) "Unable to set up signals in the keeper of daemon process group '%s', which ends.",
                 k->group->name);
        return 0;
    }
    open_bridge_outside(k);
    if (!wsgi_child_take_identity(k->group, k->start->apache)) {
        wsgi_log(k->log, WSGI_HERE, WSGI_LOG_ALERT, 0,
                 WSGI_LOGNO(0025) "The keeper of daemon process group '%s' could not be set up and ends; another will "
                                  "be started later.",
                 k->group->name);
        return 0;
    }
    return 1;
}

void wsgi_keeper_run(const wsgi_keeper_start_t *start)
{
    wsgi_keeper_t *k;
    apr_pool_t *pool, *scratch;

    apr_pool_create(&pool, NULL);
    apr_pool_create(&scratch, pool);
    k = apr_pcalloc(pool, sizeof(*k));
    k->start = start;
    k->group = start->plan->group;
    k->log = &start->apache->log;
    k->board = start->endpoint->board;
    k->pool = pool;
    k->warm.pool = pool;
    k->scratch = scratch;
    k->succession.wanted = k->group->minimum_processes;
    wsgi_proctable_init(&k->table, wsgi_board_slots(k->board) + WSGI_TEMPLATES, pool);
    wsgi_control_init(&k->parent, start->parent);
    wsgi_orders_init(k);
    if (!set_up(k)) {
        _exit(1);
    }
    wsgi_templates_init(k);
    begin(k);
    keep(k);
    _exit(0);
}
