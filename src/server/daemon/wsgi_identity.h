#ifndef WSGI_IDENTITY_H
#define WSGI_IDENTITY_H

#include "base/wsgi_log.h"
#include "base/wsgi_model.h"

/**
 * Change from root to the identity of a group: supplementary groups, root directory, group id and user id (real,
 * effective and saved), for good. No step is believed: after each the system is asked what the process is now, and at
 * the end the way back to root is tried. One thread, no other in the process; nothing of the application has run yet.
 * @return 0 after logging what failed (WSGI0003 to 0008, 0260): the process must end
 * Source: setuid(2), credentials(7), capabilities(7); CERT POS36-C, POS37-C.
 */
int wsgi_identity_take(const wsgi_group_t *group, const wsgi_log_sink_t *log);

#endif
