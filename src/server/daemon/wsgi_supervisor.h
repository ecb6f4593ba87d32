#ifndef WSGI_SUPERVISOR_H
#define WSGI_SUPERVISOR_H

#include <apr_pools.h>

#include "base/wsgi_log.h"
#include "base/wsgi_model.h"
#include "stats/wsgi_board.h"
#include "wire/wsgi_codec.h"

/**
 * The part of process groups that runs in the Apache parent: one listener, secret and board per group, kept over
 * graceful restarts, and one keeper process per group and configuration generation. The keeper forks and watches
 * the workers (wsgi_keeper.h); the parent only watches keepers, through APR's other-child interface.
 */


/** A group with all that its workers need. Lives in pconf. */
typedef struct {
    const wsgi_group_t *group;
    const wsgi_runtime_settings_t *settings;
    const wsgi_import_t *imports; /* of this group, in configuration order */
    int import_count;
} wsgi_group_plan_t;

/** What a client in an Apache child needs to talk to a group. Lives in pconf. */
typedef struct {
    const wsgi_group_t *group;
    const char *socket_path;
    unsigned char secret[WSGI_SECRET_BYTES]; /* proves that a request comes from Apache */
    wsgi_board_t *board;
    int generation;                          /* of the configuration */
} wsgi_endpoint_t;

/** What Apache lends. The functions are called without any lock held. */
typedef struct {
    const char *socket_prefix; /* absolute */
    int socket_rotation;
    int is_root;               /* Apache was started as root: identities are changed */
    uid_t apache_uid;          /* of Apache's children */
    int generation;            /* of this configuration, rising with each restart */
    apr_interval_time_t timeout; /* Apache's Timeout, for socket_timeout 0 */
    wsgi_log_sink_t log;           /* server scope */
    wsgi_origin_sink_t request_log;/* request scope, in a worker */
    const char *const *argv;   /* Apache's own command line in its first memory: where a process title goes */
    int argc;
    int core_dumps;            /* CoreDumpDirectory is set: processes that changed identity stay dumpable */
    /** In a new keeper: close Apache's listening sockets, undo its signal handling. */
    void (*leave_apache)(void *context);
    /** In a new worker, before Python starts: send its log to the log of the group's virtual host. */
    void (*adopt_log)(void *context, const wsgi_group_t *group);
    /** In the parent, while pconf is cleared: Apache stops or restarts hard, so clients are gone. */
    int (*is_ungraceful)(void *context);
    void *context;
} wsgi_apache_t;

/**
 * Start all groups. A group that cannot start is logged and left out (its endpoint is NULL); the others go on.
 * A cleanup on pconf retires them: at a graceful restart when the next generation is ready, else at once.
 * @param endpoints receives an array of `count` endpoints, NULL entries for groups that did not start
 * @param retained  a pointer that survives reloading of the module (ap_retained_data_get), NULL at first
 * @return APR_SUCCESS, or the first failure; either way `endpoints` is set
 */
apr_status_t wsgi_supervisor_start(wsgi_endpoint_t ***endpoints, const wsgi_apache_t *apache,
                                   const wsgi_group_plan_t *plans, int count, void **retained, apr_pool_t *pconf);

/** In a new Apache child: close what belongs to the parent alone. The generation's life line stays open. */
void wsgi_supervisor_enter_child(void *retained);

#endif
