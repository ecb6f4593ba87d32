#include "httpd/wsgi_nudge.h"

#include <signal.h>
#include <string.h>
#include <sys/time.h>

enum { PAUSE = 10000 /* microseconds */, TIMES = 100 };

static volatile sig_atomic_t times_left; /* the handler's; it has no other way to know */

static void set_timer(long microseconds)
{
    const struct itimerval timer = { .it_interval.tv_usec = microseconds, .it_value.tv_usec = microseconds };

    (void)setitimer(ITIMER_REAL, &timer, NULL); /* cannot fail with these values; without it Apache is as it was */
}

/* That it ran is what interrupts the sleep. */
static void on_alarm(int signum)
{
    (void)signum;
    if (--times_left <= 0) {
        set_timer(0);
    }
}

/* Whether the signal is left alone or ours; somebody else's handler is not to be disturbed. */
static int may_use_signal(void)
{
    struct sigaction action;

    return sigaction(SIGALRM, NULL, &action) == 0 && (action.sa_handler == SIG_DFL || action.sa_handler == on_alarm);
}

static void set_handler(void (*handler)(int))
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART; /* a sleep is not restarted all the same */
    sigemptyset(&action.sa_mask);
    (void)sigaction(SIGALRM, &action, NULL);
}

void wsgi_nudge_forget(void)
{
    if (may_use_signal()) {
        set_handler(SIG_DFL);
    }
}

/* Before the module with the handler in it is unloaded. */
static apr_status_t end(void *unused)
{
    (void)unused;
    if (may_use_signal()) {
        set_timer(0);
        set_handler(SIG_IGN); /* one that is on its way does nothing */
        set_handler(SIG_DFL);
    }
    return APR_SUCCESS;
}

void wsgi_nudge_begin(apr_pool_t *pconf)
{
    if (!may_use_signal()) {
        return;
    }
    times_left = TIMES;
    set_handler(on_alarm);
    apr_pool_cleanup_register(pconf, NULL, end, apr_pool_cleanup_null);
    set_timer(PAUSE);
}
