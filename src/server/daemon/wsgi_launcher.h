#ifndef WSGI_LAUNCHER_H
#define WSGI_LAUNCHER_H

#include "daemon/wsgi_supervisorstate.h"

/** The keepers that the Apache parent has: forked, watched through APR's other-child interface, and replaced. */

/**
 * Fork the keeper of a group of the running configuration. What fails is logged (WSGI0256).
 * @param pause seconds that the new process is to wait first, because the one before it died young
 */
apr_status_t wsgi_launcher_start(wsgi_current_t *current, wsgi_station_t *station, const wsgi_group_plan_t *plan,
                                 wsgi_endpoint_t *endpoint, int pause);

/** Have APR tell when it ends, until pconf is cleared. k->current is set. */
void wsgi_launcher_watch(wsgi_keeperproc_t *k, apr_pool_t *pconf);

/** It has ended: take it out of the list and free it. */
void wsgi_launcher_forget(wsgi_retained_t *retained, wsgi_keeperproc_t *k);

/** Forget those that have ended while nobody watched. @return whether any is left */
int wsgi_launcher_is_running(wsgi_retained_t *retained);

/** Close the stations that no keeper uses and the configuration of `generation` (-1: none) does not want. */
void wsgi_launcher_close_unused(wsgi_retained_t *retained, int generation, const wsgi_log_sink_t *log);

#endif
