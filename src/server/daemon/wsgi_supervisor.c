#include "daemon/wsgi_supervisor.h"

#include <apr_strings.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/wsgi_clock.h"
#include "daemon/wsgi_control.h"
#include "daemon/wsgi_janitor.h"
#include "daemon/wsgi_launcher.h"
#include "daemon/wsgi_listener.h"
#include "wire/wsgi_socket.h"

enum {
    STOP_LOOK = 10000,         /* microseconds between two looks whether keepers have ended */
    STOP_SLACK = 3000000,      /* given to keepers beyond the shutdown-timeout of their workers */
    STOP_UNLIMITED = 60000000  /* and in place of one that is 0 */
};

/* ---- what is kept over restarts ---- */

static void write_estate(wsgi_retained_t *retained)
{
    wsgi_estate_t *estate = &retained->estate;
    int stations = 0, keepers = 0;

    for (const wsgi_station_t *s = retained->stations; s != NULL; s = s->next) {
        stations++;
    }
    for (const wsgi_keeperproc_t *k = retained->keepers; k != NULL; k = k->next) {
        keepers++;
    }
    wsgi_estate_open(estate, 2 * stations + keepers, 2 * stations);
    for (const wsgi_station_t *s = retained->stations; s != NULL; s = s->next) {
        wsgi_estate_add_fd(estate, s->fd);
        if (s->orders_fd >= 0) {
            wsgi_estate_add_fd(estate, s->orders_fd);
        }
        if (!s->path_taken) {
            wsgi_estate_add_path(estate, s->path);
            wsgi_estate_add_path(estate, s->orders_path);
        }
    }
    for (const wsgi_keeperproc_t *k = retained->keepers; k != NULL; k = k->next) {
        wsgi_estate_add_fd(estate, k->control);
    }
}

static wsgi_retained_t *open_retained(void **slot)
{
    wsgi_retained_t *retained = *slot;

    if (retained != NULL && wsgi_estate_is_own(&retained->estate, sizeof(*retained))) {
        wsgi_estate_clear(&retained->estate);
        return retained;
    }
    if (retained != NULL) {
        wsgi_estate_settle(&retained->estate);
    }
    retained = wsgi_estate_alloc(sizeof(*retained));
    wsgi_estate_sign(&retained->estate, sizeof(*retained));
    retained->life_read = retained->life_write = -1;
    *slot = retained;
    return retained;
}

/* ---- start ---- */

static wsgi_endpoint_t *make_endpoint(const wsgi_current_t *current, const wsgi_station_t *s,
                                      const wsgi_group_plan_t *plan)
{
    wsgi_endpoint_t *endpoint = apr_pcalloc(current->pconf, sizeof(*endpoint));

    endpoint->group = plan->group;
    endpoint->socket_path = apr_pstrdup(current->pconf, s->path);
    memcpy(endpoint->secret, s->secret, sizeof(endpoint->secret));
    endpoint->board = s->board;
    endpoint->generation = current->apache.generation;
    return endpoint;
}

/* What fails here but the opening of the listener is tried again: requests may wait in its queue. */
static apr_status_t start_group(wsgi_member_t *member, wsgi_current_t *current, const wsgi_group_plan_t *plan)
{
    wsgi_station_t *s;
    apr_status_t rv = wsgi_station_take(&s, &current->retained->stations, plan->group, &current->apache,
                                        current->pconf);

    member->plan = plan;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    member->station = s;
    member->endpoint = make_endpoint(current, s, plan);
    return wsgi_launcher_start(current, s, plan, member->endpoint, 0);
}

static int has_keeper_now(const wsgi_current_t *current, const wsgi_station_t *station)
{
    for (const wsgi_keeperproc_t *k = current->retained->keepers; k != NULL; k = k->next) {
        if (k->station == station && k->generation == current->apache.generation) {
            return 1;
        }
    }
    return 0;
}

/*
 * Keepers of the configurations before: note those that ended while nobody watched, and tell the others whether
 * somebody takes their place.
 */
static void supersede(wsgi_current_t *current)
{
    wsgi_retained_t *retained = current->retained;
    wsgi_keeperproc_t *next;

    for (wsgi_keeperproc_t *k = retained->keepers; k != NULL; k = next) {
        next = k->next;
        if (k->generation == current->apache.generation) {
            continue;
        }
        if (waitpid(k->proc.pid, NULL, WNOHANG) != 0) {
            wsgi_launcher_forget(retained, k);
            continue;
        }
        k->current = current;
        (void)wsgi_control_try_send(k->control, /* fails when it is ending */
                                k->station->generation == current->apache.generation ? WSGI_CONTROL_SUPERSEDED
                                                                                     : WSGI_CONTROL_ABANDONED,
                                "", 0);
        wsgi_launcher_watch(k, current->pconf);
    }
    wsgi_launcher_close_unused(retained, current->apache.generation, &current->apache.log);
}

/* ---- end ---- */

static apr_time_t stop_deadline(const wsgi_retained_t *retained)
{
    apr_interval_time_t longest = 0;

    for (const wsgi_keeperproc_t *k = retained->keepers; k != NULL; k = k->next) {
        apr_interval_time_t patience = k->shutdown_timeout > 0 ? k->shutdown_timeout + STOP_SLACK : STOP_UNLIMITED;
        longest = patience > longest ? patience : longest;
    }
    return wsgi_clock_now() + longest;
}

