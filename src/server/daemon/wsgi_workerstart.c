#include "daemon/wsgi_workerstart.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/wsgi_loader.h"
#include "base/wsgi_pyhome.h"
#include "daemon/wsgi_child.h"
#include "daemon/wsgi_heirs.h"

enum { INIT_FAILURE = 1 }; /* exit status */

/* ---- called from Python's side ---- */

static wsgi_change_t on_script_changed(void *context, const char *script, const char *application_group)
{
    wsgi_workerstate_t *w = context;

    return wsgi_reload_script_changed(w->reload, w->pool, script, application_group);
}

static void on_loading(void *context, const char *script, const char *application_group)
{
    wsgi_reload_loading(((wsgi_workerstate_t *)context)->reload, script, application_group);
}

static void on_waiting(void *context, int is_waiting)
{
    wsgi_workerstate_t *w = context;

    wsgi_threadpool_waiting(w->pool, is_waiting);
}

static void on_keep(void *context, int thread)
{
    wsgi_threadpool_keep(((wsgi_workerstate_t *)context)->pool, thread);
}

static void on_answering(void *context, const char *script, const char *application_group)
{
    wsgi_workerstate_t *w = context;

    wsgi_monitor_script_available(w->monitor);
    wsgi_reload_answering(w->reload, script, application_group);
}

static void on_activity(void *context)
{
    wsgi_monitor_activity(((wsgi_workerstate_t *)context)->monitor);
}

/* The bridge only calls applications that it has. */
static void on_application(void *context)
{
    wsgi_monitor_script_available(((wsgi_workerstate_t *)context)->monitor);
    on_activity(context);
}

/* In a signal handler. */
static void on_crash(void *context)
{
    const wsgi_workerstate_t *w = context;

    if (w->pool != NULL) {
        wsgi_board_slot_crashed(w->start->endpoint->board, w->start->slot, wsgi_threadpool_self(w->pool));
    }
}

/* ---- start ---- */

void wsgi_workerstart_give_up(const wsgi_workerstate_t *w)
{
    wsgi_log(w->log, WSGI_HERE, WSGI_LOG_ALERT, 0,
             WSGI_LOGNO(0025) "A process of daemon process group '%s' could not be set up and ends; another will be "
                              "started later.",
             w->group->name);
    _exit(INIT_FAILURE);
}

static void open_signals(wsgi_workerstate_t *w)
{
    wsgi_signals_reset();
    if (wsgi_signals_open_worker(&w->signals, w->group->threads == 0) < 0 || wsgi_signals_on_crash(on_crash, w) < 0) {
        wsgi_log(w->log, WSGI_HERE, WSGI_LOG_ALERT, errno,
                 WSGI_LOGNO(0027) "Unable to create the pipes for signals in daemon process group '%s'.",
                 w->group->name);
        wsgi_workerstart_give_up(w);
    }
}

static void start_python(wsgi_workerstate_t *w)
{
    const wsgi_bridge_t *bridge = w->start->bridge;
    wsgi_runtime_t *runtime = NULL;
    const char *why = NULL;
    apr_status_t rv = APR_SUCCESS;

    if (bridge == NULL) {
        rv = wsgi_loader_open(&bridge, &why, w->settings.python_home, w->start->pprocess);
    }
    w->host.log = wsgi_overheard_sink(&w->overheard, w->log);
    w->overheard.is_guarded = w->start->is_template;
    if (w->group->startup_timeout > 0 || w->group->inactivity_timeout > 0) {
        w->host.activity = on_application;
        w->host.context = w;
    }
    if (rv == APR_SUCCESS) {
        rv = bridge->start(&runtime, &w->settings, &w->host);
    }
    if (rv != APR_SUCCESS) {
        const char *wrong = wsgi_pyhome_explain(w->settings.python_home, w->start->pprocess);
        why = wrong != NULL ? wrong : why;
        wsgi_log(w->log, WSGI_HERE, WSGI_LOG_CRIT, 0,
                 WSGI_LOGNO(0028) "Python cannot be started in daemon process group '%s'; its requests will fail: %s.",
                 w->group->name, why != NULL ? why : "see the messages above");
        return;
    }
    w->peer.bridge = bridge;
    w->peer.runtime = runtime;
}

/* A signal has arrived that the main thread has not looked at. */
static int is_signalled(const wsgi_workerstate_t *w)
{
    struct pollfd fd = { .fd = w->signals.control, .events = POLLIN };

    return poll(&fd, 1, 0) > 0;
}

/* What was logged about a script that cannot be loaded, for somebody who waits for that. */
static void tell_trouble(wsgi_workerstate_t *w)
{
    const char *text = wsgi_overheard_end(&w->overheard);

    (void)wsgi_control_send(w->keeper.fd, WSGI_CONTROL_FAILED, text, (int)strlen(text));
}

