#include "wire/wsgi_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Linux doubles it, to account for its own book-keeping, and cuts it to what net.core.wmem_max allows. */
enum { WIDE_BYTES = 262144 };

#ifdef __linux__

int wsgi_socket_new(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

int wsgi_socket_accept(int listener)
{
    return accept4(listener, NULL, NULL, SOCK_CLOEXEC);
}

int wsgi_socket_pair(int fds[2])
{
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds);
}

int wsgi_socket_pipe(int fds[2])
{
    return pipe2(fds, O_CLOEXEC);
}

#else

static int close_on_exec(int fd)
{
    if (fd >= 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

int wsgi_socket_new(void)
{
    int fd = close_on_exec(socket(AF_UNIX, SOCK_STREAM, 0));

    if (fd >= 0 && fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

int wsgi_socket_accept(int listener)
{
    return close_on_exec(accept(listener, NULL, NULL));
}

static int both_close_on_exec(int fds[2])
{
    if (close_on_exec(fds[0]) < 0) {
        close(fds[1]);
        return -1;
    }
    if (close_on_exec(fds[1]) < 0) {
        close(fds[0]);
        return -1;
    }
    return 0;
}

int wsgi_socket_pair(int fds[2])
{
    return socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0 ? -1 : both_close_on_exec(fds);
}

int wsgi_socket_pipe(int fds[2])
{
    return pipe(fds) < 0 ? -1 : both_close_on_exec(fds);
}

#endif

int wsgi_socket_connect(int fd, const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };

    if (strlen(path) >= sizeof(addr.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(addr.sun_path, path, strlen(path) + 1);
    return connect(fd, (struct sockaddr *)&addr, sizeof(addr));
}

int wsgi_socket_widen(int fd)
{
    int wanted = WIDE_BYTES, size = 0;
    socklen_t len = sizeof(size);

    return getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &len) == 0 && size < wanted
           && setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof(wanted)) == 0;
}

#ifdef SO_PEERCRED

int wsgi_socket_peer(int fd, uid_t *uid)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) {
        return -1;
    }
    *uid = peer.uid;
    return 0;
}

#else

int wsgi_socket_peer(int fd, uid_t *uid)
{
    gid_t gid;

    return getpeereid(fd, uid, &gid);
}

#endif