/* Apache stops or restarts hard: end every process of every generation, and wait for them. */
static void stop_all(wsgi_current_t *current)
{
    wsgi_retained_t *retained = current->retained;
    apr_time_t deadline = stop_deadline(retained);

    for (wsgi_keeperproc_t *k = retained->keepers; k != NULL; k = k->next) {
        if (wsgi_control_try_send(k->control, WSGI_CONTROL_TERMINATE, "", 0) != APR_SUCCESS) {
            (void)kill(k->proc.pid, SIGTERM);
        }
    }
    while (wsgi_launcher_is_running(retained) && wsgi_clock_now() < deadline) {
        apr_sleep(STOP_LOOK);
    }
    for (wsgi_keeperproc_t *k = retained->keepers; k != NULL; k = k->next) {
        wsgi_log(&current->apache.log, WSGI_HERE, WSGI_LOG_ERR, 0,
                 WSGI_LOGNO(0258) "Keeper %ld did not end in time; it is killed with its processes.",
                 (long)k->proc.pid);
        (void)kill(-k->proc.pid, SIGKILL); /* its process group: itself and its workers */
        (void)kill(k->proc.pid, SIGKILL);  /* if it was not far enough to have one */
        (void)waitpid(k->proc.pid, NULL, 0);
    }
    while (retained->keepers != NULL) {
        wsgi_launcher_forget(retained, retained->keepers);
    }
    wsgi_janitor_finish(current);
    wsgi_launcher_close_unused(retained, -1, &current->apache.log);
}

static void cut_life_line(wsgi_retained_t *retained)
{
    if (retained->life_write >= 0) {
        close(retained->life_write);
        close(retained->life_read);
        retained->life_read = retained->life_write = -1;
    }
}

/* pconf is cleared, and this module with it: nothing may point into either any more. */
static apr_status_t end_generation(void *data)
{
    wsgi_current_t *current = data;
    wsgi_retained_t *retained = current->retained;

    if (getpid() != current->owner) {
        return APR_SUCCESS; /* a copy of the parent that clears its pools: processes are none of its business */
    }
    current->is_ending = 1;
    for (wsgi_keeperproc_t *k = retained->keepers; k != NULL; k = k->next) {
        apr_proc_other_child_unregister(k);
    }
    retained->current = NULL;
    cut_life_line(retained);
    if (current->apache.is_ungraceful(current->apache.context)) {
        stop_all(current);
    }
    for (int i = 0; i < current->count; i++) {
        if (current->members[i].endpoint != NULL) { /* or it would stay in memory that keepers of others inherit */
            wsgi_station_wipe(current->members[i].endpoint->secret);
        }
    }
    for (wsgi_keeperproc_t *k = retained->keepers; k != NULL; k = k->next) {
        k->current = NULL;
        k->plan = NULL;
        k->endpoint = NULL;
    }
    write_estate(retained);
    return APR_SUCCESS;
}

static apr_status_t open_life_line(wsgi_current_t *current)
{
    int fds[2];

    if (wsgi_socket_pipe(fds) < 0) {
        apr_status_t rv = errno;
        wsgi_log(&current->apache.log, WSGI_HERE, WSGI_LOG_ALERT, rv,
                 WSGI_LOGNO(0259) "Unable to create the pipe by which daemon processes know that Apache is alive; none "
                                  "are started.");
        return rv;
    }
    current->retained->life_read = fds[0];
    current->retained->life_write = fds[1];
    return APR_SUCCESS;
}

apr_status_t wsgi_supervisor_start(wsgi_endpoint_t ***endpoints, const wsgi_apache_t *apache,
                                   const wsgi_group_plan_t *plans, int count, void **retained, apr_pool_t *pconf)
{
    wsgi_current_t *current = apr_pcalloc(pconf, sizeof(*current));
    apr_status_t rv, first;

    *endpoints = apr_pcalloc(pconf, (apr_size_t)(count + 1) * sizeof(**endpoints));
    if (*retained == NULL) { /* Apache has just started */
        wsgi_listener_sweep(apache->socket_prefix, &apache->log, pconf);
    }
    current->retained = open_retained(retained);
    current->apache = *apache;
    current->pconf = pconf;
    current->owner = getpid();
    /* Before the cleanups, which end the registrations of keepers with APR one by one. */
    apr_pool_pre_cleanup_register(pconf, current, end_generation);
    current->members = apr_pcalloc(pconf, (apr_size_t)(count + 1) * sizeof(wsgi_member_t));
    current->retained->current = current;
    first = count > 0 ? open_life_line(current) : APR_SUCCESS;
    for (int i = 0; i < count && current->retained->life_write >= 0; i++) {
        rv = start_group(&current->members[i], current, &plans[i]);
        (*endpoints)[i] = current->members[i].endpoint;
        current->count = i + 1;
        first = first == APR_SUCCESS ? rv : first;
    }
    if (apache->is_single_process && apache->is_root && current->retained->stations != NULL) {
        wsgi_janitor_start(current);
    }
    supersede(current);
    return first;
}

void wsgi_supervisor_tend(void *retained)
{
    wsgi_current_t *current = retained != NULL ? ((wsgi_retained_t *)retained)->current : NULL;

    for (int i = 0; current != NULL && i < current->count; i++) {
        const wsgi_member_t *m = &current->members[i];
        if (m->endpoint != NULL && !has_keeper_now(current, m->station)) {
            (void)wsgi_launcher_start(current, m->station, m->plan, m->endpoint, 0); /* logs */
        }
    }
}

void wsgi_supervisor_enter_child(void *retained)
{
    const wsgi_retained_t *r = retained;

    if (r == NULL || (r->current != NULL && r->current->owner == getpid())) { /* parent and child are one process */
        return;
    }
    for (const wsgi_station_t *s = r->stations; s != NULL; s = s->next) {
        close(s->fd);
        if (s->orders_fd >= 0) {
            close(s->orders_fd);
        }
    }
    for (const wsgi_keeperproc_t *k = r->keepers; k != NULL; k = k->next) {
        close(k->control);
    }
    if (r->life_read >= 0) {
        close(r->life_read);
    }
}
