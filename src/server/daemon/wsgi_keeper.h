#ifndef WSGI_KEEPER_H
#define WSGI_KEEPER_H

#include "daemon/wsgi_supervisor.h"

/** What the Apache parent leaves to a keeper that it forks. */
typedef struct {
    const wsgi_group_plan_t *plan;
    const wsgi_endpoint_t *endpoint;
    const wsgi_apache_t *apache;
    int listener;
    int parent;    /* this end of the control socket; end of file: the parent is gone */
    int life_line; /* read end of the generation's pipe; end of file: nobody of that generation is left */
} wsgi_keeper_start_t;

/**
 * Be the keeper of one group in one generation until the end of the process: take the group's identity, then fork,
 * watch, replace and retire workers. Knows neither Apache nor Python. Never returns.
 */
void wsgi_keeper_run(const wsgi_keeper_start_t *start) __attribute__((noreturn));

#endif
