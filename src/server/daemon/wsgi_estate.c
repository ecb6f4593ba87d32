#include "daemon/wsgi_estate.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/wsgi_version.h"

void *wsgi_estate_alloc(size_t size)
{
    void *memory = calloc(1, size);

    if (memory == NULL) {
        abort(); /* as Apache does when its pools run dry */
    }
    return memory;
}

/* The file that this code was loaded from tells one build from another better than any number. */
void wsgi_estate_sign(wsgi_estate_t *estate, size_t layout)
{
    static const char inside;
    struct stat file = { 0 };
    Dl_info info;

    if (dladdr(&inside, &info) != 0 && info.dli_fname != NULL) {
        (void)stat(info.dli_fname, &file); /* of a file that is gone all is 0, which is a name, too */
    }
    memset(estate->build, 0, sizeof(estate->build));
    snprintf(estate->build, sizeof(estate->build), "mod_wsgi %s %lu %lu %lu %lu", WSGI_VERSION_TEXT,
             (unsigned long)layout, (unsigned long)file.st_ino, (unsigned long)file.st_size,
             (unsigned long)file.st_mtime);
}

int wsgi_estate_is_own(const wsgi_estate_t *estate, size_t layout)
{
    wsgi_estate_t own;

    wsgi_estate_sign(&own, layout);
    return memcmp(estate->build, own.build, sizeof(own.build)) == 0;
}

void wsgi_estate_open(wsgi_estate_t *estate, int fds, int paths)
{
    estate->fds = wsgi_estate_alloc((size_t)(fds + 1) * sizeof(*estate->fds));
    estate->paths = wsgi_estate_alloc((size_t)(paths + 1) * sizeof(*estate->paths));
    estate->fd_count = estate->path_count = 0;
}

void wsgi_estate_add_fd(wsgi_estate_t *estate, int fd)
{
    estate->fds[estate->fd_count++] = fd;
}

void wsgi_estate_add_path(wsgi_estate_t *estate, const char *path)
{
    estate->paths[estate->path_count++] = strcpy(wsgi_estate_alloc(strlen(path) + 1), path);
}

void wsgi_estate_clear(wsgi_estate_t *estate)
{
    for (int i = 0; i < estate->path_count; i++) {
        free(estate->paths[i]);
    }
    free(estate->paths);
    free(estate->fds);
    estate->paths = NULL;
    estate->fds = NULL;
    estate->path_count = estate->fd_count = 0;
}

void wsgi_estate_settle(const wsgi_estate_t *estate)
{
    for (int i = 0; i < estate->fd_count; i++) {
        close(estate->fds[i]);
    }
    for (int i = 0; i < estate->path_count; i++) {
        (void)unlink(estate->paths[i]); /* may be gone */
    }
}
