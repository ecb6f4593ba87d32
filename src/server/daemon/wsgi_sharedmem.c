#include "daemon/wsgi_sharedmem.h"

#ifdef __linux__

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { MAPPINGS = 1024, LINE = 8192 };

typedef struct {
    uintptr_t start, end;
} mapping_t;

/* @return 1 when the line is of a mapping that is shared and writable */
static int parse(mapping_t *mapping, const char *line)
{
    unsigned long start, end;
    char mode[5];

    if (sscanf(line, "%lx-%lx %4s", &start, &end, mode) != 3 || mode[1] != 'w' || mode[3] != 's') {
        return 0;
    }
    *mapping = (mapping_t){ start, end };
    return 1;
}

/*
 * First read, then change: the list is of the moment.
 * @return how many there are, -1 and errno when they cannot be listed
 */
static int list(mapping_t *mappings, char *line)
{
    FILE *file = fopen("/proc/self/maps", "re");
    int count = 0;

    if (file == NULL) {
        return -1;
    }
    while (fgets(line, LINE, file) != NULL) {
        if (count == MAPPINGS) {
            count = -1;
            errno = ENOSPC;
            break;
        }
        count += parse(&mappings[count], line);
    }
    fclose(file);
    return count;
}

int wsgi_sharedmem_leave(int (*is_wanted)(void *context, const void *start, const void *end), void *context)
{
    mapping_t *mappings = malloc(MAPPINGS * sizeof(*mappings));
    char *line = malloc(LINE);
    int error = 0, count = -1;

    if (mappings != NULL && line != NULL) {
        count = list(mappings, line);
    }
    if (count < 0) {
        error = errno;
    }
    for (int i = 0; i < count; i++) {
        void *start = (void *)mappings[i].start;
        if (!is_wanted(context, start, (const void *)mappings[i].end)
            && munmap(start, mappings[i].end - mappings[i].start) < 0) {
            error = errno;
        }
    }
    free(line);
    free(mappings);
    return error;
}

#else

int wsgi_sharedmem_leave(int (*is_wanted)(void *context, const void *start, const void *end), void *context)
{
    (void)is_wanted;
    (void)context;
    return 0;
}

#endif
