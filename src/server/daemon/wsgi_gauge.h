#ifndef WSGI_GAUGE_H
#define WSGI_GAUGE_H

#include "daemon/wsgi_keeperstate.h"

/**
 * What a keeper looks at by itself, every now and then: the memory of its workers (maximum-rss) and their load
 * (minimum-processes, maximum-processes). Nothing is looked at in a group that has neither.
 */
void wsgi_gauge_look(wsgi_keeper_t *k, apr_time_t now);

/**
 * How long a worker took until it was ready tells how long the next one will take. What it loads later, with a first
 * request, its successors load before they are ready.
 */
void wsgi_gauge_started(wsgi_keeper_t *k, wsgi_proc_t *proc, apr_time_t now);

/** @param begun when it began to load a script that it answers with now; untrusted */
void wsgi_gauge_loaded(wsgi_keeper_t *k, wsgi_proc_t *proc, apr_time_t begun, apr_time_t now);

#endif
