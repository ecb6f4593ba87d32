#ifndef WSGI_SUPERVISOR_H
#define WSGI_SUPERVISOR_H

#include <apr_pools.h>

#include "daemon/wsgi_handover.h"

/**
 * The part of process groups that runs in the Apache parent: one listener, secret and board per group, kept over
 * graceful restarts, and one keeper process per group and configuration generation. The keeper forks and watches
 * the workers (wsgi_keeper.h); the parent only watches keepers, through APR's other-child interface.
 */

/**
 * Start all groups. What fails is logged. A group whose listener cannot be opened is left out (its endpoint is NULL);
 * one whose keeper cannot be started is tried again by wsgi_supervisor_tend().
 * A cleanup on pconf retires them: at a graceful restart when the next generation is ready, else at once.
 * @param endpoints receives an array of `count` endpoints, NULL entries for groups that did not start
 * @param retained  a pointer that survives reloading of the module (ap_retained_data_get), NULL at first
 * @return APR_SUCCESS, or the first failure; either way `endpoints` is set
 */
apr_status_t wsgi_supervisor_start(wsgi_endpoint_t ***endpoints, const wsgi_apache_t *apache,
                                   const wsgi_group_plan_t *plans, int count, void **retained, apr_pool_t *pconf);

/**
 * In the parent, now and then: start what could not be started before, for example because the system had no room for
 * another process.
 */
void wsgi_supervisor_tend(void *retained);

/**
 * In a new Apache child: close what belongs to the parent alone. The generation's life line stays open. Nothing happens
 * when the child is the parent (httpd -X).
 */
void wsgi_supervisor_enter_child(void *retained);

#endif
