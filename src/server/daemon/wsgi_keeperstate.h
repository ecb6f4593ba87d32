#ifndef WSGI_KEEPERSTATE_H
#define WSGI_KEEPERSTATE_H

#include "daemon/wsgi_control.h"
#include "daemon/wsgi_handover.h"
#include "daemon/wsgi_proctable.h"
#include "daemon/wsgi_signals.h"
#include "daemon/wsgi_sizing.h"
#include "daemon/wsgi_succession.h"
#include "daemon/wsgi_warm.h"

/** When the workers were looked at, for what they do not tell by themselves; see wsgi_gauge.h. */
typedef struct {
    apr_time_t next;       /* monotonic; 0: there is nothing to look for */
    apr_time_t last_load;  /* wall clock of the last look at the load */
    apr_interval_time_t startup; /* what a worker has to be expected to take until it is ready */
    wsgi_sizing_t sizing;
} wsgi_gauge_t;

typedef enum { WSGI_ORDER_NONE, WSGI_ORDER_RELOAD, WSGI_ORDER_RESTART } wsgi_order_t;

enum { WSGI_ORDER_CLIENTS = 4 }; /* served at once; others wait in the queue of the listener */

/** Somebody who is connected to give orders; see wsgi_orders.h. */
typedef struct {
    int fd;        /* -1: none */
    int used;      /* of line */
    char line[32]; /* what was read of it */
} wsgi_order_client_t;

typedef struct {
    wsgi_order_client_t clients[WSGI_ORDER_CLIENTS];
    wsgi_order_t order;             /* being carried out */
    int client;                     /* that gave it */
    apr_time_t begun;               /* monotonic */
    char trouble[WSGI_CONTROL_TEXT]; /* what the last worker that could not load a script told about it */
} wsgi_orders_t;

/**
 * What a keeper knows, for the files that make one up: wsgi_keeper (the loop), wsgi_spawner, wsgi_retire, wsgi_reaper,
 * wsgi_renewal. A keeper has one thread; nobody else includes this.
 */
typedef struct {
    const wsgi_keeper_start_t *start;
    const wsgi_group_t *group;
    const wsgi_log_sink_t *log;
    wsgi_board_t *board;
    wsgi_signals_t signals;
    wsgi_control_t parent;
    apr_pool_t *pool;
    apr_pool_t *scratch;  /* cleared with every turn of the loop */
    wsgi_proctable_t table;
    wsgi_succession_t succession;
    wsgi_warm_t warm;
    const wsgi_bridge_t *bridge; /* for workers in another root directory; NULL: they open theirs */
    wsgi_gauge_t gauge;
    wsgi_orders_t orders;
    apr_time_t begun;
    apr_time_t alone;     /* since when nobody of its generation is left, 0 not */
    int preloads;         /* workers are made from a template */
    int is_superseded;
    int is_abandoned;
    int is_draining;
    int is_terminating;
} wsgi_keeper_t;

#endif
