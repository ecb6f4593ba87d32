#ifndef WSGI_SHAREDMEM_H
#define WSGI_SHAREDMEM_H

/**
 * In a process that was forked from Apache's parent and has an account of its own next: give up memory that it shares
 * with Apache. Whoever can write to Apache's scoreboard, say, has a say in what its parent does as root; a cache of TLS
 * sessions holds keys. Every mapping that is shared and writable goes, but for those that is_wanted() is told of and
 * says 1. Where the system does not list mappings (other than Linux) nothing happens. One thread, no other.
 * @return 0, or the errno of what failed
 */
int wsgi_sharedmem_leave(int (*is_wanted)(void *context, const void *start, const void *end), void *context);

#endif
