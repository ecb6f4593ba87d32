#include "daemon/wsgi_keeper.h"

#include <apr_strings.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/wsgi_clock.h"
#include "base/wsgi_exitstatus.h"
#include "daemon/wsgi_child.h"
#include "daemon/wsgi_control.h"
#include "daemon/wsgi_policy.h"
#include "daemon/wsgi_signals.h"
#include "daemon/wsgi_warm.h"
#include "daemon/wsgi_worker.h"
#include "wire/wsgi_socket.h"

enum { /* times in microseconds */
    MESSAGES = 64,           /* of one worker in one turn of the loop */
    SUPERSEDED_LOOK = 50000, /* between two looks at what another generation does */
    SETTLE = 100000,         /* before the first worker, while an older generation serves; see begin() */
    FIRST_PAUSE = 100000,    /* before another try after a worker that died young; doubled up to the last */
    LAST_PAUSE = 20000000,
    LAST_SERVING_PAUSE = 1000000, /* the last if it served: it is one request that ends them, others should not wait */
    SLOT_PAUSE = 100000,     /* before another look for a free slot */
    WORD_PATIENCE = 30000000, /* for the parent's word about a next generation, in which this module may be missing */
    YOUNG = 5000000,         /* a worker that lived less long than this died young */
    SLACK = 1000000,         /* beyond the worker's own time-outs before it is killed */
    SERVICE_PATIENCE = 5000000 /* how long a service waits for the one of the generation before to end */
};

typedef enum { MEMBER_FREE, MEMBER_STARTING, MEMBER_READY, MEMBER_RETIRING } member_state_t;

typedef struct {
    member_state_t state;
    pid_t pid;
    int slot;
    wsgi_control_t control;
    apr_time_t birth;
    apr_time_t kill_at;       /* 0: never */
    wsgi_version_t versions[WSGI_WARM_SCRIPTS]; /* of each warm script that it has answered with */
    int is_obsolete;          /* to be retired once there are enough others */
    char reason[64];          /* why */
} member_t;

typedef struct {
    const wsgi_keeper_start_t *start;
    const wsgi_group_t *group;
    const wsgi_log_sink_t *log;
    wsgi_board_t *board;
    wsgi_signals_t signals;
    wsgi_control_t parent;
    apr_pool_t *pool;
    apr_pool_t *scratch;       /* cleared with every turn of the loop */
    member_t *members;
    int capacity;
    wsgi_warm_t warm;
    apr_interval_time_t pause; /* 0: the last worker did not die young */
    apr_time_t next_start;     /* no new worker before */
    apr_time_t reload_asked;   /* a worker met a changed script, and none younger is ready; 0: no */
    apr_time_t begun;
    apr_time_t alone;          /* since when nobody of its generation is left, 0 not */
    int is_superseded;
    int is_abandoned;
    int is_draining;
    int is_terminating;
} keeper_t;

/* ---- members ---- */

static int count_in(const keeper_t *k, member_state_t state)
{
    int n = 0;

    for (int i = 0; i < k->capacity; i++) {
        n += k->members[i].state == state;
    }
    return n;
}

static int count_lasting(const keeper_t *k, member_state_t state)
{
    int n = 0;

    for (int i = 0; i < k->capacity; i++) {
        n += k->members[i].state == state && !k->members[i].is_obsolete;
    }
    return n;
}

static int is_empty(const keeper_t *k)
{
    return count_in(k, MEMBER_FREE) == k->capacity;
}

static void close_control(member_t *m)
{
    if (m->control.fd >= 0) {
        close(m->control.fd);
        m->control.fd = -1;
    }
}

/* In a new worker: what only the keeper may hold. */
static void leave_keeper(keeper_t *k)
{
    for (int i = 0; i < k->capacity; i++) {
        if (k->members[i].state != MEMBER_FREE) {
            close_control(&k->members[i]);
        }
    }
    close(k->parent.fd);
    close(k->start->life_line);
}

