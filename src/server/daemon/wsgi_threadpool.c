#include "daemon/wsgi_threadpool.h"

#include <apr_allocator.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/wsgi_clock.h"
#include "daemon/wsgi_arrivals.h"
#include "daemon/wsgi_signals.h"

enum {
    ACCEPTORS = 2,          /* threads that accept, or wait for their turn with what they accepted, before more do */
    INTERRUPT_PAUSE = 2000, /* microseconds between two attempts to break an accept off */
    BUSY_SAID = 10000000,   /* between two messages about that */
    IDLE_LOOK = 50000,      /* between two looks at a deadline */
    BUSY_PAUSE = 100000,    /* after the process ran out of descriptors */
    KEPT_MEMORY = 1 << 20,  /* bytes */
    MIN_STACK = 256 << 10   /* bytes; with less no request gets as far as Python */
};

typedef struct {
    wsgi_threadpool_t *pool;     /* constant */
    int number;                  /* constant */
    pthread_t handle;            /* constant once started */
    pthread_cond_t woken;
    int is_woken;                /* guarded by pool->lock */
    int next_parked;             /* guarded by pool->lock; -1: bottom of the stack */
    atomic_int is_accepting;     /* one of pool->acceptors; owner writes, and whoever unparks it */
    _Atomic apr_int64_t begun;   /* monotonic start of its request, 0 none; owner writes */
    _Atomic apr_int64_t serial;  /* requests begun; owner writes */
    wsgi_arrival_t arrival;      /* what it serves, fd -1: nothing any more; owner thread only, as the next */
    apr_pool_t *pcall;
} thread_t;

struct wsgi_threadpool_t {
    wsgi_threadpool_settings_t settings; /* constant */
    thread_t *threads;                   /* settings.threads */
    wsgi_arrivals_t *arrivals;
    pthread_mutex_t lock;
    pthread_cond_t changed;  /* acceptors or active became fewer */
    int top_parked;          /* guarded by lock: -1 none */
    atomic_int is_open;
    atomic_int acceptors;    /* threads allowed to accept */
    atomic_int waiting;      /* requests that wait for their turn to run */
    _Atomic int stopping;    /* no new connections */
    _Atomic apr_int64_t said_busy; /* when a message said that accepting fails for now, 0 never */
    _Atomic int is_broken;   /* accepting failed for good, which was said */
    _Atomic int active;
    _Atomic apr_int64_t served;
};

/* @return whether there was room for one more */
static int add_acceptor(wsgi_threadpool_t *pool)
{
    int count = atomic_load(&pool->acceptors);

    while (count + atomic_load(&pool->waiting) < ACCEPTORS) {
        if (atomic_compare_exchange_weak(&pool->acceptors, &count, count + 1)) {
            return 1;
        }
    }
    return 0;
}

/* Lock held. @return 0 when there is nobody to wake, or no need to */
static int unpark_one(wsgi_threadpool_t *pool)
{
    thread_t *t;

    if (pool->top_parked < 0 || !add_acceptor(pool)) {
        return 0;
    }
    t = &pool->threads[pool->top_parked];
    pool->top_parked = t->next_parked;
    t->is_woken = 1;
    atomic_store(&t->is_accepting, 1);
    pthread_cond_signal(&t->woken);
    return 1;
}

/* Lock held. Wait on the stack until another thread makes this one an acceptor. */
static void park(thread_t *self)
{
    wsgi_threadpool_t *pool = self->pool;

    self->is_woken = 0;
    self->next_parked = pool->top_parked;
    pool->top_parked = self->number;
    while (!self->is_woken && !atomic_load(&pool->stopping)) {
        pthread_cond_wait(&self->woken, &pool->lock);
    }
}

static int try_to_accept(thread_t *self)
{
    wsgi_threadpool_t *pool = self->pool;

    if (!atomic_load(&pool->is_open) || !add_acceptor(pool)) {
        return 0;
    }
    atomic_store(&self->is_accepting, 1);
    return 1;
}

