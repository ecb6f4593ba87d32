/* sources: daemon/wsgi_descriptors.c */
#include "daemon/wsgi_descriptors.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "wsgi_tap.h"

static int wanted = -1;

static int is_wanted(void *context, int fd)
{
    CHECK(context == &wanted);
    return fd == wanted;
}

static int is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static int open_file(void)
{
    return open("/etc/passwd", O_RDONLY | O_CLOEXEC);
}

static int open_listener(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    const char *folder = getenv("TMPDIR");

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/descriptors-%ld", folder ? folder : "/tmp",
             (long)getpid());
    CHECK_INT(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    CHECK_INT(listen(fd, 1), 0);
    CHECK_INT(unlink(address.sun_path), 0);
    return fd;
}

static void closes_files_pipes_and_listeners(void)
{
    int file = open_file(), listener = open_listener(), ends[2];

    CHECK_INT(pipe(ends), 0);
    wsgi_descriptors_close_inherited(NULL, 0, is_wanted, &wanted);
    CHECK(!is_open(file));
    CHECK(!is_open(listener));
    CHECK(!is_open(ends[0]));
    CHECK(!is_open(ends[1]));
    for (int fd = 0; fd <= STDERR_FILENO; fd++) { /* in a test they often are files and pipes */
        CHECK(is_open(fd));
    }
}

static void leaves_what_libraries_hold(void)
{
    int datagrams = socket(AF_UNIX, SOCK_DGRAM, 0), device = open("/dev/null", O_RDWR), pair[2];

    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    wsgi_descriptors_close_inherited(NULL, 0, is_wanted, &wanted);
    CHECK(is_open(datagrams));
    CHECK(is_open(device));
    CHECK(is_open(pair[0]) && is_open(pair[1]));
    close(datagrams);
    close(device);
    close(pair[0]);
    close(pair[1]);
}

static void leaves_what_is_asked_for(void)
{
    int own[2] = { open_file(), open_listener() }, other = open_file();

    wanted = open_file();
    wsgi_descriptors_close_inherited(own, 2, is_wanted, &wanted);
    CHECK(is_open(own[0]) && is_open(own[1]) && is_open(wanted));
    CHECK(!is_open(other));
    close(own[0]);
    close(own[1]);
    close(wanted);
    wanted = -1;
}

int main(void)
{
    TAP_RUN(closes_files_pipes_and_listeners);
    TAP_RUN(leaves_what_libraries_hold);
    TAP_RUN(leaves_what_is_asked_for);
    return tap_done();
}