/* @return 0 when the script is not to be had */
static int preload(wsgi_workerstate_t *w, const char *script, const char *application_group)
{
    if (is_signalled(w)) {
        return 1;
    }
    wsgi_reload_loading(w->reload, script, application_group);
    wsgi_overheard_begin(&w->overheard);
    if (w->peer.bridge->preload(w->peer.runtime, script, application_group) != WSGI_DONE) {
        tell_trouble(w);
        return 0;
    }
    wsgi_overheard_end(&w->overheard);
    wsgi_reload_loaded(w->reload, script, application_group);
    wsgi_monitor_script_available(w->monitor);
    return 1;
}

/* Import scripts are named as Apache sees them, or as this process does. */
static void preload_import(wsgi_workerstate_t *w, const wsgi_import_t *import)
{
    const char *script = w->group->chroot ? wsgi_peer_inside_root(w->group->chroot, import->script) : NULL;

    (void)preload(w, script != NULL ? script : import->script, import->application_group); /* logs */
}

static void fill_peer(wsgi_workerstate_t *w)
{
    const wsgi_apache_t *apache = w->start->apache;

    w->peer.endpoint = w->start->endpoint;
    w->peer.socket_timeout = w->group->socket_timeout > 0 ? w->group->socket_timeout : apache->timeout;
    w->peer.log = *w->log;
    w->peer.request_log = apache->request_log;
    w->peer.slot = w->start->slot;
    w->peer.progress = wsgi_inprogress_create(w->group->threads, w->start->pprocess);
    if (w->peer.progress == NULL) {
        wsgi_workerstart_give_up(w);
    }
    w->peer.as_of = w->start->as_of;
    w->peer.script_changed = on_script_changed;
    w->peer.waiting = on_waiting;
    w->peer.keep = on_keep;
    w->peer.loading = on_loading;
    w->peer.answering = on_answering;
    w->peer.activity = w->group->inactivity_timeout > 0 ? on_activity : NULL;
    w->peer.context = w;
}

static void set_up(wsgi_workerstate_t *w)
{
    const wsgi_apache_t *apache = w->start->apache;

    wsgi_log(w->log, WSGI_HERE, WSGI_LOG_INFO, 0,
             "Starting a process of daemon process group '%s' as user id %ld, group id %ld, with %d threads.",
             w->group->name, (long)geteuid(), (long)getegid(), w->group->threads);
    if (w->group->display_name != NULL) {
        wsgi_child_set_title(w->group->display_name, apache);
    }
    if (!wsgi_child_enter_home(w->group, apache)) {
        wsgi_workerstart_give_up(w);
    }
    open_signals(w);
    wsgi_child_apply_limits(w->group, apache);
    apache->adopt_log(apache->context, w->group);
}

wsgi_workerstate_t *wsgi_workerstart_prepare(wsgi_worker_start_t *start)
{
    wsgi_workerstate_t *w = apr_pcalloc(start->pprocess, sizeof(*w));

    w->start = start;
    w->settings = *start->plan->settings;
    w->group = start->plan->group;
    w->log = &start->apache->log;
    wsgi_control_init(&w->keeper, start->keeper);
    set_up(w);
    fill_peer(w);
    w->monitor = wsgi_monitor_create(w->group, w->log, start->pprocess);
    w->reload = wsgi_reload_create(start, w->peer.socket_timeout);
    if (w->reload == NULL || wsgi_heirs_get_nothing(start->listener, start->keeper) != 0) {
        wsgi_workerstart_give_up(w);
    }
    start_python(w);
    return w;
}

static int is_wanted(const char *application_group, wsgi_scripts_which_t which)
{
    int is_main = strcmp(application_group, WSGI_MAIN_INTERPRETER) == 0;

    return which == WSGI_SCRIPTS_ALL || is_main == (which == WSGI_SCRIPTS_MAIN);
}

void wsgi_workerstart_load(wsgi_workerstate_t *w, wsgi_scripts_which_t which)
{
    const wsgi_worker_start_t *start = w->start;

    if (w->peer.runtime == NULL) {
        return;
    }
    for (int i = 0; i < start->plan->import_count; i++) {
        if (is_wanted(start->plan->imports[i].application_group, which)) {
            preload_import(w, &start->plan->imports[i]);
        }
    }
    for (int i = 0; i < start->warm_count && w->group->threads > 0; i++) {
        const wsgi_warm_script_t *warm = &start->warm[i];
        if (is_wanted(warm->application_group, which)
            && access(warm->script, R_OK) == 0 /* it may have been removed since it ran */
            && !preload(w, warm->script, warm->application_group) && start->may_refuse) {
            _exit(WSGI_WORKER_REFUSED);
        }
    }
}
