#include "daemon/wsgi_supervisor.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <apr_thread_proc.h>
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/wsgi_clock.h"
#include "base/wsgi_version.h"
#include "daemon/wsgi_control.h"
#include "daemon/wsgi_keeper.h"
#include "daemon/wsgi_listener.h"
#include "daemon/wsgi_station.h"
#include "wire/wsgi_socket.h"

enum {
    YOUNG = 5000000,           /* microseconds: a keeper that lived less long died young */
    FIRST_PAUSE = 1,           /* seconds after one that died young, doubled up to the last */
    LAST_PAUSE = 32,
    STOP_LOOK = 10000,         /* microseconds between two looks whether keepers have ended */
    STOP_SLACK = 3000000,      /* given to keepers beyond the shutdown-timeout of their workers */
    STOP_UNLIMITED = 60000000  /* and in place of one that is 0 */
};

/* A keeper process. On the heap, too. */
typedef struct keeper_t {
    struct keeper_t *next;
    wsgi_station_t *station;
    apr_proc_t proc;
    int control;
    int generation;
    apr_time_t started; /* monotonic */
    int pause;          /* seconds the process slept before it began, because others died young */
    apr_interval_time_t shutdown_timeout;
    struct current_t *current; /* of its generation; NULL once that is cleared */
    const wsgi_group_plan_t *plan; /* likewise */
    wsgi_endpoint_t *endpoint;     /* likewise */
} keeper_t;

/*
 * What a module of another build finds when Apache restarts gracefully after an upgrade: enough to clean up. It must
 * not look further. The same in every release, for ever.
 */
typedef struct {
    char build[96];
    int fd_count, path_count;
    int *fds;     /* to be closed */
    char **paths; /* to be removed */
} estate_t;

typedef struct {
    estate_t estate; /* first */
    wsgi_station_t *stations;
    keeper_t *keepers;
    struct current_t *current; /* NULL while there is none */
    int life_read, life_write; /* of the current generation, -1 none */
} retained_t;

/* A group of the running configuration. */
typedef struct {
    const wsgi_group_plan_t *plan;
    wsgi_endpoint_t *endpoint; /* NULL: its listener could not be opened */
    wsgi_station_t *station;
} member_t;

/* The running configuration. In pconf. */
typedef struct current_t {
    retained_t *retained;
    wsgi_apache_t apache;
    apr_pool_t *pconf;
    pid_t owner;
    int is_ending;
    member_t *members;
    int count;
} current_t;

static void *xalloc(size_t size)
{
    void *memory = calloc(1, size);

    if (memory == NULL) {
        abort(); /* as Apache does when its pools run dry */
    }
    return memory;
}

static char *xstrdup(const char *text)
{
    return strcpy(xalloc(strlen(text) + 1), text);
}

/* The file that this code was loaded from tells one build from another better than any number. */
static void name_build(char *out, size_t size)
{
    static const char inside;
    struct stat file = { 0 };
    Dl_info info;

    if (dladdr(&inside, &info) != 0 && info.dli_fname != NULL) {
        (void)stat(info.dli_fname, &file); /* of a file that is gone all is 0, which is a name, too */
    }
    memset(out, 0, size);
    snprintf(out, size, "mod_wsgi %s %lu %lu %lu %lu", WSGI_VERSION_TEXT, (unsigned long)sizeof(retained_t),
             (unsigned long)file.st_ino, (unsigned long)file.st_size, (unsigned long)file.st_mtime);
}

static int is_own(const retained_t *retained)
{
    char build[sizeof(retained->estate.build)];

    name_build(build, sizeof(build));
    return retained != NULL && memcmp(retained->estate.build, build, sizeof(build)) == 0;
}

static void free_estate(estate_t *estate)
{
    for (int i = 0; i < estate->path_count; i++) {
        free(estate->paths[i]);
    }
    free(estate->paths);
    free(estate->fds);
    estate->paths = NULL;
    estate->fds = NULL;
    estate->path_count = estate->fd_count = 0;
}

/* Its processes go when the last Apache child of their generation has gone; nobody else will want to reach them. */
static void settle_estate(const estate_t *estate)
{
    for (int i = 0; i < estate->fd_count; i++) {
        close(estate->fds[i]);
    }
    for (int i = 0; i < estate->path_count; i++) {
        (void)unlink(estate->paths[i]); /* may be gone */
    }
}

