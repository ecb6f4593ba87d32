#include "daemon/wsgi_heirs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "wire/wsgi_socket.h"

enum {
    LOOKED_AT = 512,     /* descriptors in one call, on the stack of whoever forks */
    HIGHEST = 1 << 20    /* descriptors that are looked at: what Linux gives a process unless it is told otherwise */
};

/* A handler of fork() has no argument. Changed in new processes, and around a fork of ours. */
static struct {
    int listener, keeper;
} kept;

/* The listener's, which every connection accepted from it has, too. Constant from wsgi_heirs_get_nothing() on. */
static struct {
    struct sockaddr_un name;
    socklen_t size; /* bytes of it */
} address;

static int read_address(int fd, struct sockaddr_un *name, socklen_t *size)
{
    *size = sizeof(*name);
    if (getsockname(fd, (struct sockaddr *)name, size) < 0) {
        return errno;
    }
    if (*size > sizeof(*name)) {
        *size = sizeof(*name); /* Linux counts a zero that has no room in it */
    }
    return 0;
}

static int is_connection(int fd)
{
    struct sockaddr_un name;
    socklen_t size;

    return read_address(fd, &name, &size) == 0 && size == address.size && memcmp(&name, &address.name, size) == 0;
}

/*
 * Whoever uses the number here, such as a read from wsgi.input, is to find the end of a connection, not a file that the
 * application opened later.
 */
static void replace(int fd, int dead)
{
    if (dead < 0 || dup2(dead, fd) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
        (void)close(fd);
    }
}

/* One end of a connection whose other end is closed. @return -1 when the system has none to give */
static int open_dead(void)
{
    int fds[2];

    if (wsgi_socket_pair(fds) < 0) {
        return -1;
    }
    (void)close(fds[1]);
    return fds[0];
}

static int count_descriptors(void)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > HIGHEST ? HIGHEST : (int)limit.rlim_cur;
}

/*
 * Those accepted so far are found by their address: a list of them would miss the one that a thread was just accepting.
 * poll() tells at once which of many numbers are open, also where there is no /proc.
 */
static void lose_connections(void)
{
    struct pollfd fds[LOOKED_AT];
    int end = count_descriptors(), dead = open_dead();

    for (int first = 0; first < end; first += LOOKED_AT) {
        int count = end - first < LOOKED_AT ? end - first : LOOKED_AT;
        for (int i = 0; i < count; i++) {
            fds[i] = (struct pollfd){ .fd = first + i };
        }
        if (poll(fds, (nfds_t)count, 0) < 0) {
            memset(fds, 0, sizeof(fds)); /* out of memory: each is asked for its address */
        }
        for (int i = 0; i < count; i++) {
            if (!(fds[i].revents & POLLNVAL) && is_connection(first + i)) {
                replace(first + i, dead);
            }
        }
    }
    if (dead >= 0) {
        (void)close(dead);
    }
}

/* In the new process, which has one thread: nobody uses these numbers for something else meanwhile. */
static void close_in_child(void)
{
    if (kept.listener < 0) {
        return;
    }
    (void)close(kept.listener);
    (void)close(kept.keeper);
    kept.listener = kept.keeper = -1; /* their own children may use the numbers */
    lose_connections();
}

void wsgi_heirs_lose(int listener, int keeper)
{
    kept.listener = listener;
    kept.keeper = keeper;
}

void wsgi_heirs_get_all(void)
{
    wsgi_heirs_lose(-1, -1);
}

int wsgi_heirs_get_nothing(int listener, int keeper)
{
    int error = read_address(listener, &address.name, &address.size);

    if (error != 0) {
        return error;
    }
    wsgi_heirs_lose(listener, keeper);
    return pthread_atfork(NULL, NULL, close_in_child);
}
