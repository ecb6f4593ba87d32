#ifndef WSGI_HANDOVER_H
#define WSGI_HANDOVER_H

#include <apr_pools.h>

#include "base/wsgi_bridge.h"
#include "base/wsgi_log.h"
#include "base/wsgi_model.h"
#include "stats/wsgi_board.h"
#include "wire/wsgi_codec.h"

/**
 * What the processes of a group get from those before them: Apache's parent gives to a keeper, the keeper to a
 * worker. Each inherits the memory by fork, so these structs point freely; none of them is written after the fork.
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
    int is_single_process;     /* httpd -X: the parent becomes Apache's account and serves requests itself */
    uid_t apache_uid;          /* of Apache's children */
    int generation;            /* of this configuration, rising with each restart */
    apr_interval_time_t timeout; /* Apache's Timeout, for socket_timeout 0 */
    wsgi_log_sink_t log;           /* server scope */
    wsgi_origin_sink_t request_log;/* request scope, in a worker */
    const char *const *argv;   /* Apache's own command line in its first memory: where a process title goes */
    int argc;
    int core_dumps;            /* CoreDumpDirectory is set: processes that changed identity stay dumpable */
    /** In a new keeper: close Apache's listening sockets, undo its signal handling, leave logs of others alone. */
    void (*leave_apache)(void *context, const wsgi_group_t *group);
    /** After that: whether the processes of the group write their log to this descriptor. */
    int (*is_log)(void *context, int fd);
    /** In a new worker, before Python starts: send its log to the log of the group's virtual host. */
    void (*adopt_log)(void *context, const wsgi_group_t *group);
    /** In the parent, while pconf is cleared: Apache stops or restarts hard, so clients are gone. */
    int (*is_ungraceful)(void *context);
    void *context;
} wsgi_apache_t;

/** What the Apache parent leaves to a keeper that it forks. */
typedef struct {
    const wsgi_group_plan_t *plan;
    const wsgi_endpoint_t *endpoint;
    const wsgi_apache_t *apache;
    int listener;
    int orders;    /* listener for orders of the administrator, -1: none */
    int parent;    /* this end of the control socket; end of file: the parent is gone */
    int life_line; /* read end of the generation's pipe; end of file: nobody of that generation is left */
} wsgi_keeper_start_t;

/** Exit status of a worker that refused to be ready because a script cannot be loaded; see may_refuse. */
enum { WSGI_WORKER_REFUSED = 65 };

/** A script to have loaded before the first request, because a worker of the group has run it before. */
typedef struct {
    const char *application_group;
    const char *script;
} wsgi_warm_script_t;

/** What a keeper leaves to a worker that it forks. All of it lives as long as the worker. */
typedef struct {
    const wsgi_group_plan_t *plan;
    const wsgi_endpoint_t *endpoint;
    const wsgi_apache_t *apache;
    int listener;
    int keeper;      /* this end of the control socket */
    int slot;        /* on the board */
    apr_time_t birth;/* monotonic time of the fork */
    apr_time_t as_of;/* no script was loaded before: birth, or that of the template it comes from */
    const wsgi_warm_script_t *warm;
    int warm_count;
    const wsgi_bridge_t *bridge; /* opened before the root directory changed; NULL: to be opened */
    int is_template; /* it serves nothing, but makes those that do: wsgi_template.h */
    int may_refuse;  /* others serve: end rather than be ready without a script that they have loaded */
    apr_pool_t *pprocess;
} wsgi_worker_start_t;

#endif
