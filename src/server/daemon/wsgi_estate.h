#ifndef WSGI_ESTATE_H
#define WSGI_ESTATE_H

#include <stddef.h>

/**
 * What a module of another build finds when Apache restarts gracefully after an upgrade: enough to clean up. It must
 * not look further. The same in every release, for ever. In the Apache parent, on the heap.
 */
typedef struct {
    char build[96];
    int fd_count, path_count;
    int *fds;     /* to be closed */
    char **paths; /* to be removed */
} wsgi_estate_t;

/** Memory that outlives the module, all 0. Ends the process when there is none, as Apache does in its pools. */
void *wsgi_estate_alloc(size_t size);

/** Name this build in an empty estate. @param layout a number that changes with what follows the estate in memory */
void wsgi_estate_sign(wsgi_estate_t *estate, size_t layout);

/** Whether this very build signed it. */
int wsgi_estate_is_own(const wsgi_estate_t *estate, size_t layout);

/** Make room for so many, and for none that are there already. */
void wsgi_estate_open(wsgi_estate_t *estate, int fds, int paths);
void wsgi_estate_add_fd(wsgi_estate_t *estate, int fd);
void wsgi_estate_add_path(wsgi_estate_t *estate, const char *path); /* copied */

/** This build goes on with what it holds: forget the lists. */
void wsgi_estate_clear(wsgi_estate_t *estate);

/**
 * Of another build: close and remove what it lists. Its processes go when the last Apache child of their generation
 * has gone; nobody else will want to reach them.
 */
void wsgi_estate_settle(const wsgi_estate_t *estate);

#endif