static void be_worker(keeper_t *k, int slot, apr_time_t birth, int control)
{
    wsgi_worker_start_t start = { .plan = k->start->plan,
                                  .endpoint = k->start->endpoint,
                                  .apache = k->start->apache,
                                  .listener = k->start->listener,
                                  .keeper = control,
                                  .slot = slot,
                                  .birth = birth,
                                  .warm = k->warm.scripts,
                                  .warm_count = k->warm.count,
                                  .may_refuse = k->group->reload_fallback_old && count_in(k, MEMBER_READY) > 0,
                                  .pprocess = k->pool };

    leave_keeper(k);
    wsgi_worker_run(&start);
}

static member_t *free_member(keeper_t *k)
{
    for (int i = 0; i < k->capacity; i++) {
        if (k->members[i].state == MEMBER_FREE) {
            return &k->members[i];
        }
    }
    return NULL;
}

static void back_off(keeper_t *k, apr_interval_time_t last)
{
    k->pause = k->pause == 0 ? FIRST_PAUSE : k->pause * 2 < last ? k->pause * 2 : last;
    k->next_start = wsgi_clock_now() + k->pause;
}

static void start_member(keeper_t *k)
{
    member_t *m = free_member(k);
    int slot = m != NULL ? wsgi_board_keeper_take(k->board, k->start->endpoint->generation) : -1;
    apr_time_t birth = wsgi_clock_now();
    int pair[2] = { -1, -1 };
    pid_t pid;

    if (slot < 0) { /* as many processes as there can be still finish, maybe of other generations */
        wsgi_board_keeper_sweep(k->board);
        k->next_start = birth + SLOT_PAUSE;
        return;
    }
    pid = wsgi_socket_pair(pair) < 0 ? -1 : fork();
    if (pid == 0) {
        close(pair[0]);
        be_worker(k, slot, birth, pair[1]);
    }
    if (pid < 0) {
        wsgi_log(k->log, WSGI_HERE, WSGI_LOG_ALERT, errno,
                 WSGI_LOGNO(0024) "Unable to start a process of daemon process group '%s'; trying again.",
                 k->group->name);
        wsgi_board_keeper_ended(k->board, slot, 0);
        back_off(k, LAST_PAUSE);
    }
    if (pair[1] >= 0) {
        close(pair[1]);
    }
    if (pid < 0) {
        if (pair[0] >= 0) {
            close(pair[0]);
        }
        return;
    }
    *m = (member_t){ .state = MEMBER_STARTING, .pid = pid, .slot = slot, .birth = birth };
    wsgi_control_init(&m->control, pair[0]);
    wsgi_board_keeper_started(k->board, slot, pid);
}

/* When a worker that retires now is overdue, 0 never. One that only starts has no requests to finish. */
static apr_time_t retirement_end(const keeper_t *k, const member_t *m, const char *reason)
{
    apr_interval_time_t window = m->state == MEMBER_STARTING ? 0 : wsgi_policy_window(k->group, reason);

    if (window < 0 || k->group->shutdown_timeout == 0) {
        return 0;
    }
    return wsgi_clock_now() + window + k->group->shutdown_timeout + SLACK;
}

static void retire_member(keeper_t *k, member_t *m, const char *reason)
{
    if (m->state != MEMBER_STARTING && m->state != MEMBER_READY) {
        return;
    }
    m->kill_at = retirement_end(k, m, reason);
    m->state = MEMBER_RETIRING;
    wsgi_board_keeper_state(k->board, m->slot, WSGI_WORKER_RETIRING);
    if (m->control.fd < 0
        || wsgi_control_send(m->control.fd, WSGI_CONTROL_RETIRE, reason, (int)strlen(reason)) != APR_SUCCESS) {
        (void)kill(m->pid, SIGTERM); /* it closed its end: it is about to go anyway */
    }
}

static void retire_all(keeper_t *k, const char *reason)
{
    for (int i = 0; i < k->capacity; i++) {
        retire_member(k, &k->members[i], reason);
    }
}

/* Replaced workers go when the group is complete without them, the oldest first. */
static void retire_obsolete(keeper_t *k)
{
    int spare = count_in(k, MEMBER_READY) - k->group->processes;

    while (spare-- > 0) {
        member_t *oldest = NULL;
        for (int i = 0; i < k->capacity; i++) {
            member_t *m = &k->members[i];
            if (m->state == MEMBER_READY && m->is_obsolete && (oldest == NULL || m->birth < oldest->birth)) {
                oldest = m;
            }
        }
        if (oldest == NULL) {
            return;
        }
        retire_member(k, oldest, oldest->reason);
    }
}

