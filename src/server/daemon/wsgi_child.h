#ifndef WSGI_CHILD_H
#define WSGI_CHILD_H

#include "daemon/wsgi_handover.h"

/**
 * What a process of a group does to itself after it was forked. Every privilege call is checked; after a failure the
 * process must end, and nothing of the application has run yet. Failures are logged with their numbers.
 */

/**
 * In a keeper, still root: CPU priority, then the identity of the group (wsgi_identity.h). Nothing but the priority
 * when Apache was not started as root.
 * @return 0 when the process must end (WSGI0003 to 0008, 0260)
 */
int wsgi_child_take_identity(const wsgi_group_t *group, const wsgi_apache_t *apache);

/** In a worker: working directory. @return 0 when the process must end (WSGI0009 to 0011) */
int wsgi_child_enter_home(const wsgi_group_t *group, const wsgi_apache_t *apache);

/** In a worker: umask, resource limits, LANG, LC_ALL and locale. Failures cost a warning (WSGI0076 to 0079). */
void wsgi_child_apply_limits(const wsgi_group_t *group, const wsgi_apache_t *apache);

/** Show `title` in place of Apache's command line, cut to the space that has. */
void wsgi_child_set_title(const char *title, const wsgi_apache_t *apache);

#endif