/* @return 0 when the process accepts nothing more */
static int become_acceptor(thread_t *self)
{
    wsgi_threadpool_t *pool = self->pool;

    if (atomic_load(&pool->stopping)) {
        return 0;
    }
    if (!try_to_accept(self)) {
        pthread_mutex_lock(&pool->lock); /* whoever leaves after this looks for parked threads after it, too */
        if (!atomic_load(&pool->stopping) && !try_to_accept(self)) {
            park(self);
        }
        pthread_mutex_unlock(&pool->lock);
    }
    return atomic_load(&self->is_accepting);
}

static int is_deserted(wsgi_threadpool_t *pool)
{
    return atomic_load(&pool->acceptors) == 0 && atomic_load(&pool->waiting) == 0;
}

/* After one of the two numbers has gone down. */
static void see_that_one_accepts(wsgi_threadpool_t *pool)
{
    if (is_deserted(pool)) {
        pthread_mutex_lock(&pool->lock);
        if (is_deserted(pool) && !atomic_load(&pool->stopping)) {
            (void)unpark_one(pool);
        }
        pthread_mutex_unlock(&pool->lock);
    }
}

/* Give the role up; see that somebody still has it. */
static void leave_acceptors(thread_t *self)
{
    wsgi_threadpool_t *pool = self->pool;

    atomic_store(&self->is_accepting, 0);
    atomic_fetch_sub(&pool->acceptors, 1);
    if (atomic_load(&pool->stopping)) {
        pthread_mutex_lock(&pool->lock);
        pthread_cond_broadcast(&pool->changed);
        pthread_mutex_unlock(&pool->lock);
    } else {
        see_that_one_accepts(pool);
    }
}

void wsgi_threadpool_waiting(wsgi_threadpool_t *pool, int is_waiting)
{
    if (is_waiting) {
        atomic_fetch_add(&pool->waiting, 1);
    } else {
        atomic_fetch_sub(&pool->waiting, 1);
        see_that_one_accepts(pool);
    }
}

/* What accept reports about one connection or about us for a moment, not about the listener. */
static int is_passing(int error)
{
    return error == EINTR || error == ECONNABORTED || error == EAGAIN || error == EWOULDBLOCK || error == EPROTO;
}

/* @return 0 when accepting is over */
static int recover(wsgi_threadpool_t *pool, int error)
{
    const wsgi_threadpool_settings_t *s = &pool->settings;

    if (is_passing(error)) {
        return 1;
    }
    if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM) {
        apr_int64_t now = wsgi_clock_now(), last = atomic_load(&pool->said_busy);
        if ((last == 0 || now - last > BUSY_SAID) && atomic_compare_exchange_strong(&pool->said_busy, &last, now)) {
            wsgi_log(&s->log, WSGI_HERE, WSGI_LOG_ERR, error,
                     WSGI_LOGNO(0250) "A process of daemon process group '%s' cannot accept requests now; it goes on "
                                      "trying.",
                     s->group);
        }
        usleep(BUSY_PAUSE);
        return 1;
    }
    if (!atomic_exchange(&pool->is_broken, 1)) { /* the others will find the same */
        wsgi_log(&s->log, WSGI_HERE, WSGI_LOG_CRIT, error,
                 WSGI_LOGNO(0018) "A process of daemon process group '%s' cannot accept requests any more; it ends.",
                 s->group);
        s->broken(s->context);
    }
    return 0;
}

/* Before the role is given up: nobody may think us idle in between. */
static void begin(thread_t *self)
{
    atomic_fetch_add(&self->pool->active, 1);
    atomic_fetch_add(&self->serial, 1);
    atomic_store(&self->begun, wsgi_clock_now());
}

/* @param was_request else nothing happened that counts */
static void end(thread_t *self, int was_request)
{
    wsgi_threadpool_t *pool = self->pool;

    atomic_store(&self->begun, 0);
    if (was_request) {
        atomic_fetch_add(&pool->served, 1);
    }
    if (atomic_fetch_sub(&pool->active, 1) == 1 && atomic_load(&pool->stopping)) {
        pthread_mutex_lock(&pool->lock);
        pthread_cond_broadcast(&pool->changed);
        pthread_mutex_unlock(&pool->lock);
    }
    if (was_request) {
        pool->settings.served(pool->settings.context);
    }
}