/* ---- what workers say ---- */

static const char script_reload[] = "script_reload"; /* reason, as it goes over the control socket */

/* Whether a worker loads the scripts as they are since one was found changed; 0 when none was. */
static int knows_change(const keeper_t *k, const member_t *m)
{
    return k->reload_asked != 0 && m->birth >= k->reload_asked;
}

/*
 * A worker that knows the changed scripts is ready: those that do not accept nothing more from this moment. The board
 * says so to requests that wait in them, and must say it of nobody who is not retired here.
 */
static void finish_reload(keeper_t *k)
{
    wsgi_board_keeper_fresh(k->board, k->reload_asked);
    for (int i = 0; i < k->capacity; i++) {
        if (!knows_change(k, &k->members[i])) {
            retire_member(k, &k->members[i], script_reload);
        }
    }
    k->reload_asked = 0;
}

/*
 * The worker that should have known the change is dead: who waits for it goes on with what is loaded. If it refused to
 * serve without the script, all is as if nobody had asked.
 */
static void give_reload_up(keeper_t *k, int is_refused)
{
    const char *text = is_refused ? "refused" : "";

    for (int i = 0; i < k->capacity; i++) {
        member_t *m = &k->members[i];
        if (m->state == MEMBER_READY && m->control.fd >= 0) { /* if it fails, the request waits its time */
            (void)wsgi_control_send(m->control.fd, WSGI_CONTROL_NO_SUCCESSOR, text, (int)strlen(text));
        }
        if (is_refused && m->is_obsolete && strcmp(m->reason, script_reload) == 0) {
            m->is_obsolete = 0;
        }
    }
    if (is_refused) {
        k->reload_asked = 0;
    }
}

static void on_ready(keeper_t *k, member_t *m)
{
    if (m->state != MEMBER_STARTING) {
        return;
    }
    m->state = MEMBER_READY;
    wsgi_board_keeper_state(k->board, m->slot, WSGI_WORKER_READY);
    if (wsgi_board_read_generation_ready(k->board) < k->start->endpoint->generation) {
        wsgi_board_keeper_fresh(k->board, k->begun); /* no worker of a generation before needs a replacement now */
        wsgi_board_keeper_generation_ready(k->board, k->start->endpoint->generation);
    }
    if (knows_change(k, m)) {
        finish_reload(k);
    }
    retire_obsolete(k);
    if (k->group->threads > 0) {
        (void)wsgi_control_send(m->control.fd, WSGI_CONTROL_SERVE, "", 0); /* a failure shows as its death */
    }
}

static void make_obsolete(member_t *m, const char *reason)
{
    if (m->state == MEMBER_READY && !m->is_obsolete) {
        m->is_obsolete = 1;
        apr_cpystrn(m->reason, reason, sizeof(m->reason));
    }
}

/*
 * A worker whose first request for a script came after a change serves the new code; those with the old one, which
 * may get no request soon by which they would notice, are replaced one by one.
 */
static void compare_versions(keeper_t *k, member_t *m, int script)
{
    const wsgi_version_t *own = &m->versions[script];

    for (int i = 0; i < k->capacity; i++) {
        const wsgi_version_t *other = &k->members[i].versions[script];
        if (other->when != 0 && other->stamp != own->stamp) {
            make_obsolete(other->when < own->when ? &k->members[i] : m, script_reload);
        }
    }
}

static void on_loaded(keeper_t *k, member_t *m, const wsgi_control_message_t *message)
{
    wsgi_report_t report;
    int index;

    if (!wsgi_warm_decode(&report, message)) {
        return;
    }
    wsgi_board_keeper_remember(k->board, k->start->endpoint->generation, report.application_group, report.script);
    index = wsgi_warm_add(&k->warm, report.application_group, report.script);
    if (index >= 0) {
        m->versions[index] = report.version;
        compare_versions(k, m, index);
    }
}

