#include "daemon/wsgi_memory.h"

#include <stdio.h>
#include <unistd.h>

#if defined(__APPLE__)
#include <libproc.h>

apr_int64_t wsgi_memory_rss(pid_t pid)
{
    struct proc_taskinfo info;

    return proc_pidinfo(pid, PROC_PIDTASKINFO, 0, &info, sizeof(info)) == sizeof(info)
               ? (apr_int64_t)info.pti_resident_size
               : 0;
}

#else

/* Linux, and what has a /proc like it: the second number of statm is that of resident pages. */
apr_int64_t wsgi_memory_rss(pid_t pid)
{
    char path[64];
    long long pages = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%ld/statm", (long)pid);
    file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    if (fscanf(file, "%*s %lld", &pages) != 1) {
        pages = 0;
    }
    fclose(file);
    return (apr_int64_t)pages * sysconf(_SC_PAGESIZE);
}

#endif
