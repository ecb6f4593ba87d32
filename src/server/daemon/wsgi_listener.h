#ifndef WSGI_LISTENER_H
#define WSGI_LISTENER_H

#include "base/wsgi_log.h"
#include "base/wsgi_model.h"

/**
 * Open the UNIX socket of a group: bound under umask 077, so that nobody but its owner may connect, and handed to
 * group->socket_uid when the caller is root. What fails is logged (WSGI0012 to 0015, 0062 to 0065).
 * @param fd receives the listening descriptor (blocking, close-on-exec), -1 on failure
 */
apr_status_t wsgi_listener_open(int *fd, const char *path, const wsgi_group_t *group, int is_root,
                                const wsgi_log_sink_t *log);

/**
 * Remove the sockets that a server left behind which was killed: those named PREFIX.PID.*.sock whose process is gone,
 * that nobody listens at, and that are not quite new. For the start of a server.
 */
void wsgi_listener_sweep(const char *prefix, const wsgi_log_sink_t *log, apr_pool_t *ptemp);

/** Close and, if `remove`, unlink. Failures are logged (WSGI0072, 0073). */
void wsgi_listener_close(int fd, const char *path, int remove, const wsgi_log_sink_t *log);

#endif
