#include "daemon/wsgi_launcher.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/wsgi_clock.h"
#include "daemon/wsgi_descriptors.h"
#include "daemon/wsgi_keeper.h"
#include "daemon/wsgi_sharedmem.h"
#include "wire/wsgi_socket.h"

enum {
    YOUNG = 5000000, /* microseconds: a keeper that lived less long died young */
    FIRST_PAUSE = 1, /* seconds after one that died young, doubled up to the last */
    LAST_PAUSE = 32
};

static int has_keeper(const wsgi_retained_t *retained, const wsgi_station_t *station)
{
    for (const wsgi_keeperproc_t *k = retained->keepers; k != NULL; k = k->next) {
        if (k->station == station) {
            return 1;
        }
    }
    return 0;
}

void wsgi_launcher_close_unused(wsgi_retained_t *retained, int generation, const wsgi_log_sink_t *log)
{
    wsgi_station_t **at = &retained->stations;

    while (*at != NULL) {
        wsgi_station_t *s = *at;
        if (s->generation == generation || has_keeper(retained, s)) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        wsgi_station_close(s, log);
    }
}

void wsgi_launcher_forget(wsgi_retained_t *retained, wsgi_keeperproc_t *k)
{
    for (wsgi_keeperproc_t **at = &retained->keepers; *at != NULL; at = &(*at)->next) {
        if (*at == k) {
            *at = k->next;
            break;
        }
    }
    close(k->control);
    free(k);
}

/*
 * In a new keeper, which is not in the list yet: give up what it shares with the parent but must not hold, such as the
 * secrets of other groups.
 */
static void leave_parent(wsgi_retained_t *retained, const wsgi_keeperproc_t *self)
{
    for (wsgi_station_t *s = retained->stations; s != NULL; s = s->next) {
        if (s != self->station) {
            wsgi_station_leave(s);
        }
    }
    for (wsgi_keeperproc_t *k = retained->keepers; k != NULL; k = k->next) {
        close(k->control);
    }
    for (int i = 0; i < self->current->count; i++) {
        const wsgi_member_t *m = &self->current->members[i];
        if (m->endpoint != NULL && m->station != self->station) {
            wsgi_station_wipe(m->endpoint->secret);
        }
    }
    close(retained->life_write);
}

static int is_shared(void *context, const void *start, const void *end)
{
    const wsgi_keeperproc_t *self = context;

    return wsgi_board_lies_in(self->endpoint->board, start, end);
}

/* Likewise: what the parent has open, and the memory that it shares with Apache's children. */
static void leave_apache(const wsgi_keeperproc_t *self, const int *own, int count)
{
    const wsgi_apache_t *apache = &self->current->apache;
    int error;

    apache->leave_apache(apache->context, self->plan->group);
    wsgi_descriptors_close_inherited(own, count, apache->is_log, apache->context);
    error = wsgi_sharedmem_leave(is_shared, (void *)(uintptr_t)self);
    if (error != 0) {
        wsgi_log(&apache->log, WSGI_HERE, WSGI_LOG_WARNING, error,
                 WSGI_LOGNO(0263) "Unable to take all of the memory that Apache shares with its children from the "
                                  "processes of daemon process group '%s'.",
                 self->plan->group->name);
    }
}

/* Before a keeper that follows others that died young. A word or the end of the parent ends the pause. */
static void pause_keeper(int seconds, int parent, int life_line)
{
    struct pollfd fds[2] = { { .fd = parent, .events = POLLIN }, { .fd = life_line, .events = POLLIN } };

    if (seconds > 0) {
        (void)poll(fds, 2, seconds * 1000);
    }
}

static void be_keeper(const wsgi_keeperproc_t *self, int parent)
{
    const wsgi_current_t *current = self->current;
    wsgi_keeper_start_t start = { .plan = self->plan,
                                  .endpoint = self->endpoint,
                                  .apache = &current->apache,
                                  .listener = self->station->fd,
                                  .orders = self->station->orders_fd,
                                  .parent = parent,
                                  .life_line = current->retained->life_read };
    const int own[] = { start.listener, start.orders, start.parent, start.life_line };

    leave_parent(current->retained, self);
    leave_apache(self, own, sizeof(own) / sizeof(own[0]));
    pause_keeper(self->pause, parent, start.life_line);
    wsgi_keeper_run(&start);
}

