#ifndef WSGI_NATIVESTACK_H
#define WSGI_NATIVESTACK_H

#include <pthread.h>

/**
 * Where the threads of this process are in native code. Each thread is sent SIGURG, whose handler looks at its own
 * stack; that needs no cooperation of Python and works while a C extension holds the GIL. A blocking system call may
 * be broken off by it (EINTR), so this is for processes that end. Linux with glibc; elsewhere nothing is seen.
 */

enum { WSGI_NATIVESTACK_DEPTH = 48 };

typedef struct {
    long tid;         /* the kernel's number of the thread */
    pthread_t handle;
    int noted;        /* what `note` returned, called on that thread */
    int depth;        /* frames, innermost first */
    void *frames[WSGI_NATIVESTACK_DEPTH];
} wsgi_nativestack_t;

/**
 * Look at each thread but the caller. One caller in the life of a process: a signal handler finds what to do in a
 * static place.
 * @param note    called on each thread, in a signal handler: async-signal-safe
 * @param report  called on the calling thread for each thread that answered
 * @return threads that did not answer in time; -1 and errno when nothing can be seen (ENOSYS: not on this platform)
 */
int wsgi_nativestack_walk(int (*note)(void *context), void (*report)(void *context, const wsgi_nativestack_t *stack),
                          void *context);

/** A text for one frame: file, function if its name is exported, address. @return an array for free(), or NULL */
char **wsgi_nativestack_names(const wsgi_nativestack_t *stack);

#endif