/* Whether a worker starts that will know of the change that was found. */
static int has_successor(const keeper_t *k)
{
    for (int i = 0; i < k->capacity; i++) {
        if (k->members[i].state == MEMBER_STARTING && knows_change(k, &k->members[i])) {
            return 1;
        }
    }
    return 0;
}

static void on_replace(keeper_t *k, member_t *m, const char *reason)
{
    if (m->state != MEMBER_READY) {
        return;
    }
    make_obsolete(m, reason);
    if (strcmp(reason, script_reload) != 0) {
        return;
    }
    if (k->reload_asked == 0) {
        k->reload_asked = wsgi_clock_now();
    }
    if (!has_successor(k)) {
        k->next_start = 0; /* somebody waits: whatever ended the ones before may have been mended */
    }
}

static void read_member(keeper_t *k, member_t *m)
{
    wsgi_control_message_t message;
    int got = 0, limit = MESSAGES; /* one that never stops talking must not keep us from the others */

    while (limit-- > 0 && (got = wsgi_control_next(&m->control, &message)) > 0) {
        switch (message.type) {
        case WSGI_CONTROL_READY:
            on_ready(k, m);
            break;
        case WSGI_CONTROL_LOADED:
            on_loaded(k, m, &message);
            break;
        case WSGI_CONTROL_REPLACE:
            on_replace(k, m, message.text);
            break;
        default: /* nothing a worker may say */
            break;
        }
    }
    if (got < 0) {
        close_control(m); /* its death, which is on its way, is what counts */
    }
}

/* ---- what happens to them ---- */

/*
 * Whether the next worker is likely to fare no better. A retired worker did what it was told; one that ended in order
 * was told by somebody else, but for the process of a service, whose script ended on its own.
 */
static int died_young(const keeper_t *k, const member_t *m, int status)
{
    int in_order = m->state == MEMBER_READY && WIFEXITED(status) && WEXITSTATUS(status) == 0;

    return wsgi_clock_now() - m->birth < YOUNG && m->state != MEMBER_RETIRING && (!in_order || k->group->threads == 0);
}

static void on_death(keeper_t *k, member_t *m, int status)
{
    int is_young = died_young(k, m, status), has_served = m->state == MEMBER_READY;
    int was_successor = m->state == MEMBER_STARTING && knows_change(k, m);
    int is_refused = was_successor && WIFEXITED(status) && WEXITSTATUS(status) == WSGI_WORKER_REFUSED;

    wsgi_log(k->log, WSGI_HERE, WSGI_LOG_INFO, 0, "Process %ld of daemon process group '%s' %s.", (long)m->pid,
             k->group->name, wsgi_exit_describe(status, k->scratch));
    wsgi_board_keeper_ended(k->board, m->slot, status);
    close_control(m);
    m->state = MEMBER_FREE;
    if (k->is_draining || k->is_terminating) {
        return;
    }
    if (was_successor && !has_successor(k)) {
        give_reload_up(k, is_refused);
    }
    if (!is_young || is_refused) {
        k->pause = 0;
        k->next_start = 0;
        return;
    }
    back_off(k, has_served ? LAST_SERVING_PAUSE : LAST_PAUSE);
    if (k->pause > FIRST_PAUSE) {
        wsgi_log(k->log, WSGI_HERE, WSGI_LOG_ERR, 0,
                 WSGI_LOGNO(0252) "Processes of daemon process group '%s' end soon after their start (the last one "
                                  "%s); the next one is started in %.1f seconds.",
                 k->group->name, wsgi_exit_describe(status, k->scratch), (double)k->pause / APR_USEC_PER_SEC);
    }
}

static void reap(keeper_t *k)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (int i = 0; i < k->capacity; i++) {
            if (k->members[i].state != MEMBER_FREE && k->members[i].pid == pid) {
                on_death(k, &k->members[i], status);
            }
        }
    }
}

