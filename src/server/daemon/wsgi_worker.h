#ifndef WSGI_WORKER_H
#define WSGI_WORKER_H

#include "daemon/wsgi_supervisor.h"

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
    const wsgi_warm_script_t *warm;
    int warm_count;
    apr_pool_t *pprocess;
} wsgi_worker_start_t;

/** Be a worker until the end of the process. Never returns. */
void wsgi_worker_run(const wsgi_worker_start_t *start) __attribute__((noreturn));

#endif
