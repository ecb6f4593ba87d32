#ifndef WSGI_CLOCK_H
#define WSGI_CLOCK_H

#include <apr_time.h>
#include <pthread.h>

/** The monotonic clock, microseconds since some moment in the past. For every deadline; never shown to users. */
apr_time_t wsgi_clock_now(void);

/** Milliseconds from now to `deadline` for poll(): rounded up so that it never wakes early, 0 when it is past. */
int wsgi_clock_poll_ms(apr_time_t deadline);

/** A condition variable for wsgi_clock_cond_wait(). @return 0, or an error number */
int wsgi_clock_cond_init(pthread_cond_t *cond);

/**
 * Wait for a signal, for `limit` microseconds (> 0) at most, whatever becomes of the wall clock meanwhile. As with
 * pthread_cond_timedwait the lock is held before and after, and a wake may come for no reason.
 * @return 0, or ETIMEDOUT
 */
int wsgi_clock_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, apr_interval_time_t limit);

/**
 * Lock a mutex, waiting for `limit` microseconds (> 0) at most.
 * @return 0; EBUSY or ETIMEDOUT when others had it all the time. Where no such wait is to be had it does not wait.
 */
int wsgi_clock_mutex_lock(pthread_mutex_t *lock, apr_interval_time_t limit);

#endif
