#ifndef WSGI_SOCKET_H
#define WSGI_SOCKET_H

#include <apr_errno.h>
#include <sys/types.h>

/** UNIX stream sockets, close-on-exec from birth where the system can do that; the twin for others is beside it. */

/** A new non-blocking socket. @return descriptor, or -1 and errno */
int wsgi_socket_new(void);

/** Wait for a connection. Blocks unless `listener` is non-blocking. @return descriptor, or -1 and errno */
int wsgi_socket_accept(int listener);

/** Connect to `path`. @return 0, or -1 and errno: EAGAIN or ECONNREFUSED when the listener is busy or not there yet */
int wsgi_socket_connect(int fd, const char *path);

/** The user at the other end of a UNIX socket, as the system knows it. @return 0, or -1 and errno */
int wsgi_socket_peer(int fd, uid_t *uid);

/**
 * Let a socket take more at once than the system's default, so that two sides that hand each other a large body wake
 * each other less often. Costs kernel memory only while bytes wait to be read.
 * @return whether there is more room now; not when there was as much before, or the system refuses
 */
int wsgi_socket_widen(int fd);

/** A connected pair, blocking. @return 0, or -1 and errno */
int wsgi_socket_pair(int fds[2]);

/** A pipe, both ends blocking. fds[0] is read from. @return 0, or -1 and errno */
int wsgi_socket_pipe(int fds[2]);

#endif
