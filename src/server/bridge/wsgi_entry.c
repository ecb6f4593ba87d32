#include "bridge/wsgi_callout.h"
#include "bridge/wsgi_events.h"
#include "bridge/wsgi_execute.h"
#include "bridge/wsgi_hostfork.h"
#include "bridge/wsgi_interp.h"
#include "bridge/wsgi_runtime.h"
#include "bridge/wsgi_watch.h"

/* The table of functions: all that a host sees of a bridge. */

typedef void visit_t(wsgi_interp_t *interp, const char *reason, int signum);

static void visit_all(wsgi_runtime_t *runtime, visit_t *visit, const char *reason, int signum)
{
    wsgi_thread_t *thread = wsgi_thread_current(runtime);
    wsgi_interp_t *interp;

    if (thread == NULL || wsgi_runtime_begin_visit(runtime) < 0) {
        return;
    }
    for (interp = atomic_load(&runtime->interps); interp != NULL; interp = interp->next) {
        if (wsgi_interp_enter(thread, interp) == 0) {
            visit(interp, reason, signum);
            wsgi_interp_leave();
        }
    }
    wsgi_runtime_end_visit(runtime);
}

static void publish_stopping(wsgi_interp_t *interp, const char *reason, int signum)
{
    (void)signum;
    wsgi_events_process_stopping(interp, reason);
}

static void publish_signal(wsgi_interp_t *interp, const char *reason, int signum)
{
    (void)reason;
    wsgi_events_process_signal(interp, signum);
}

static void stopping(wsgi_runtime_t *runtime, const char *reason)
{
    if (!runtime->settings->is_service) {
        visit_all(runtime, publish_stopping, reason, 0);
    }
}

static void signalled(wsgi_runtime_t *runtime, int signum)
{
    if (!runtime->settings->is_service) {
        visit_all(runtime, publish_signal, NULL, signum);
    }
}

#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
extern const wsgi_bridge_t wsgi_bridge_table;

const wsgi_bridge_t wsgi_bridge_table = {
    .abi = WSGI_BRIDGE_ABI,
    .size = sizeof(wsgi_bridge_t),
    .python_version = PY_VERSION,
    .soabi = WSGI_SOABI,
    .start = wsgi_runtime_start,
    .preload = wsgi_execute_preload,
    .fork = wsgi_hostfork,
    .execute = wsgi_execute,
    .ask = wsgi_callout_ask,
    .stopping = stopping,
    .stop = wsgi_runtime_stop,
    .interrupt = wsgi_watch_interrupt,
    .dump_stacks = wsgi_watch_dump_stacks,
    .probe = wsgi_watch_probe,
    .holds_gil = wsgi_watch_holds_gil,
    .signalled = signalled,
};