static void write_estate(retained_t *retained)
{
    estate_t *estate = &retained->estate;
    int stations = 0, keepers = 0;

    for (const wsgi_station_t *s = retained->stations; s != NULL; s = s->next) {
        stations++;
    }
    for (const keeper_t *k = retained->keepers; k != NULL; k = k->next) {
        keepers++;
    }
    estate->fds = xalloc((size_t)(stations + keepers + 1) * sizeof(*estate->fds));
    estate->paths = xalloc((size_t)(stations + 1) * sizeof(*estate->paths));
    for (const wsgi_station_t *s = retained->stations; s != NULL; s = s->next) {
        estate->fds[estate->fd_count++] = s->fd;
        if (!s->path_taken) {
            estate->paths[estate->path_count++] = xstrdup(s->path);
        }
    }
    for (const keeper_t *k = retained->keepers; k != NULL; k = k->next) {
        estate->fds[estate->fd_count++] = k->control;
    }
}

static retained_t *open_retained(void **slot)
{
    retained_t *retained = *slot;

    if (retained != NULL && is_own(retained)) {
        free_estate(&retained->estate);
        return retained;
    }
    if (retained != NULL) {
        settle_estate(&retained->estate);
    }
    retained = xalloc(sizeof(*retained));
    name_build(retained->estate.build, sizeof(retained->estate.build));
    retained->life_read = retained->life_write = -1;
    *slot = retained;
    return retained;
}

static int has_keeper(const retained_t *retained, const wsgi_station_t *station)
{
    for (const keeper_t *k = retained->keepers; k != NULL; k = k->next) {
        if (k->station == station) {
            return 1;
        }
    }
    return 0;
}

/* Close what no process uses and the configuration of `generation` (-1: none) does not want. */
static void close_unused(retained_t *retained, int generation, const wsgi_log_sink_t *log)
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

/* ---- keepers ---- */

