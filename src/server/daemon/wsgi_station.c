#include "daemon/wsgi_station.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/wsgi_arrivals.h"

enum {
    MIN_SLOTS = 16,
    ORDERS_BACKLOG = 8,
    SLOTS_PER_PROCESS = 4 /* old, new and replaced workers at once */
};

static const char *identity_of(const wsgi_group_t *group, const wsgi_apache_t *apache, apr_pool_t *pool)
{
    return apr_psprintf(pool, "%s\n%s\n%d %d %ld %ld %ld %d %d %d %d\n%s", group->name, apache->socket_prefix,
                        apache->socket_rotation, apache->is_root, (long)group->socket_uid, (long)group->uid,
                        (long)group->gid, group->listen_backlog, group->send_buffer_size, group->receive_buffer_size,
                        wsgi_arrivals_may_keep(group), group->chroot ? group->chroot : "");
}

static int slots_for(const wsgi_group_t *group)
{
    int slots = group->processes * SLOTS_PER_PROCESS;

    return slots < MIN_SLOTS ? MIN_SLOTS : slots;
}

/* One that no group of this generation has taken yet. */
static wsgi_station_t *find_station(wsgi_station_t *list, const char *identity, const wsgi_group_t *group,
                                    int generation)
{
    for (wsgi_station_t *s = list; s != NULL; s = s->next) {
        if (s->generation != generation && !s->path_taken && strcmp(s->identity, identity) == 0
            && wsgi_board_slots(s->board) >= slots_for(group) && wsgi_board_threads(s->board) >= group->threads) {
            return s;
        }
    }
    return NULL;
}

static wsgi_station_t *station_at(wsgi_station_t *list, const char *path)
{
    for (wsgi_station_t *s = list; s != NULL; s = s->next) {
        if (!s->path_taken && strcmp(s->path, path) == 0) {
            return s;
        }
    }
    return NULL;
}

/* The name of the group is the first line of an identity. */
static int is_of_group(const wsgi_station_t *s, const char *name)
{
    size_t len = strlen(name);

    return strncmp(s->identity, name, len) == 0 && s->identity[len] == '\n';
}

/*
 * @param replaced receives the station of the same group that loses its path, NULL if there is none
 * @return a path that no other group uses
 */
static const char *path_for(wsgi_station_t **replaced, wsgi_station_t *list, const wsgi_group_t *group,
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
    *replaced = station_at(list, path);
    if (*replaced == NULL || is_of_group(*replaced, group->name)) {
        return path;
    }
    /* Groups were added or removed: its number belonged to another one, whose station may go on to be used. */
    *replaced = NULL;
    return apr_psprintf(pool, "%s.%ld.u%ld.%d.%d.sock", apache->socket_prefix, (long)getpid(), (long)group->uid,
                        apache->generation, group->id);
}

static const char *orders_path_for(const char *path, apr_pool_t *pool)
{
    static const char ending[] = ".sock";

    return apr_pstrcat(pool, apr_pstrmemdup(pool, path, strlen(path) - strlen(ending)), ".ctl", ending, NULL);
}

/*
 * The path becomes the new station's; the old one goes on with connections that it has. Children of the generation
 * before reach the new one with the secret that they know.
 */
static void take_path(wsgi_station_t *taker, wsgi_station_t *replaced)
{
    replaced->path_taken = 1;
    memcpy(taker->secret, replaced->secret, sizeof(taker->secret));
    (void)wsgi_listener_remove(replaced->path, &replaced->file); /* bind reports what is in the way */
    (void)wsgi_listener_remove(replaced->orders_path, &replaced->orders_file);
}

void wsgi_station_wipe(unsigned char secret[WSGI_SECRET_BYTES])
{
    volatile unsigned char *at = secret;

    for (int i = 0; i < WSGI_SECRET_BYTES; i++) {
        at[i] = 0;
    }
}

static void free_station(wsgi_station_t *s)
{
    wsgi_board_parent_destroy(s->board);
    wsgi_station_wipe(s->secret);
    free(s->identity);
    free(s->path);
    free(s->orders_path);
    free(s);
}

