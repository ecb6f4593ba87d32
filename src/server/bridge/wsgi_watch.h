#ifndef WSGI_WATCH_H
#define WSGI_WATCH_H

#include "bridge/wsgi_runtime.h"

/** What the timers of a daemon do to Python from outside; see the functions of the same names in wsgi_bridge_t. */
int wsgi_watch_interrupt(wsgi_runtime_t *runtime, unsigned long ident);
void wsgi_watch_dump_stacks(wsgi_runtime_t *runtime, apr_interval_time_t wait);
void wsgi_watch_probe(wsgi_runtime_t *runtime);
int wsgi_watch_holds_gil(const wsgi_runtime_t *runtime);

#endif