static void forget_keeper(retained_t *retained, keeper_t *k)
{
    for (keeper_t **at = &retained->keepers; *at != NULL; at = &(*at)->next) {
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
static void leave_parent(retained_t *retained, const keeper_t *self)
{
    for (wsgi_station_t *s = retained->stations; s != NULL; s = s->next) {
        if (s != self->station) {
            wsgi_station_leave(s);
        }
    }
    for (keeper_t *k = retained->keepers; k != NULL; k = k->next) {
        close(k->control);
        if (k->endpoint != NULL && k->station != self->station) {
            wsgi_station_wipe(k->endpoint->secret);
        }
    }
    close(retained->life_write);
}

/* Before a keeper that follows others that died young. A word or the end of the parent ends the pause. */
static void pause_keeper(int seconds, int parent, int life_line)
{
    struct pollfd fds[2] = { { .fd = parent, .events = POLLIN }, { .fd = life_line, .events = POLLIN } };

    if (seconds > 0) {
        (void)poll(fds, 2, seconds * 1000);
    }
}

static void be_keeper(const keeper_t *self, int parent)
{
    const current_t *current = self->current;
    wsgi_keeper_start_t start = { .plan = self->plan,
                                  .endpoint = self->endpoint,
                                  .apache = &current->apache,
                                  .listener = self->station->fd,
                                  .parent = parent,
                                  .life_line = current->retained->life_read };

    current->apache.leave_apache(current->apache.context);
    leave_parent(current->retained, self);
    pause_keeper(self->pause, parent, start.life_line);
    wsgi_keeper_run(&start);
}

static void on_keeper_event(int reason, void *data, int status);

static void watch_keeper(keeper_t *k, apr_pool_t *pconf)
{
    apr_proc_other_child_register(&k->proc, on_keeper_event, k, NULL, pconf);
}

/* Fork the process of `k`, whose fields but pid and control are set. */
static apr_status_t fork_keeper(keeper_t *k)
{
    const wsgi_apache_t *apache = &k->current->apache;
    int pair[2];
    pid_t pid;

    if (wsgi_socket_pair(pair) < 0) {
        pid = -1;
    } else if ((pid = fork()) == 0) {
        close(pair[0]);
        be_keeper(k, pair[1]);
    } else {
        apr_status_t rv = errno;
        close(pair[1]);
        if (pid < 0) {
            close(pair[0]);
            errno = rv;
        }
    }
    if (pid < 0) {
        apr_status_t rv = errno;
        wsgi_log(&apache->log, WSGI_HERE, WSGI_LOG_ALERT, rv,
                 WSGI_LOGNO(0256) "Unable to start the keeper of daemon process group '%s'.", k->plan->group->name);
        return rv;
    }
    k->control = pair[0];
    k->started = wsgi_clock_now();
    memset(&k->proc, 0, sizeof(k->proc));
    k->proc.pid = pid;
    watch_keeper(k, k->current->pconf);
    return APR_SUCCESS;
}

static apr_status_t start_keeper(current_t *current, wsgi_station_t *station, const wsgi_group_plan_t *plan,
                                 wsgi_endpoint_t *endpoint, int pause)
{
    keeper_t *k = xalloc(sizeof(*k));
    apr_status_t rv;

    k->station = station;
    k->generation = current->apache.generation;
    k->current = current;
    k->plan = plan;
    k->endpoint = endpoint;
    k->pause = pause;
    k->shutdown_timeout = plan->group->shutdown_timeout;
    rv = fork_keeper(k);
    if (rv != APR_SUCCESS) {
        free(k);
        return rv;
    }
    k->next = current->retained->keepers;
    current->retained->keepers = k;
    return APR_SUCCESS;
}

static int next_pause(const keeper_t *k)
{
    if (wsgi_clock_now() - k->started - apr_time_from_sec(k->pause) >= YOUNG) {
        return 0;
    }
    return k->pause == 0 ? FIRST_PAUSE : k->pause * 2 < LAST_PAUSE ? k->pause * 2 : LAST_PAUSE;
}

/* A keeper of the running configuration is gone: repair that. Apache says `status`, but not of what kind it is. */
static void replace_keeper(const keeper_t *k, int status)
{
    current_t *current = k->current;
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
    (void)start_keeper(current, k->station, k->plan, k->endpoint, pause); /* logs; wsgi_supervisor_tend tries again */
}

/* APR tells what became of a keeper. In the parent's main loop. */
static void on_keeper_event(int reason, void *data, int status)
{
    keeper_t *k = data;
    current_t *current = k->current;

    if (reason != APR_OC_REASON_DEATH && reason != APR_OC_REASON_LOST) {
        return;
    }
    apr_proc_other_child_unregister(k);
    if (!current->is_ending && k->plan != NULL) {
        replace_keeper(k, status);
    }
    forget_keeper(current->retained, k);
    close_unused(current->retained, current->apache.generation, &current->apache.log);
}

/* ---- start ---- */

static wsgi_endpoint_t *make_endpoint(const current_t *current, const wsgi_station_t *s, const wsgi_group_plan_t *plan)
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
static apr_status_t start_group(member_t *member, current_t *current, const wsgi_group_plan_t *plan)
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
    return start_keeper(current, s, plan, member->endpoint, 0);
}

static int has_keeper_now(const current_t *current, const wsgi_station_t *station)
{
    for (const keeper_t *k = current->retained->keepers; k != NULL; k = k->next) {
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
static void supersede(current_t *current)
{
    retained_t *retained = current->retained;
    keeper_t *next;

    for (keeper_t *k = retained->keepers; k != NULL; k = next) {
        next = k->next;
        if (k->generation == current->apache.generation) {
            continue;
        }
        if (waitpid(k->proc.pid, NULL, WNOHANG) != 0) {
            forget_keeper(retained, k);
            continue;
        }
        k->current = current;
        (void)wsgi_control_send(k->control, /* fails when it is ending */
                                k->station->generation == current->apache.generation ? WSGI_CONTROL_SUPERSEDED
                                                                                     : WSGI_CONTROL_ABANDONED,
                                "", 0);
        watch_keeper(k, current->pconf);
    }
    close_unused(retained, current->apache.generation, &current->apache.log);
}

/* ---- end ---- */

static int is_running(retained_t *retained)
{
    keeper_t *next;

    for (keeper_t *k = retained->keepers; k != NULL; k = next) {
        next = k->next;
        if (waitpid(k->proc.pid, NULL, WNOHANG) != 0) {
            forget_keeper(retained, k);
        }
    }
    return retained->keepers != NULL;
}

static apr_time_t stop_deadline(const retained_t *retained)
{
    apr_interval_time_t longest = 0;

    for (const keeper_t *k = retained->keepers; k != NULL; k = k->next) {
        apr_interval_time_t patience = k->shutdown_timeout > 0 ? k->shutdown_timeout + STOP_SLACK : STOP_UNLIMITED;
        longest = patience > longest ? patience : longest;
    }
    return wsgi_clock_now() + longest;
}

/* Apache stops or restarts hard: end every process of every generation, and wait for them. */
static void stop_all(current_t *current)
{
    retained_t *retained = current->retained;
    apr_time_t deadline = stop_deadline(retained);

    for (keeper_t *k = retained->keepers; k != NULL; k = k->next) {
        if (wsgi_control_send(k->control, WSGI_CONTROL_TERMINATE, "", 0) != APR_SUCCESS) {
            (void)kill(k->proc.pid, SIGTERM);
        }
    }
    while (is_running(retained) && wsgi_clock_now() < deadline) {
        apr_sleep(STOP_LOOK);
    }
    for (keeper_t *k = retained->keepers; k != NULL; k = k->next) {
        wsgi_log(&current->apache.log, WSGI_HERE, WSGI_LOG_ERR, 0,
                 WSGI_LOGNO(0258) "Keeper %ld did not end in time; it is killed with its processes.",
                 (long)k->proc.pid);
        (void)kill(-k->proc.pid, SIGKILL); /* its process group: itself and its workers */
        (void)kill(k->proc.pid, SIGKILL);  /* if it was not far enough to have one */
        (void)waitpid(k->proc.pid, NULL, 0);
    }
    while (retained->keepers != NULL) {
        forget_keeper(retained, retained->keepers);
    }
    close_unused(retained, -1, &current->apache.log);
}

static void cut_life_line(retained_t *retained)
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
    current_t *current = data;
    retained_t *retained = current->retained;

    if (getpid() != current->owner) {
        return APR_SUCCESS; /* a copy of the parent that clears its pools: processes are none of its business */
    }
    current->is_ending = 1;
    for (keeper_t *k = retained->keepers; k != NULL; k = k->next) {
        apr_proc_other_child_unregister(k);
    }
    retained->current = NULL;
    cut_life_line(retained);
    if (current->apache.is_ungraceful(current->apache.context)) {
        stop_all(current);
    }
    for (keeper_t *k = retained->keepers; k != NULL; k = k->next) {
        if (k->endpoint != NULL) { /* or it would stay in memory that keepers of other groups inherit */
            wsgi_station_wipe(k->endpoint->secret);
        }
        k->current = NULL;
        k->plan = NULL;
        k->endpoint = NULL;
    }
    write_estate(retained);
    return APR_SUCCESS;
}

static apr_status_t open_life_line(current_t *current)
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
    current_t *current = apr_pcalloc(pconf, sizeof(*current));
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
    current->members = apr_pcalloc(pconf, (apr_size_t)(count + 1) * sizeof(member_t));
    current->retained->current = current;
    first = count > 0 ? open_life_line(current) : APR_SUCCESS;
    for (int i = 0; i < count && current->retained->life_write >= 0; i++) {
        rv = start_group(&current->members[i], current, &plans[i]);
        (*endpoints)[i] = current->members[i].endpoint;
        current->count = i + 1;
        first = first == APR_SUCCESS ? rv : first;
    }
    supersede(current);
    return first;
}

void wsgi_supervisor_tend(void *retained)
{
    current_t *current = retained != NULL ? ((retained_t *)retained)->current : NULL;

    for (int i = 0; current != NULL && i < current->count; i++) {
        const member_t *m = &current->members[i];
        if (m->endpoint != NULL && !has_keeper_now(current, m->station)) {
            (void)start_keeper(current, m->station, m->plan, m->endpoint, 0); /* logs */
        }
    }
}

void wsgi_supervisor_enter_child(void *retained)
{
    const retained_t *r = retained;

    if (r == NULL) {
        return;
    }
    for (const wsgi_station_t *s = r->stations; s != NULL; s = s->next) {
        close(s->fd);
    }
    for (const keeper_t *k = r->keepers; k != NULL; k = k->next) {
        close(k->control);
    }
    if (r->life_read >= 0) {
        close(r->life_read);
    }
}
