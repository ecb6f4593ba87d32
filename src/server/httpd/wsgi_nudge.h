#ifndef WSGI_NUDGE_H
#define WSGI_NUDGE_H

#include <apr_pools.h>

/**
 * Children of the next configuration, at once. At a graceful restart the old children stop accepting connections
 * immediately; Apache's parent starts new ones when it finds that a child has ended, and for that it looks once a
 * second, sleeping in between. So after most restarts nobody answers for a second, not even for static files. A timer
 * signal for the first second cuts those sleeps short; Apache takes that as if the second had passed, and starts the
 * children that are missing.
 */

/** In the parent, after a restart. Ends with the configuration that lives in `pconf`. */
void wsgi_nudge_begin(apr_pool_t *pconf);

/** In a new child: it inherits the handler, though not the timer. */
void wsgi_nudge_forget(void);

#endif
