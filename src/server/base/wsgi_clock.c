#include "base/wsgi_clock.h"

#include <limits.h>
#include <time.h>

apr_time_t wsgi_clock_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (apr_time_t)now.tv_sec * APR_USEC_PER_SEC + now.tv_nsec / 1000;
}

int wsgi_clock_poll_ms(apr_time_t deadline)
{
    apr_time_t left = deadline - wsgi_clock_now();

    if (left <= 0) {
        return 0;
    }
    left = (left + 999) / 1000;
    return left > INT_MAX ? INT_MAX : (int)left;
}

#ifdef __APPLE__ /* has no clock to choose, but waits by the time that is left */

int wsgi_clock_cond_init(pthread_cond_t *cond)
{
    return pthread_cond_init(cond, NULL);
}

int wsgi_clock_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, apr_interval_time_t limit)
{
    struct timespec left = { .tv_sec = (time_t)apr_time_sec(limit), .tv_nsec = (long)apr_time_usec(limit) * 1000 };

    return pthread_cond_timedwait_relative_np(cond, lock, &left);
}

#else

int wsgi_clock_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    int error = pthread_condattr_init(&attributes);

    if (error != 0) {
        return error;
    }
    error = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (error == 0) {
        error = pthread_cond_init(cond, &attributes);
    }
    pthread_condattr_destroy(&attributes);
    return error;
}

int wsgi_clock_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, apr_interval_time_t limit)
{
    apr_time_t until = wsgi_clock_now() + limit;
    struct timespec deadline = { .tv_sec = (time_t)apr_time_sec(until), .tv_nsec = (long)apr_time_usec(until) * 1000 };

    return pthread_cond_timedwait(cond, lock, &deadline);
}

#endif

#if defined(__GLIBC_PREREQ) && !defined(__SANITIZE_THREAD__) /* which does not know the call */
#define HAS_CLOCKLOCK __GLIBC_PREREQ(2, 30)
#else
#define HAS_CLOCKLOCK 0
#endif

#if HAS_CLOCKLOCK

int wsgi_clock_mutex_lock(pthread_mutex_t *lock, apr_interval_time_t limit)
{
    apr_time_t until = wsgi_clock_now() + limit;
    struct timespec deadline = { .tv_sec = (time_t)apr_time_sec(until), .tv_nsec = (long)apr_time_usec(until) * 1000 };

    return pthread_mutex_clocklock(lock, CLOCK_MONOTONIC, &deadline);
}

#else

int wsgi_clock_mutex_lock(pthread_mutex_t *lock, apr_interval_time_t limit)
{
    (void)limit;
    return pthread_mutex_trylock(lock);
}

#endif