static void serve(thread_t *self)
{
    wsgi_threadpool_t *pool = self->pool;
    int was_request = pool->settings.serve(pool->settings.context, self->arrival.fd, self->arrival.place >= 0,
                                           self->number, atomic_load_explicit(&self->begun, memory_order_relaxed),
                                           self->pcall);

    apr_pool_clear(self->pcall);
    if (self->arrival.fd >= 0) {
        wsgi_arrivals_drop(pool->arrivals, &self->arrival);
    }
    end(self, was_request);
}

void wsgi_threadpool_keep(wsgi_threadpool_t *pool, int thread)
{
    wsgi_arrival_t arrival = pool->threads[thread].arrival;

    pool->threads[thread].arrival.fd = -1;
    wsgi_arrivals_keep(pool->arrivals, &arrival);
}

static void *run(void *arg)
{
    thread_t *self = arg;
    wsgi_threadpool_t *pool = self->pool;

    while (become_acceptor(self)) {
        int error = EINTR;
        if (!atomic_load(&pool->stopping)) {
            error = wsgi_arrivals_next(pool->arrivals, &self->arrival);
        }
        if (error == 0) {
            begin(self);
        }
        leave_acceptors(self);
        if (error == 0) {
            serve(self);
        } else if (atomic_load(&pool->stopping) || !recover(pool, error)) {
            break;
        }
    }
    return NULL;
}

static apr_status_t start_thread(thread_t *t, const pthread_attr_t *attr)
{
    const wsgi_threadpool_settings_t *s = &t->pool->settings;
    int error = pthread_cond_init(&t->woken, NULL);

    if (error != 0) {
        wsgi_log(&s->log, WSGI_HERE, WSGI_LOG_ALERT, error,
                 WSGI_LOGNO(0020) "Unable to create the condition variable of request thread %d in daemon process "
                                  "group '%s'.",
                 t->number, s->group);
        return error;
    }
    error = pthread_create(&t->handle, attr, run, t);
    if (error != 0) {
        wsgi_log(&s->log, WSGI_HERE, WSGI_LOG_ALERT, error,
                 WSGI_LOGNO(0022) "Unable to start request thread %d of daemon process group '%s'.", t->number,
                 s->group);
    }
    return error;
}

static int init_attributes(pthread_attr_t *attr, size_t stack_size)
{
    int error = pthread_attr_init(attr);

    if (error == 0) {
        error = pthread_attr_setdetachstate(attr, PTHREAD_CREATE_DETACHED);
    }
    if (error == 0 && stack_size > 0) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        size_t size = stack_size < MIN_STACK ? MIN_STACK : stack_size;
        error = pthread_attr_setstacksize(attr, (size + page - 1) / page * page);
    }
    return error;
}

/*
 * With an allocator of its own: that of APR's other pools has a lock, which all threads would take in every request.
 * It keeps a little memory for the next request and gives the rest back.
 */
static apr_status_t make_pool(apr_pool_t **pcall)
{
    apr_allocator_t *allocator;
    apr_status_t rv = apr_allocator_create(&allocator);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    apr_allocator_max_free_set(allocator, KEPT_MEMORY);
    rv = apr_pool_create_ex(pcall, NULL, NULL, allocator);
    if (rv != APR_SUCCESS) {
        apr_allocator_destroy(allocator);
        return rv;
    }
    apr_allocator_owner_set(allocator, *pcall);
    return APR_SUCCESS;
}

