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
