#ifndef WSGI_CHILDEND_H
#define WSGI_CHILDEND_H

/**
 * The end of an Apache child that was told to stop at once. A threaded MPM waits for threads that run requests, for as
 * long as those take, until Apache's parent kills the process; nothing of Python is brought down then. So the child
 * sees to it itself, in the time that Apache gives before it complains (3 s).
 */

typedef struct {
    /** May run at the same time as the child's own clean-up: it has to know whether that was first. */
    void (*stop_python)(void);
} wsgi_childend_t;

/**
 * Start the clock: end->stop_python is called 1.5 s from now on a thread of its own, and the process ends after that,
 * or at 2.5 s, whichever comes first. Does nothing to a child that ends before. `end` must live for ever.
 */
void wsgi_childend_limit(const wsgi_childend_t *end);

#endif
