#ifndef WSGI_CLOCK_H
#define WSGI_CLOCK_H

#include <apr_time.h>

/** The monotonic clock, microseconds since some moment in the past. For every deadline; never shown to users. */
apr_time_t wsgi_clock_now(void);

/** Milliseconds from now to `deadline` for poll(): rounded up so that it never wakes early, 0 when it is past. */
int wsgi_clock_poll_ms(apr_time_t deadline);

#endif
