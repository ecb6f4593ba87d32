#ifndef WSGI_STATION_H
#define WSGI_STATION_H

#include "daemon/wsgi_handover.h"
#include "daemon/wsgi_listener.h"

/**
 * What a process group keeps over graceful restarts: its listener and the path of that, another one for orders of the
 * administrator (wsgi_orders.h), its secret, its board. In the Apache parent, on the heap, because it outlives the
 * configuration and this module.
 */
typedef struct wsgi_station_t wsgi_station_t;
struct wsgi_station_t {
    wsgi_station_t *next;
    char *identity; /* what must not change for it to be kept; the name of the group is its first line */
    char *path;
    int fd;
    wsgi_listener_file_t file; /* what its path led to when it was bound */
    char *orders_path;
    int orders_fd;             /* -1: could not be opened, which was logged */
    wsgi_listener_file_t orders_file;
    unsigned char secret[WSGI_SECRET_BYTES];
    wsgi_board_t *board;
    int generation; /* of the configuration that uses it, or used it last */
    int path_taken; /* a newer station listens at the same path: this one does not remove it */
};

/**
 * Find the station of a group in the list, or open one and add it. It belongs to the generation of `apache` then.
 * What fails is logged (WSGI0255, and what wsgi_listener_open logs).
 * @param ptemp for texts on the way
 */
apr_status_t wsgi_station_take(wsgi_station_t **out, wsgi_station_t **list, const wsgi_group_t *group,
                               const wsgi_apache_t *apache, apr_pool_t *ptemp);

/**
 * Close its listener, remove its path if it is still its own, and free it. It is in no list any more. Failures are
 * logged (WSGI0072, 0073).
 */
void wsgi_station_close(wsgi_station_t *station, const wsgi_log_sink_t *log);

/** In a process of another group: close and forget what the station holds, without freeing it. */
void wsgi_station_leave(wsgi_station_t *station);

/** Overwrite a secret, in a way that no compiler leaves out. */
void wsgi_station_wipe(unsigned char secret[WSGI_SECRET_BYTES]);

#endif
