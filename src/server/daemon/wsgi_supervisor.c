#include "daemon/wsgi_supervisor.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <apr_thread_proc.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/wsgi_clock.h"
#include "base/wsgi_version.h"
#include "daemon/wsgi_control.h"
#include "daemon/wsgi_keeper.h"
#include "daemon/wsgi_listener.h"
#include "wire/wsgi_socket.h"

enum {
    MIN_SLOTS = 16,
    SLOTS_PER_PROCESS = 4,     /* old, new and replaced workers at once */
    YOUNG = 5000000,           /* microseconds: a keeper that lived less long died young */
    FIRST_PAUSE = 1,           /* seconds after one that died young, doubled up to the last */
    LAST_PAUSE = 32,
    STOP_LOOK = 10000,         /* microseconds between two looks whether keepers have ended */
    STOP_SLACK = 3000000,      /* given to keepers beyond the shutdown-timeout of their workers */
    STOP_UNLIMITED = 60000000  /* and in place of one that is 0 */
};

/* What a group keeps over graceful restarts. On the heap: it outlives the configuration and this module. */
typedef struct station_t {
    struct station_t *next;
    char *identity; /* what must not change for it to be kept */
    char *path;
    int fd;
    unsigned char secret[WSGI_SECRET_BYTES];
    wsgi_board_t *board;
    int generation; /* of the configuration that uses it, or used it last */
    int path_taken; /* a newer station listens at the same path: do not remove it */
} station_t;