static void kill_overdue(keeper_t *k, apr_time_t now)
{
    for (int i = 0; i < k->capacity; i++) {
        member_t *m = &k->members[i];
        if (m->state != MEMBER_FREE && m->kill_at != 0 && now >= m->kill_at) {
            wsgi_log(k->log, WSGI_HERE, WSGI_LOG_WARNING, 0,
                     WSGI_LOGNO(0253) "Process %ld of daemon process group '%s' did not end in its time and is killed.",
                     (long)m->pid, k->group->name);
            (void)kill(m->pid, SIGKILL);
            m->kill_at = 0;
        }
    }
}

static void terminate(keeper_t *k)
{
    apr_interval_time_t patience = k->group->shutdown_timeout > 0 ? k->group->shutdown_timeout + SLACK : 0;

    if (k->is_terminating) {
        return;
    }
    k->is_terminating = 1;
    for (int i = 0; i < k->capacity; i++) {
        if (k->members[i].state != MEMBER_FREE) {
            (void)kill(k->members[i].pid, SIGTERM);
            k->members[i].kill_at = patience > 0 ? wsgi_clock_now() + patience : 0;
        }
    }
}

static void drain(keeper_t *k)
{
    if (k->group->threads == 0) {
        terminate(k);
    } else if (!k->is_draining) {
        k->is_draining = 1;
        retire_all(k, "graceful_signal");
    }
}

/* ---- the loop ---- */

/* A service may hold what its successor needs, such as a port: it starts when the one before it has ended. */
static int must_wait_for_service(keeper_t *k, apr_time_t now)
{
    if (k->group->threads > 0 || now >= k->begun + SERVICE_PATIENCE
        || !wsgi_board_read_older(k->board, k->start->endpoint->generation, 0)) {
        return 0;
    }
    k->next_start = now + SUPERSEDED_LOOK;
    return 1;
}

/*
 * Have as many lasting workers as the group wants. Whoever found a changed script waits for a worker that knows it,
 * though the group be complete with ones that do not.
 */
static void complete(keeper_t *k, apr_time_t now)
{
    int missing = k->group->processes - count_lasting(k, MEMBER_READY) - count_lasting(k, MEMBER_STARTING);

    if (k->is_draining || k->is_terminating || now < k->next_start || must_wait_for_service(k, now)) {
        return;
    }
    if (missing <= 0 && k->reload_asked != 0 && !has_successor(k)) {
        missing = 1;
    }
    while (missing-- > 0 && now >= k->next_start) {
        start_member(k);
    }
}

/*
 * Another generation is to take the place of this one: go when it is ready. Or at once, when this one is not ready
 * itself and an older one still serves: restarts may follow each other faster than an application is imported.
 */
static void look_at_generations(keeper_t *k)
{
    int generation = k->start->endpoint->generation;

    if (!k->is_superseded || k->is_draining) {
        return;
    }
    if (wsgi_board_read_generation_ready(k->board) > generation
        || (count_in(k, MEMBER_READY) == 0 && wsgi_board_read_older(k->board, generation, 1))) {
        drain(k);
    }
}

