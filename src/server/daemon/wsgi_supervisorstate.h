#ifndef WSGI_SUPERVISORSTATE_H
#define WSGI_SUPERVISORSTATE_H

#include <apr_thread_proc.h>

#include "daemon/wsgi_estate.h"
#include "daemon/wsgi_handover.h"
#include "daemon/wsgi_station.h"

/**
 * What the Apache parent knows of groups and their keepers, for the files that make the supervisor up: wsgi_supervisor
 * (start, restart, stop) and wsgi_launcher (keepers). The parent's main thread alone uses it.
 */

/** A keeper process. On the heap: it outlives the configuration and this module. */
typedef struct wsgi_keeperproc_t {
    struct wsgi_keeperproc_t *next;
    wsgi_station_t *station;
    apr_proc_t proc;
    int control; /* the parent's end of the control socket */
    int generation;
    apr_time_t started; /* monotonic */
    int pause;          /* seconds the process slept before it began, because others died young */
    apr_interval_time_t shutdown_timeout;
    struct wsgi_current_t *current; /* of its generation; NULL once that is cleared */
    const wsgi_group_plan_t *plan;  /* likewise */
    wsgi_endpoint_t *endpoint;      /* likewise */
} wsgi_keeperproc_t;

/** What is kept over graceful restarts. On the heap. */
typedef struct {
    wsgi_estate_t estate; /* first */
    wsgi_station_t *stations;
    wsgi_keeperproc_t *keepers;
    struct wsgi_current_t *current; /* NULL while there is none */
    int life_read, life_write;      /* of the current generation, -1 none */
} wsgi_retained_t;

/** A group of the running configuration. */
typedef struct {
    const wsgi_group_plan_t *plan;
    wsgi_endpoint_t *endpoint; /* NULL: its listener could not be opened */
    wsgi_station_t *station;
} wsgi_member_t;

/** The running configuration. In pconf. */
typedef struct wsgi_current_t {
    wsgi_retained_t *retained;
    wsgi_apache_t apache;
    apr_pool_t *pconf;
    pid_t owner;
    int is_ending;
    wsgi_member_t *members;
    int count;
    pid_t janitor; /* a process, see wsgi_janitor.h; 0: none is needed, -1: there is none */
    int janitor_line; /* write end of its pipe */
} wsgi_current_t;

#endif
