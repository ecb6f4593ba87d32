#include "daemon/wsgi_reload.h"

#include <apr_file_info.h>
#include <apr_strings.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/wsgi_clock.h"
#include "daemon/wsgi_control.h"
#include "daemon/wsgi_warm.h"

enum {
    KNOWN = 64,             /* scripts of one worker; others are loaded by their first request */
    LOOK_PAUSE = 20000,     /* microseconds between two looks at the board */
    FAILURE_PAUSE = 1000000 /* microseconds after a failure before another request waits for a replacement */
};

/* A script that this process has loaded, or tried to. */
typedef struct {
    const char *script, *application_group; /* constant */
    wsgi_version_t version;                 /* constant; of the file just before it was loaded */
    _Atomic apr_uint64_t loaded_stamp;      /* of the file just after; 0: not known yet */
    _Atomic int has_answered;
} known_t;

struct wsgi_reload_t {
    const wsgi_worker_start_t *start; /* constant */
    apr_interval_time_t patience;     /* constant */
    apr_pool_t *pool;                 /* guarded by lock */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int is_waiting;                   /* guarded by lock: a request waits for the replacement */
    int failures;                     /* guarded by lock: replacements that died before they were ready */
    apr_time_t hopeless_until;        /* guarded by lock: until then none is asked for the same version */
    apr_uint64_t failed_stamp;        /* guarded by lock: the version it was started for */
    int is_retired;                   /* guarded by lock */
    known_t known[KNOWN];             /* entries from the count on are guarded by lock */
    _Atomic int known_count;          /* raised with lock held */
};

wsgi_reload_t *wsgi_reload_create(const wsgi_worker_start_t *start, apr_interval_time_t socket_timeout)
{
    wsgi_reload_t *reload = apr_pcalloc(start->pprocess, sizeof(*reload));

    reload->start = start;
    reload->patience = socket_timeout / 4 * 3;
    reload->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    if (apr_pool_create(&reload->pool, NULL) != APR_SUCCESS /* not pprocess: request threads use it */
        || wsgi_clock_cond_init(&reload->changed) != 0) {
        return NULL;
    }
    return reload;
}

void wsgi_reload_retired(wsgi_reload_t *reload)
{
    pthread_mutex_lock(&reload->lock);
    reload->is_retired = 1;
    pthread_cond_broadcast(&reload->changed);
    pthread_mutex_unlock(&reload->lock);
}

void wsgi_reload_failed(wsgi_reload_t *reload, int for_good)
{
    pthread_mutex_lock(&reload->lock);
    reload->failures++;
    reload->hopeless_until = for_good ? APR_INT64_MAX : wsgi_clock_now() + FAILURE_PAUSE;
    pthread_cond_broadcast(&reload->changed);
    pthread_mutex_unlock(&reload->lock);
}

/* Whether a younger worker is ready. The board says so before the keeper's message arrives. */
static int is_outdated(const wsgi_reload_t *reload)
{
    return reload->is_retired || wsgi_board_read_fresh(reload->start->endpoint->board) > reload->start->as_of;
}

/* Lock held; gives it up while waiting. @return whether a younger worker became ready in time */
static int wait_for_successor(wsgi_reload_t *reload)
{
    apr_time_t deadline = wsgi_clock_now() + reload->patience;
    int failures = reload->failures;

    while (!is_outdated(reload) && reload->failures == failures && wsgi_clock_now() < deadline) {
        (void)wsgi_clock_cond_wait(&reload->changed, &reload->lock, LOOK_PAUSE);
    }
    return is_outdated(reload);
}

static int ask_keeper(const wsgi_reload_t *reload)
{
    static const char reason[] = "script_reload";

    return wsgi_control_send(reload->start->keeper, WSGI_CONTROL_REPLACE, reason, sizeof(reason) - 1) == APR_SUCCESS;
}

/* A number for a file, whatever its version: FNV-1a of its path. */
static apr_uint64_t number_of(const char *path)
{
    apr_uint64_t number = APR_UINT64_C(14695981039346656037);

    for (; *path != '\0'; path++) {
        number = (number ^ (unsigned char)*path) * APR_UINT64_C(1099511628211);
    }
    return number;
}

/*
 * A number for a version of a file: FNV-1a of its path, inode, size and time. @return 0 when it cannot be examined
 */
static apr_uint64_t stamp_of(const char *path)
{
    apr_uint64_t stamp = number_of(path);
    apr_uint64_t facts[3];
    const unsigned char *bytes = (const unsigned char *)facts;
    apr_pool_t *scratch;
    apr_finfo_t info;
    apr_status_t rv;

    if (apr_pool_create(&scratch, NULL) != APR_SUCCESS) {
        return 0;
    }
    rv = apr_stat(&info, path, APR_FINFO_MTIME | APR_FINFO_SIZE | APR_FINFO_INODE, scratch);
    apr_pool_destroy(scratch);
    if (rv != APR_SUCCESS) {
        return 0;
    }
    facts[0] = (apr_uint64_t)info.inode;
    facts[1] = (apr_uint64_t)info.size;
    facts[2] = (apr_uint64_t)info.mtime;
    for (size_t i = 0; i < sizeof(facts); i++) {
        stamp = (stamp ^ bytes[i]) * APR_UINT64_C(1099511628211);
    }
    return stamp != 0 ? stamp : 1;
}

/* Any thread. */
static known_t *find_known(wsgi_reload_t *reload, const char *script, const char *application_group)
{
    int count = atomic_load_explicit(&reload->known_count, memory_order_acquire);

    for (int i = 0; i < count; i++) {
        if (strcmp(reload->known[i].script, script) == 0
            && strcmp(reload->known[i].application_group, application_group) == 0) {
            return &reload->known[i];
        }
    }
    return NULL;
}