apr_status_t wsgi_threadpool_start(wsgi_threadpool_t **out, const wsgi_threadpool_settings_t *settings,
                                   apr_pool_t *pprocess)
{
    wsgi_threadpool_t *pool = apr_pcalloc(pprocess, sizeof(*pool));
    pthread_attr_t attr;
    int error;

    *out = NULL;
    pool->settings = *settings;
    pool->top_parked = -1;
    pool->threads = apr_pcalloc(pprocess, (apr_size_t)settings->threads * sizeof(thread_t));
    error = pthread_mutex_init(&pool->lock, NULL);
    if (error == 0) {
        error = wsgi_clock_cond_init(&pool->changed);
    }
    if (error == 0) {
        error = wsgi_arrivals_open(&pool->arrivals, settings->listener, settings->may_keep, pprocess);
    }
    if (error == 0) {
        error = init_attributes(&attr, settings->stack_size);
    }
    if (error != 0) {
        wsgi_log(&settings->log, WSGI_HERE, WSGI_LOG_ALERT, error,
                 WSGI_LOGNO(0021) "Unable to set up the request threads of daemon process group '%s'.",
                 settings->group);
        return error;
    }
    *out = pool; /* before the threads run: they may report at once */
    for (int i = 0; i < settings->threads && error == 0; i++) {
        pool->threads[i] = (thread_t){ .pool = pool, .number = i };
        error = make_pool(&pool->threads[i].pcall);
        if (error == 0) {
            error = start_thread(&pool->threads[i], &attr);
        }
    }
    pthread_attr_destroy(&attr);
    return error;
}

void wsgi_threadpool_open(wsgi_threadpool_t *pool)
{
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->is_open, 1); /* threads that are not parked yet see it themselves */
    /* Not after the end: threads that were parked then are gone, and would keep the role for ever. */
    while (!atomic_load(&pool->stopping) && unpark_one(pool)) {
    }
    pthread_mutex_unlock(&pool->lock);
}

/* Lock held. */
static void interrupt_acceptors(wsgi_threadpool_t *pool)
{
    for (int i = 0; i < pool->settings.threads; i++) {
        if (atomic_load(&pool->threads[i].is_accepting)) {
            pthread_kill(pool->threads[i].handle, WSGI_SIGNAL_INTERRUPT);
        }
    }
}

void wsgi_threadpool_stop_accepting(wsgi_threadpool_t *pool)
{
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->stopping, 1);
    for (int i = 0; i < pool->settings.threads; i++) {
        pthread_cond_signal(&pool->threads[i].woken);
    }
    while (atomic_load(&pool->acceptors) > 0) {
        /* A thread may be just before accept, where the signal does nothing: try until each has left. */
        interrupt_acceptors(pool);
        (void)wsgi_clock_cond_wait(&pool->changed, &pool->lock, INTERRUPT_PAUSE);
    }
    pthread_mutex_unlock(&pool->lock);
    wsgi_arrivals_end(pool->arrivals);
}

int wsgi_threadpool_active(const wsgi_threadpool_t *pool)
{
    return atomic_load(&pool->active);
}

apr_int64_t wsgi_threadpool_served(const wsgi_threadpool_t *pool)
{
    return atomic_load(&pool->served);
}

apr_time_t wsgi_threadpool_request(const wsgi_threadpool_t *pool, int thread, apr_int64_t *serial, pthread_t *handle)
{
    const thread_t *t = &pool->threads[thread];

    *serial = atomic_load(&t->serial);
    *handle = t->handle;
    return atomic_load(&t->begun);
}

int wsgi_threadpool_self(const wsgi_threadpool_t *pool)
{
    for (int i = 0; i < pool->settings.threads; i++) {
        if (pthread_equal(pool->threads[i].handle, pthread_self())) {
            return i;
        }
    }
    return -1;
}

int wsgi_threadpool_wait_idle(wsgi_threadpool_t *pool, apr_time_t deadline)
{
    pthread_mutex_lock(&pool->lock);
    while (atomic_load(&pool->active) > 0 && (deadline == 0 || wsgi_clock_now() < deadline)) {
        (void)wsgi_clock_cond_wait(&pool->changed, &pool->lock, IDLE_LOOK);
    }
    pthread_mutex_unlock(&pool->lock);
    return atomic_load(&pool->active) == 0;
}
