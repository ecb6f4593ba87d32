#ifndef WSGI_RENEWAL_H
#define WSGI_RENEWAL_H

#include "daemon/wsgi_keeperstate.h"

/**
 * The keeper's part in replacing workers that go on serving until another takes their place, above all because a script
 * has changed (README.md: "Changed script").
 */

/** The worker has loaded what it should. */
void wsgi_renewal_on_ready(wsgi_keeper_t *k, wsgi_proc_t *proc);

/** The worker tells which version of a script it answers with. The message is untrusted. */
void wsgi_renewal_on_loaded(wsgi_keeper_t *k, wsgi_proc_t *proc, const wsgi_control_message_t *message);

/** The worker asks for a replacement. */
void wsgi_renewal_on_replace(wsgi_keeper_t *k, wsgi_proc_t *proc, const char *reason);

/** Scripts have changed, or are to be taken as if: have a worker that loads them as they are, and retire the others. */
void wsgi_renewal_reload(wsgi_keeper_t *k);

/**
 * The worker that should have known the change is dead: who waits for it goes on with what is loaded. If it refused to
 * serve without the script, all is as if nobody had asked.
 */
void wsgi_renewal_give_up(wsgi_keeper_t *k, int is_refused);

#endif