static void on_keeper_event(int reason, void *data, int status);

void wsgi_launcher_watch(wsgi_keeperproc_t *k, apr_pool_t *pconf)
{
    apr_proc_other_child_register(&k->proc, on_keeper_event, k, NULL, pconf);
}

/* Fork the process of `k`, whose fields but control are set. @return its id; -1 and errno after a failure */
static pid_t fork_keeper(wsgi_keeperproc_t *k)
{
    int pair[2], error;
    pid_t pid;

    if (wsgi_socket_pair(pair) < 0) {
        return -1;
    }
    pid = fork();
    if (pid == 0) {
        close(pair[0]);
        be_keeper(k, pair[1]);
    }
    error = errno;
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        errno = error;
        return -1;
    }
    k->control = pair[0];
    return pid;
}

apr_status_t wsgi_launcher_start(wsgi_current_t *current, wsgi_station_t *station, const wsgi_group_plan_t *plan,
                                 wsgi_endpoint_t *endpoint, int pause)
{
    wsgi_keeperproc_t *k = wsgi_estate_alloc(sizeof(*k));

    k->station = station;
    k->generation = current->apache.generation;
    k->current = current;
    k->plan = plan;
    k->endpoint = endpoint;
    k->pause = pause;
    k->shutdown_timeout = plan->group->shutdown_timeout;
    k->proc.pid = fork_keeper(k);
    if (k->proc.pid < 0) {
        apr_status_t rv = errno;
        wsgi_log(&current->apache.log, WSGI_HERE, WSGI_LOG_ALERT, rv,
                 WSGI_LOGNO(0256) "Unable to start the keeper of daemon process group '%s'.", plan->group->name);
        free(k);
        return rv;
    }
    k->started = wsgi_clock_now();
    wsgi_launcher_watch(k, current->pconf);
    k->next = current->retained->keepers;
    current->retained->keepers = k;
    return APR_SUCCESS;
}

static int next_pause(const wsgi_keeperproc_t *k)
{
    if (wsgi_clock_now() - k->started - apr_time_from_sec(k->pause) >= YOUNG) {
        return 0;
    }
    return k->pause == 0 ? FIRST_PAUSE : k->pause * 2 < LAST_PAUSE ? k->pause * 2 : LAST_PAUSE;
}

/* A keeper of the running configuration is gone: repair that. Apache says `status`, but not of what kind it is. */
static void replace_keeper(const wsgi_keeperproc_t *k, int status)
{
    wsgi_current_t *current = k->current;
    int pause = next_pause(k);

    if (status == 0) {
        wsgi_log(&current->apache.log, WSGI_HERE, WSGI_LOG_INFO, 0,
                 "The keeper of daemon process group '%s' (process %ld) was told to end; another is started.",
                 k->plan->group->name, (long)k->proc.pid);
    } else {
        wsgi_log(&current->apache.log, WSGI_HERE, WSGI_LOG_ERR, 0,
                 WSGI_LOGNO(0257) "The keeper of daemon process group '%s' (process %ld) ended with status or signal "
                                  "%d; another is started%s.",
                 k->plan->group->name, (long)k->proc.pid, status, pause > 0 ? " after a pause" : "");
    }
    (void)wsgi_launcher_start(current, k->station, k->plan, k->endpoint, pause); /* logs; who tends tries again */
}

/* APR tells what became of a keeper. In the parent's main loop. */
static void on_keeper_event(int reason, void *data, int status)
{
    wsgi_keeperproc_t *k = data;
    wsgi_current_t *current = k->current;

    if (reason != APR_OC_REASON_DEATH && reason != APR_OC_REASON_LOST) {
        return;
    }
    apr_proc_other_child_unregister(k);
    if (!current->is_ending && k->plan != NULL) {
        replace_keeper(k, status);
    }
    wsgi_launcher_forget(current->retained, k);
    wsgi_launcher_close_unused(current->retained, current->apache.generation, &current->apache.log);
}

int wsgi_launcher_is_running(wsgi_retained_t *retained)
{
    wsgi_keeperproc_t *next;

    for (wsgi_keeperproc_t *k = retained->keepers; k != NULL; k = next) {
        next = k->next;
        if (waitpid(k->proc.pid, NULL, WNOHANG) != 0) {
            wsgi_launcher_forget(retained, k);
        }
    }
    return retained->keepers != NULL;
}
