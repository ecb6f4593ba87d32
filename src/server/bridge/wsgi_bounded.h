#ifndef WSGI_BOUNDED_H
#define WSGI_BOUNDED_H

#include <apr_time.h>

/**
 * Run something that may never come back, such as waiting for the GIL, on a thread of its own and wait for it only
 * so long. GIL: not held.
 * @param wait  microseconds
 * @return 1 it is done; 0 it goes on without us; -1 no thread could be made
 */
int wsgi_bounded_run(void (*function)(void *argument), void *argument, apr_interval_time_t wait);

#endif
