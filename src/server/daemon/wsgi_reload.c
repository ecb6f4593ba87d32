#include "daemon/wsgi_reload.h"

#include <apr_strings.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/wsgi_clock.h"
#include "daemon/wsgi_control.h"

enum {
    REPORTED = 16,
    LOOK_PAUSE = 20000000,  /* nanoseconds between two looks at the board */
    FAILURE_PAUSE = 1000000 /* microseconds after a failure before another request waits for a replacement */
};

typedef struct {
    const char *script, *application_group;
} reported_t;

struct wsgi_reload_t {
    const wsgi_worker_start_t *start; /* constant */
    apr_interval_time_t patience;     /* constant */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int is_waiting;                   /* guarded by lock: a request waits for the replacement */
    int failures;                     /* guarded by lock: replacements that died before they were ready */
    apr_time_t failed;                /* guarded by lock: when the last one did, 0 none */
    int is_retired;                   /* guarded by lock */
    reported_t reported[REPORTED];    /* entries below the count are constant */
    _Atomic int reported_count;       /* raised with lock held */
};

wsgi_reload_t *wsgi_reload_create(const wsgi_worker_start_t *start, apr_interval_time_t socket_timeout)
{
    wsgi_reload_t *reload = apr_pcalloc(start->pprocess, sizeof(*reload));

    reload->start = start;
    reload->patience = socket_timeout / 4 * 3;
    pthread_mutex_init(&reload->lock, NULL);
    pthread_cond_init(&reload->changed, NULL);
    return reload;
}

void wsgi_reload_retired(wsgi_reload_t *reload)
{
    pthread_mutex_lock(&reload->lock);
    reload->is_retired = 1;
    pthread_cond_broadcast(&reload->changed);
    pthread_mutex_unlock(&reload->lock);
}

void wsgi_reload_failed(wsgi_reload_t *reload)
{
    pthread_mutex_lock(&reload->lock);
    reload->failures++;
    reload->failed = wsgi_clock_now();
    pthread_cond_broadcast(&reload->changed);
    pthread_mutex_unlock(&reload->lock);
}

/* Whether a younger worker is ready. The board says so before the keeper's message arrives. */
static int is_outdated(const wsgi_reload_t *reload)
{
    return reload->is_retired || wsgi_board_read_fresh(reload->start->endpoint->board) > reload->start->birth;
}

/* Lock held; gives it up while waiting. @return whether a younger worker became ready in time */
static int wait_for_successor(wsgi_reload_t *reload)
{
    apr_time_t deadline = wsgi_clock_now() + reload->patience;
    int failures = reload->failures;

    while (!is_outdated(reload) && reload->failures == failures && wsgi_clock_now() < deadline) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += LOOK_PAUSE;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_cond_timedwait(&reload->changed, &reload->lock, &until);
    }
    return is_outdated(reload);
}

static int ask_keeper(const wsgi_reload_t *reload)
{
    static const char reason[] = "script_reload";

    return wsgi_control_send(reload->start->keeper, WSGI_CONTROL_REPLACE, reason, sizeof(reason) - 1) == APR_SUCCESS;
}

/* Lock held. @return whether this request may be handed to a younger worker */
static int find_successor(wsgi_reload_t *reload, const char *script)
{
    const wsgi_group_t *group = reload->start->plan->group;
    int found;

    if (is_outdated(reload)) {
        return 1;
    }
    if (reload->is_waiting || (reload->failed != 0 && wsgi_clock_now() < reload->failed + FAILURE_PAUSE)) {
        return 0;
    }
    reload->is_waiting = 1;
    wsgi_log(&reload->start->apache->log, WSGI_HERE, WSGI_LOG_INFO, 0,
             "Script '%s' has changed: a process of daemon process group '%s' is replaced.", script, group->name);
    found = ask_keeper(reload) && wait_for_successor(reload);
    reload->is_waiting = 0;
    if (!found) {
        wsgi_log(&reload->start->apache->log, WSGI_HERE, WSGI_LOG_ERR, 0,
                 WSGI_LOGNO(0251) "Script '%s' has changed, but no replacement of the process of daemon process group "
                                  "'%s' became ready; the code loaded before is used.",
                 script, group->name);
    }
    return found;
}

wsgi_change_t wsgi_reload_script_changed(wsgi_reload_t *reload, wsgi_threadpool_t *pool, const char *script,
                                         const char *application_group)
{
    int found;

    wsgi_reload_loaded(reload, script, application_group); /* the successor loads it before it is ready */
    pthread_mutex_lock(&reload->lock);
    found = find_successor(reload, script);
    pthread_mutex_unlock(&reload->lock);
    if (!found) {
        return WSGI_CHANGE_IGNORE;
    }
    wsgi_threadpool_stop_accepting(pool); /* first, or the request could come straight back here */
    return WSGI_CHANGE_REJECT;
}

static int is_reported(const wsgi_reload_t *reload, int count, const char *script, const char *application_group)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(reload->reported[i].script, script) == 0
            && strcmp(reload->reported[i].application_group, application_group) == 0) {
            return 1;
        }
    }
    return 0;
}

static void report(const wsgi_reload_t *reload, const char *script, const char *application_group)
{
    char text[WSGI_CONTROL_TEXT];
    size_t group_len = strlen(application_group), script_len = strlen(script);

    if (group_len + 1 + script_len >= sizeof(text)) {
        return; /* loaded by its first request, then */
    }
    memcpy(text, application_group, group_len + 1);
    memcpy(text + group_len + 1, script, script_len);
    (void)wsgi_control_send(reload->start->keeper, WSGI_CONTROL_LOADED, text, (int)(group_len + 1 + script_len));
}

void wsgi_reload_loaded(wsgi_reload_t *reload, const char *script, const char *application_group)
{
    int count = atomic_load_explicit(&reload->reported_count, memory_order_acquire);

    if (count == REPORTED || is_reported(reload, count, script, application_group)) {
        return;
    }
    pthread_mutex_lock(&reload->lock);
    count = atomic_load(&reload->reported_count);
    if (count < REPORTED && !is_reported(reload, count, script, application_group)) {
        apr_pool_t *pool = reload->start->pprocess; /* used by request threads with this lock only */
        reload->reported[count] = (reported_t){ apr_pstrdup(pool, script), apr_pstrdup(pool, application_group) };
        atomic_store_explicit(&reload->reported_count, count + 1, memory_order_release);
        report(reload, script, application_group);
    }
    pthread_mutex_unlock(&reload->lock);
}
