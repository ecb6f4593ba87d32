#ifndef WSGI_DESCRIPTORS_H
#define WSGI_DESCRIPTORS_H

/**
 * In a process that was forked from Apache's parent and has an account of its own next: close what the parent has open
 * for itself and for others. Files, pipes and listening sockets from descriptor 3 on are closed unless they are in
 * `own` or is_wanted() says 1. Everything else stays: libraries keep connections to log and name services in ways that
 * would end in somebody else's descriptor of the same number. One thread, no other in the process.
 */
void wsgi_descriptors_close_inherited(const int *own, int count, int (*is_wanted)(void *context, int fd),
                                      void *context);

#endif