/*
 * Whether somebody in the group serves this version already, or one between it and what is loaded here: one of the
 * others whose first request came after the change.
 */
static int is_served_elsewhere(const wsgi_reload_t *reload, apr_uint64_t stamp, const known_t *own)
{
    const wsgi_board_t *board = reload->start->endpoint->board;

    return own != NULL && own->version.stamp != stamp
           && (wsgi_board_read_published(board, stamp)
               || wsgi_board_read_superseded(board, number_of(own->script)) > own->version.when);
}

/* Lock held. Whether a replacement for this version died just now, or could not load it. */
static int is_hopeless(const wsgi_reload_t *reload, apr_uint64_t stamp)
{
    return reload->failed_stamp == stamp && wsgi_clock_now() < reload->hopeless_until;
}

static void complain(const wsgi_reload_t *reload, const char *script)
{
    wsgi_log(&reload->start->apache->log, WSGI_HERE, WSGI_LOG_ERR, 0,
             WSGI_LOGNO(0251) "Script '%s' has changed, but no replacement of the process of daemon process group "
                              "'%s' became ready; the code loaded before is used.",
             script, reload->start->plan->group->name);
}

/* Lock held. @return whether this request may be handed to a worker with the new code */
static int find_successor(wsgi_reload_t *reload, const char *script, apr_uint64_t stamp, const known_t *own)
{
    int found;

    if (is_outdated(reload)) {
        return 1;
    }
    if (is_served_elsewhere(reload, stamp, own)) {
        return ask_keeper(reload);
    }
    if (reload->is_waiting || is_hopeless(reload, stamp)) {
        return 0;
    }
    reload->is_waiting = 1;
    reload->failed_stamp = stamp; /* in case it fails */
    wsgi_log(&reload->start->apache->log, WSGI_HERE, WSGI_LOG_INFO, 0,
             "Script '%s' has changed: a process of daemon process group '%s' is replaced.", script,
             reload->start->plan->group->name);
    found = ask_keeper(reload) && wait_for_successor(reload);
    reload->is_waiting = 0;
    if (!found) {
        complain(reload, script);
    }
    return found;
}

wsgi_change_t wsgi_reload_script_changed(wsgi_reload_t *reload, wsgi_threadpool_t *pool, const char *script,
                                         const char *application_group)
{
    const known_t *own = find_known(reload, script, application_group);
    apr_uint64_t stamp = stamp_of(script);
    int found;

    pthread_mutex_lock(&reload->lock);
    found = find_successor(reload, script, stamp, own);
    pthread_mutex_unlock(&reload->lock);
    if (!found) {
        return WSGI_CHANGE_IGNORE;
    }
    wsgi_threadpool_stop_accepting(pool); /* first, or the request could come straight back here */
    return WSGI_CHANGE_REJECT;
}

static void tell_keeper(const wsgi_reload_t *reload, const known_t *known)
{
    char text[WSGI_CONTROL_TEXT];
    wsgi_report_t report = { known->version, known->application_group, known->script };
    int len = wsgi_warm_encode(text, &report);

    if (len > 0) { /* else it is loaded by its first request in every process */
        (void)wsgi_control_send(reload->start->keeper, WSGI_CONTROL_LOADED, text, len);
    }
}

void wsgi_reload_loading(wsgi_reload_t *reload, const char *script, const char *application_group)
{
    int count;

    if (find_known(reload, script, application_group) != NULL) {
        return;
    }
    pthread_mutex_lock(&reload->lock);
    count = atomic_load(&reload->known_count);
    if (count < KNOWN && find_known(reload, script, application_group) == NULL) {
        reload->known[count].script = apr_pstrdup(reload->pool, script);
        reload->known[count].application_group = apr_pstrdup(reload->pool, application_group);
        reload->known[count].version.when = (apr_uint64_t)wsgi_clock_now();
        reload->known[count].version.stamp = stamp_of(script);
        atomic_store_explicit(&reload->known_count, count + 1, memory_order_release);
    }
    pthread_mutex_unlock(&reload->lock);
}

static void note_loaded(known_t *known)
{
    apr_uint64_t none = 0;

    if (atomic_load(&known->loaded_stamp) == 0) {
        (void)atomic_compare_exchange_strong(&known->loaded_stamp, &none, stamp_of(known->script));
    }
}

void wsgi_reload_loaded(wsgi_reload_t *reload, const char *script, const char *application_group)
{
    known_t *known = find_known(reload, script, application_group);

    if (known == NULL) {
        return;
    }
    note_loaded(known);
    if (atomic_load(&known->loaded_stamp) != known->version.stamp) {
        (void)ask_keeper(reload); /* the file changed meanwhile, so nobody knows which of the versions this is */
    }
}

/*
 * The file may have changed between the look at it and the loading, so what is served is of the one version or of the
 * other; publishing both means that nobody serves what is older than either. What the file has become since then is
 * nothing that is served.
 */
void wsgi_reload_answering(wsgi_reload_t *reload, const char *script, const char *application_group)
{
    known_t *known = find_known(reload, script, application_group);

    if (known == NULL || atomic_load_explicit(&known->has_answered, memory_order_acquire)) {
        return;
    }
    note_loaded(known); /* by this request, unless it was loaded before any */
    wsgi_board_slot_publish_load(reload->start->endpoint->board, number_of(script), known->version.stamp,
                                 known->version.when);
    wsgi_board_slot_publish(reload->start->endpoint->board, atomic_load(&known->loaded_stamp));
    pthread_mutex_lock(&reload->lock);
    if (!atomic_load(&known->has_answered)) {
        tell_keeper(reload, known);
        atomic_store(&known->has_answered, 1); /* not before: threads that see it rely on what was published */
    }
    pthread_mutex_unlock(&reload->lock);
}
