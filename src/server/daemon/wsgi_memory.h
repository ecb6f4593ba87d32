#ifndef WSGI_MEMORY_H
#define WSGI_MEMORY_H

#include <apr.h>
#include <sys/types.h>

/** @return resident memory of a process of the same user in bytes; 0 when it is gone or the system does not tell */
apr_int64_t wsgi_memory_rss(pid_t pid);

#endif
