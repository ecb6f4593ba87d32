#ifndef WSGI_GAUGE_H
#define WSGI_GAUGE_H

#include "daemon/wsgi_keeperstate.h"

/**
 * What a keeper looks at by itself, every now and then: the memory of its workers (maximum-rss) and their load
 * (minimum-processes, maximum-processes). Nothing is looked at in a group that has neither.
 */
void wsgi_gauge_look(wsgi_keeper_t *k, apr_time_t now);

#endif