/* A keeper process. On the heap, too. */
typedef struct keeper_t {
    struct keeper_t *next;
    station_t *station;
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

typedef struct {
    char build[32]; /* first, in every release: a module of another one must not touch the rest */
    station_t *stations;
    keeper_t *keepers;
    int life_read, life_write; /* of the current generation, -1 none */
} retained_t;

/* The running configuration. In pconf. */
typedef struct current_t {
    retained_t *retained;
    wsgi_apache_t apache;
    apr_pool_t *pconf;
    pid_t owner;
    int is_ending;
} current_t;

static const char build[sizeof(((retained_t *)0)->build)] = "mod_wsgi " WSGI_VERSION_TEXT " 1";

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

static retained_t *open_retained(void **slot)
{
    retained_t *retained = *slot;

    if (retained == NULL || memcmp(retained->build, build, sizeof(build)) != 0) {
        retained = xalloc(sizeof(*retained));
        memcpy(retained->build, build, sizeof(build));
        retained->life_read = retained->life_write = -1;
        *slot = retained;
    }
    return retained;
}

/* ---- stations ---- */

static const char *identity_of(const wsgi_group_t *group, const wsgi_apache_t *apache, apr_pool_t *pool)
{
    return apr_psprintf(pool, "%s\n%s\n%d %d %ld %ld %ld %d %d %d\n%s", group->name, apache->socket_prefix,
                        apache->socket_rotation, apache->is_root, (long)group->socket_uid, (long)group->uid,
                        (long)group->gid, group->listen_backlog, group->send_buffer_size, group->receive_buffer_size,
                        group->chroot ? group->chroot : "");
}

static int slots_for(const wsgi_group_t *group)
{
    int slots = group->processes * SLOTS_PER_PROCESS;

    return slots < MIN_SLOTS ? MIN_SLOTS : slots;
}

static station_t *find_station(retained_t *retained, const char *identity, const wsgi_group_t *group, int generation)
{
    for (station_t *s = retained->stations; s != NULL; s = s->next) {
        if (s->generation != generation && !s->path_taken && strcmp(s->identity, identity) == 0
            && wsgi_board_slots(s->board) >= slots_for(group) && wsgi_board_threads(s->board) >= group->threads) {
            return s;
        }
    }
    return NULL;
}

static station_t *station_at(retained_t *retained, const char *path)
{
    for (station_t *s = retained->stations; s != NULL; s = s->next) {
        if (!s->path_taken && strcmp(s->path, path) == 0) {
            return s;
        }
    }
    return NULL;
}

/* The name of the group is the first line of an identity. */
static int is_of_group(const station_t *s, const char *name)
{
    size_t len = strlen(name);

    return strncmp(s->identity, name, len) == 0 && s->identity[len] == '\n';
}

/*
 * @param replaced receives the station of the same group that loses its path, NULL if there is none
 * @return a path that no other group uses
 */
static const char *path_for(station_t **replaced, retained_t *retained, const wsgi_group_t *group,
                            const wsgi_apache_t *apache, apr_pool_t *pool)
{
    const char *path;

    *replaced = NULL;
    if (apache->socket_rotation) {
        return apr_psprintf(pool, "%s.%ld.%d.%d.sock", apache->socket_prefix, (long)getpid(), apache->generation,
                            group->id);
    }
    path = apr_psprintf(pool, "%s.%ld.u%ld.%d.sock", apache->socket_prefix, (long)getpid(), (long)group->uid,
                        group->id);
    *replaced = station_at(retained, path);
    if (*replaced == NULL || is_of_group(*replaced, group->name)) {
        return path;
    }
    /* Groups were added or removed: its number belonged to another one, whose station may go on to be used. */
    *replaced = NULL;
    return apr_psprintf(pool, "%s.%ld.u%ld.%d.%d.sock", apache->socket_prefix, (long)getpid(), (long)group->uid,
                        apache->generation, group->id);
}

/*
 * The path becomes the new station's; the old one goes on with connections that it has. Children of the generation
 * before reach the new one with the secret that they know.
 */
static void take_path(station_t *taker, station_t *replaced)
{
    replaced->path_taken = 1;
    memcpy(taker->secret, replaced->secret, sizeof(taker->secret));
    (void)unlink(replaced->path); /* bind reports what is in the way */
}

static void free_station(station_t *s)
{
    wsgi_board_parent_destroy(s->board);
    memset(s->secret, 0, sizeof(s->secret));
    free(s->identity);
    free(s->path);
    free(s);
}

static apr_status_t new_station(station_t **out, retained_t *retained, const char *identity, const wsgi_group_t *group,
                                const wsgi_apache_t *apache, apr_pool_t *pool)
{
    station_t *s = xalloc(sizeof(*s)), *replaced;
    const char *path = path_for(&replaced, retained, group, apache, pool);
    apr_status_t rv;

    *out = NULL;
    s->identity = xstrdup(identity);
    s->path = xstrdup(path);
    rv = wsgi_board_parent_create(&s->board, slots_for(group), group->threads > 0 ? group->threads : 1);
    if (rv == APR_SUCCESS) {
        rv = apr_generate_random_bytes(s->secret, sizeof(s->secret));
    }
    if (rv == APR_SUCCESS && replaced != NULL) {
        take_path(s, replaced);
    }
    if (rv != APR_SUCCESS) {
        wsgi_log(&apache->log, WSGI_HERE, WSGI_LOG_ALERT, rv,
                 WSGI_LOGNO(0255) "Unable to get memory or random bytes for daemon process group '%s'.", group->name);
    } else {
        rv = wsgi_listener_open(&s->fd, path, group, apache->is_root, &apache->log); /* logs */
    }
    if (rv != APR_SUCCESS) {
        free_station(s);
        return rv;
    }
    wsgi_log(&apache->log, WSGI_HERE, WSGI_LOG_DEBUG, 0,
             "Daemon process group '%s' listens on '%s' with a backlog of %d.", group->name, path,
             group->listen_backlog);
    s->next = retained->stations;
    retained->stations = s;
    *out = s;
    return APR_SUCCESS;
}

static int has_keeper(const retained_t *retained, const station_t *station)
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
    station_t **at = &retained->stations;

    while (*at != NULL) {
        station_t *s = *at;
        if (s->generation == generation || has_keeper(retained, s)) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        wsgi_listener_close(s->fd, s->path, !s->path_taken, log);
        free_station(s);
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
    for (station_t *s = retained->stations; s != NULL; s = s->next) {
        if (s != self->station) {
            close(s->fd);
            memset(s->secret, 0, sizeof(s->secret));
            wsgi_board_parent_destroy(s->board);
        }
    }
    for (keeper_t *k = retained->keepers; k != NULL; k = k->next) {
        close(k->control);
        if (k->endpoint != NULL && k->station != self->station) {
            memset(k->endpoint->secret, 0, sizeof(k->endpoint->secret));
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

static apr_status_t start_keeper(current_t *current, station_t *station, const wsgi_group_plan_t *plan,
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
    (void)start_keeper(current, k->station, k->plan, k->endpoint, pause); /* logs */
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

static wsgi_endpoint_t *make_endpoint(const current_t *current, const station_t *s, const wsgi_group_plan_t *plan)
{
    wsgi_endpoint_t *endpoint = apr_pcalloc(current->pconf, sizeof(*endpoint));

    endpoint->group = plan->group;
    endpoint->socket_path = apr_pstrdup(current->pconf, s->path);
    memcpy(endpoint->secret, s->secret, sizeof(endpoint->secret));
    endpoint->board = s->board;
    endpoint->generation = current->apache.generation;
    return endpoint;
}

static apr_status_t start_group(wsgi_endpoint_t **out, current_t *current, const wsgi_group_plan_t *plan)
{
    const wsgi_apache_t *apache = &current->apache;
    const char *identity = identity_of(plan->group, apache, current->pconf);
    station_t *s = find_station(current->retained, identity, plan->group, apache->generation);
    apr_status_t rv = APR_SUCCESS;

    *out = NULL;
    if (s == NULL) {
        rv = new_station(&s, current->retained, identity, plan->group, apache, current->pconf);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    s->generation = apache->generation;
    *out = make_endpoint(current, s, plan);
    rv = start_keeper(current, s, plan, *out, 0);
    if (rv != APR_SUCCESS) {
        *out = NULL;
    }
    return rv;
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
        if (k->station->generation == current->apache.generation) {
            (void)wsgi_control_send(k->control, WSGI_CONTROL_SUPERSEDED, "", 0); /* fails when it is ending */
        }
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
    cut_life_line(retained);
    if (current->apache.is_ungraceful(current->apache.context)) {
        stop_all(current);
    }
    for (keeper_t *k = retained->keepers; k != NULL; k = k->next) {
        if (k->endpoint != NULL) { /* or it would stay in memory that keepers of other groups inherit */
            memset(k->endpoint->secret, 0, sizeof(k->endpoint->secret));
        }
        k->current = NULL;
        k->plan = NULL;
        k->endpoint = NULL;
    }
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
    current->retained = open_retained(retained);
    current->apache = *apache;
    current->pconf = pconf;
    current->owner = getpid();
    /* Before the cleanups, which end the registrations of keepers with APR one by one. */
    apr_pool_pre_cleanup_register(pconf, current, end_generation);
    first = count > 0 ? open_life_line(current) : APR_SUCCESS;
    for (int i = 0; i < count && current->retained->life_write >= 0; i++) {
        rv = start_group(&(*endpoints)[i], current, &plans[i]);
        first = first == APR_SUCCESS ? rv : first;
    }
    supersede(current);
    return first;
}

void wsgi_supervisor_enter_child(void *retained)
{
    const retained_t *r = retained;

    if (r == NULL || memcmp(r->build, build, sizeof(build)) != 0) {
        return;
    }
    for (const station_t *s = r->stations; s != NULL; s = s->next) {
        close(s->fd);
    }
    for (const keeper_t *k = r->keepers; k != NULL; k = k->next) {
        close(k->control);
    }
    if (r->life_read >= 0) {
        close(r->life_read);
    }
}
