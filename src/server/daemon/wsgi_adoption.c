#include "daemon/wsgi_adoption.h"

#include <errno.h>

#if defined(__linux__)
#include <sys/prctl.h>

int wsgi_adoption_begin(void)
{
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

#elif defined(__FreeBSD__)
#include <sys/procctl.h>

int wsgi_adoption_begin(void)
{
    return procctl(P_PID, 0, PROC_REAP_ACQUIRE, NULL);
}

#else

int wsgi_adoption_begin(void)
{
    errno = ENOSYS;
    return -1;
}

#endif
