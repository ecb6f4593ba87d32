#ifndef WSGI_LISTENER_H
#define WSGI_LISTENER_H

#include "base/wsgi_log.h"
#include "base/wsgi_model.h"

/** Which file a socket is, whatever becomes of its path; all 0: none. */
typedef struct {
    dev_t dev;
    ino_t ino;
} wsgi_listener_file_t;

/**
 * Open the UNIX socket of a group: bound under umask 077, so that nobody but its owner may connect, and handed to
 * group->socket_uid when the caller is root. The folder may be one that others can write to: what they put at the path
 * meanwhile is neither followed nor given away. What fails is logged (WSGI0012 to 0015, 0062 to 0065, 0261).
 * @param fd   receives the listening descriptor (blocking, close-on-exec), -1 on failure
 * @param file receives what lies at the path
 */
apr_status_t wsgi_listener_open(int *fd, wsgi_listener_file_t *file, const char *path, const wsgi_group_t *group,
                                int is_root, const wsgi_log_sink_t *log);

/**
 * Remove the sockets that a server left behind which was killed: those named PREFIX.PID.*.sock whose process is gone,
 * that nobody listens at, and that are not quite new. For the start of a server.
 */
void wsgi_listener_sweep(const char *prefix, const wsgi_log_sink_t *log, apr_pool_t *ptemp);

/** Close. Failures are logged (WSGI0072). */
void wsgi_listener_close(int fd, const char *path, const wsgi_log_sink_t *log);

/**
 * Remove a socket that is still open, unless its path leads to another file by now: a server in another container that
 * shares the folder, and has the same process id, may have taken the path. @return 0, or an errno
 */
int wsgi_listener_remove(const char *path, const wsgi_listener_file_t *file);

#endif
