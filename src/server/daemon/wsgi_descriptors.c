#include "daemon/wsgi_descriptors.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__linux__)
#define LISTING "/proc/self/fd"
#elif defined(__APPLE__)
#define LISTING "/dev/fd"
#endif

typedef struct {
    const int *own;
    int count;
    int (*is_wanted)(void *context, int fd);
    void *context;
} choice_t;

static int is_listening(int fd)
{
    int listening = 0;
    socklen_t size = sizeof(listening);

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening;
}

static int is_closable(int fd)
{
    struct stat info;

    if (fstat(fd, &info) < 0) {
        return 0;
    }
    return S_ISREG(info.st_mode) || S_ISFIFO(info.st_mode) || (S_ISSOCK(info.st_mode) && is_listening(fd));
}

static void look_at(const choice_t *choice, int fd)
{
    for (int i = 0; i < choice->count; i++) {
        if (choice->own[i] == fd) {
            return;
        }
    }
    if (fd > STDERR_FILENO && is_closable(fd) && !choice->is_wanted(choice->context, fd)) {
        close(fd);
    }
}

/* @return 0 when the system does not list them */
static int look_at_listed(const choice_t *choice)
{
#ifdef LISTING
    DIR *dir = opendir(LISTING);
    const struct dirent *entry;

    if (dir == NULL) {
        return 0;
    }
    while ((entry = readdir(dir)) != NULL) { /* the folder is open, too, and is none of what is closed */
        if (entry->d_name[0] != '.') {
            look_at(choice, atoi(entry->d_name));
        }
    }
    closedir(dir);
    return 1;
#else
    (void)choice;
    return 0;
#endif
}

void wsgi_descriptors_close_inherited(const int *own, int count, int (*is_wanted)(void *context, int fd),
                                      void *context)
{
    choice_t choice = { own, count, is_wanted, context };
    long limit;

    if (look_at_listed(&choice)) {
        return;
    }
    limit = sysconf(_SC_OPEN_MAX);
    for (int fd = STDERR_FILENO + 1; fd < limit; fd++) {
        look_at(&choice, fd);
    }
}