/* Everything but the listener. @return NULL after logging why */
static wsgi_station_t *make_station(const char *identity, const char *path, const char *orders_path,
                                    const wsgi_group_t *group, const wsgi_log_sink_t *log)
{
    wsgi_station_t *s = calloc(1, sizeof(*s));
    apr_status_t rv = s != NULL ? APR_SUCCESS : APR_ENOMEM;

    if (rv == APR_SUCCESS) {
        s->identity = strdup(identity);
        s->path = strdup(path);
        s->orders_path = strdup(orders_path);
        s->orders_fd = -1;
        rv = s->identity != NULL && s->path != NULL && s->orders_path != NULL ? APR_SUCCESS : APR_ENOMEM;
    }
    if (rv == APR_SUCCESS) {
        rv = wsgi_board_parent_create(&s->board, slots_for(group), group->threads > 0 ? group->threads : 1);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_generate_random_bytes(s->secret, sizeof(s->secret));
    }
    if (rv == APR_SUCCESS) {
        return s;
    }
    wsgi_log(log, WSGI_HERE, WSGI_LOG_ALERT, rv,
             WSGI_LOGNO(0255) "Unable to get memory or random bytes for daemon process group '%s'.", group->name);
    if (s != NULL) {
        free_station(s);
    }
    return NULL;
}

/* Beside that for requests; for the group's user and root. The group does without when it cannot be opened. */
static void open_orders(wsgi_station_t *s, const wsgi_group_t *group, const wsgi_apache_t *apache)
{
    wsgi_group_t door = *group;

    door.socket_uid = group->uid;
    door.listen_backlog = ORDERS_BACKLOG;
    door.send_buffer_size = door.receive_buffer_size = 0;
    (void)wsgi_listener_open(&s->orders_fd, &s->orders_file, s->orders_path, &door, apache->is_root, &apache->log);
}

static apr_status_t open_station(wsgi_station_t **out, wsgi_station_t *list, const char *identity,
                                 const wsgi_group_t *group, const wsgi_apache_t *apache, apr_pool_t *ptemp)
{
    wsgi_station_t *replaced;
    const char *path = path_for(&replaced, list, group, apache, ptemp);
    wsgi_station_t *s = make_station(identity, path, orders_path_for(path, ptemp), group, &apache->log);
    apr_status_t rv;

    if (s == NULL) {
        return APR_ENOMEM;
    }
    if (replaced != NULL) {
        take_path(s, replaced);
    }
    rv = wsgi_listener_open(&s->fd, &s->file, path, group, apache->is_root, &apache->log); /* logs */
    if (rv != APR_SUCCESS) {
        free_station(s);
        return rv;
    }
    open_orders(s, group, apache);
    wsgi_log(&apache->log, WSGI_HERE, WSGI_LOG_DEBUG, 0,
             "Daemon process group '%s' listens on '%s' with a backlog of %d.", group->name, path,
             group->listen_backlog);
    *out = s;
    return APR_SUCCESS;
}

apr_status_t wsgi_station_take(wsgi_station_t **out, wsgi_station_t **list, const wsgi_group_t *group,
                               const wsgi_apache_t *apache, apr_pool_t *ptemp)
{
    const char *identity = identity_of(group, apache, ptemp);

    *out = find_station(*list, identity, group, apache->generation);
    if (*out == NULL) {
        apr_status_t rv = open_station(out, *list, identity, group, apache, ptemp);
        if (rv != APR_SUCCESS) {
            return rv;
        }
        (*out)->next = *list;
        *list = *out;
    }
    (*out)->generation = apache->generation;
    return APR_SUCCESS;
}

static void close_door(int fd, const char *path, const wsgi_listener_file_t *file, int is_own,
                       const wsgi_log_sink_t *log)
{
    int error = is_own ? wsgi_listener_remove(path, file) : 0;

    if (error != 0) {
        wsgi_log(log, WSGI_HERE, WSGI_LOG_WARNING, error, WSGI_LOGNO(0073) "Unable to remove the socket '%s'.", path);
    }
    wsgi_listener_close(fd, path, log);
}

void wsgi_station_close(wsgi_station_t *station, const wsgi_log_sink_t *log)
{
    close_door(station->fd, station->path, &station->file, !station->path_taken, log);
    if (station->orders_fd >= 0) {
        close_door(station->orders_fd, station->orders_path, &station->orders_file, !station->path_taken, log);
    }
    free_station(station);
}

void wsgi_station_leave(wsgi_station_t *station)
{
    close(station->fd);
    station->fd = -1;
    if (station->orders_fd >= 0) {
        close(station->orders_fd);
        station->orders_fd = -1;
    }
    wsgi_station_wipe(station->secret);
    wsgi_board_parent_destroy(station->board);
    station->board = NULL;
}