static apr_time_t earlier(apr_time_t a, apr_time_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

static int pause_ms(const keeper_t *k, apr_time_t now)
{
    apr_time_t next = k->next_start > now ? k->next_start : 0;

    for (int i = 0; i < k->capacity; i++) {
        if (k->members[i].state != MEMBER_FREE) {
            next = earlier(next, k->members[i].kill_at);
        }
    }
    if (k->is_superseded && !k->is_draining) {
        next = earlier(next, now + SUPERSEDED_LOOK);
    } else if (k->alone != 0 && !k->is_draining) {
        next = earlier(next, k->alone + WORD_PATIENCE);
    }
    return next == 0 ? -1 : wsgi_clock_poll_ms(next);
}

static void read_signals(keeper_t *k)
{
    int signum;

    while ((signum = wsgi_signals_next(&k->signals)) >= 0) {
        if (signum == SIGTERM || signum == SIGINT) {
            terminate(k);
        }
    }
}

static void read_parent(keeper_t *k)
{
    wsgi_control_message_t message;
    int got;

    while ((got = wsgi_control_next(&k->parent, &message)) > 0) {
        if (message.type == WSGI_CONTROL_SUPERSEDED && k->group->threads == 0) {
            terminate(k); /* a service is not told to finish: its script knows no such thing */
        } else if (message.type == WSGI_CONTROL_SUPERSEDED) {
            k->is_superseded = 1;
        } else if (message.type == WSGI_CONTROL_ABANDONED) {
            k->is_abandoned = 1;
        } else if (message.type == WSGI_CONTROL_TERMINATE) {
            terminate(k);
        }
    }
    if (got < 0) { /* Apache's parent is gone: its children are what the life line tells about */
        close(k->parent.fd);
        k->parent.fd = -1;
    }
}

/*
 * When nobody of this generation is left, there may be a next one. Its children come to this keeper's workers until its
 * own are ready, and so does the parent's word about it later than the end of the last old child.
 */
static void look_at_clients(keeper_t *k, apr_time_t now)
{
    int is_last = k->parent.fd < 0 || k->is_abandoned
                  || (!k->is_superseded && k->alone != 0 && now >= k->alone + WORD_PATIENCE);

    if (k->alone != 0 && is_last) {
        drain(k);
    }
}

static void wait_and_handle(keeper_t *k, struct pollfd *fds, int *life_line)
{
    int n = 3, ms = pause_ms(k, wsgi_clock_now());

    fds[0] = (struct pollfd){ .fd = k->signals.control, .events = POLLIN };
    fds[1] = (struct pollfd){ .fd = k->parent.fd, .events = POLLIN };
    fds[2] = (struct pollfd){ .fd = *life_line, .events = POLLIN };
    for (int i = 0; i < k->capacity; i++, n++) {
        int is_used = k->members[i].state != MEMBER_FREE;
        fds[n] = (struct pollfd){ .fd = is_used ? k->members[i].control.fd : -1, .events = POLLIN };
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
    for (int i = 0; i < k->capacity; i++) {
        if (fds[3 + i].revents && k->members[i].state != MEMBER_FREE) {
            read_member(k, &k->members[i]);
        }
    }
}

static void keep(keeper_t *k)
{
    struct pollfd *fds = apr_pcalloc(k->pool, (apr_size_t)(k->capacity + 3) * sizeof(*fds));
    int life_line = k->start->life_line;

    read_parent(k); /* it may have changed its mind while this process was made */
    for (;;) {
        apr_time_t now;
        apr_pool_clear(k->scratch);
        reap(k);
        look_at_generations(k);
        if ((k->is_draining || k->is_terminating) && is_empty(k)) {
            return;
        }
        now = wsgi_clock_now();
        look_at_clients(k, now);
        kill_overdue(k, now);
        complete(k, now);
        wait_and_handle(k, fds, &life_line);
    }
}

/*
 * While an older generation serves there is no hurry. If the next restart follows at once, as when a script changes
 * many things one by one, this keeper ends before it has started a worker for nothing.
 */
static void begin(keeper_t *k)
{
    k->begun = wsgi_clock_now();
    wsgi_board_keeper_sweep(k->board);
    /* So that the first requests after a graceful restart need not wait until their script is imported. */
    wsgi_warm_inherit(&k->warm, k->board, k->start->endpoint->generation);
    if (wsgi_board_read_older(k->board, k->start->endpoint->generation, 1)) {
        k->next_start = k->begun + SETTLE;
    }
}

/* @return 0 after logging why the process must end */
static int set_up(keeper_t *k)
{
    (void)setpgid(0, 0); /* a signal for Apache's group, such as Ctrl-C, reaches us through the parent, in order */
    wsgi_signals_reset();
    if (wsgi_signals_open_keeper(&k->signals) < 0) {
        wsgi_log(k->log, WSGI_HERE, WSGI_LOG_ALERT, errno,
                 WSGI_LOGNO(0254) "Unable to set up signals in the keeper of daemon process group '%s', which ends.",
                 k->group->name);
        return 0;
    }
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
    keeper_t *k;
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
    k->capacity = wsgi_board_slots(k->board);
    k->members = apr_pcalloc(pool, (apr_size_t)k->capacity * sizeof(member_t));
    wsgi_control_init(&k->parent, start->parent);
    if (!set_up(k)) {
        _exit(1);
    }
    begin(k);
    keep(k);
    _exit(0);
}
