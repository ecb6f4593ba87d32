#include "bridge/wsgi_flusher.h"

#include <signal.h>
#include <string.h>

#include "base/wsgi_clock.h"

/*
 * In a burst outputs come and go without ever being due. To be woken for the first of each would cost more than it
 * saves: who watches looks by itself for a while, often enough for what came meanwhile not to be late.
 */
#define LOOK_EVERY WSGI_HOLD_TIME
#define IDLE_LOOKS 10
#define SPARE_TIME apr_time_from_sec(10)

int wsgi_flusher_init(wsgi_flusher_t *flusher, const wsgi_log_sink_t *log, const char *process)
{
    memset(flusher, 0, sizeof(*flusher));
    flusher->log = log;
    flusher->process = process;
    flusher->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    flusher->left = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    return wsgi_clock_cond_init(&flusher->due) == 0 && wsgi_clock_cond_init(&flusher->turn) == 0 ? 0 : -1;
}

void wsgi_flusher_forked(wsgi_flusher_t *flusher)
{
    (void)wsgi_flusher_init(flusher, flusher->log, flusher->process); /* succeeded before, with the same arguments */
}

/* ---- the queue; lock held ---- */

static void append(wsgi_flusher_t *flusher, wsgi_flush_t *flush)
{
    flush->previous = flusher->last;
    flush->next = NULL;
    *(flusher->last != NULL ? &flusher->last->next : &flusher->first) = flush;
    flusher->last = flush;
    flush->is_queued = 1;
}

static void take_out(wsgi_flusher_t *flusher, wsgi_flush_t *flush)
{
    *(flush->previous != NULL ? &flush->previous->next : &flusher->first) = flush->next;
    *(flush->next != NULL ? &flush->next->previous : &flusher->last) = flush->previous;
    flush->is_queued = 0;
}

/* ---- threads; lock held ---- */

/* Wait for the first output to be due. @return it, NULL when the thread has to end */
static wsgi_flush_t *watch(wsgi_flusher_t *flusher)
{
    int idle = 0;

    for (;;) {
        apr_interval_time_t left = flusher->first != NULL ? flusher->first->due - wsgi_clock_now() : LOOK_EVERY;
        if (flusher->first != NULL && left <= 0) {
            return flusher->first;
        }
        if (flusher->first == NULL && flusher->is_stopping) {
            return NULL;
        }
        idle = flusher->first == NULL ? idle + 1 : 0;
        if (idle <= IDLE_LOOKS) {
            /* No longer than that: what it waits for may be withdrawn, and the next be due before. */
            (void)wsgi_clock_cond_wait(&flusher->due, &flusher->lock, left < LOOK_EVERY ? left : LOOK_EVERY);
            continue;
        }
        flusher->is_asleep = 1;
        while (flusher->is_asleep) {
            pthread_cond_wait(&flusher->due, &flusher->lock);
        }
    }
}

/* @return 1 when it is this thread's turn to watch, 0 when it has to end */
static int wait_for_turn(wsgi_flusher_t *flusher)
{
    apr_time_t deadline = wsgi_clock_now() + SPARE_TIME;
    apr_interval_time_t left = SPARE_TIME;
    int is_ours;

    flusher->spares++;
    while (!flusher->is_offered && !flusher->is_stopping && left > 0) {
        (void)wsgi_clock_cond_wait(&flusher->turn, &flusher->lock, left);
        left = deadline - wsgi_clock_now();
    }
    flusher->spares--;
    is_ours = flusher->is_offered;
    flusher->is_offered = 0;
    return is_ours;
}

static void *flusher_main(void *argument);

static int start_thread(wsgi_flusher_t *flusher)
{
    sigset_t all, before;
    pthread_t thread;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the host's threads */
    error = pthread_create(&thread, NULL, flusher_main, flusher);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0) {
        pthread_detach(thread);
    }
    return error;
}

/* Have another thread watch. @return 0, or -1 when there is none */
static int hand_over(wsgi_flusher_t *flusher)
{
    int error = 0, none = 0;

    if (flusher->spares > 0) {
        flusher->is_offered = 1;
        pthread_cond_signal(&flusher->turn);
    } else {
        error = start_thread(flusher);
        flusher->threads += error == 0;
    }
    if (error == 0) {
        flusher->is_watched = 1;
        return 0;
    }
    atomic_compare_exchange_strong(&flusher->refusal, &none, error);
    return -1;
}

static void send_first(wsgi_flusher_t *flusher, wsgi_flush_t *flush)
{
    take_out(flusher, flush);
    flush->is_busy = 1;
    flusher->is_watched = 0;
    if (flusher->first != NULL) {
        (void)hand_over(flusher); /* without another thread they wait for this one */
    }
    pthread_mutex_unlock(&flusher->lock);
    wsgi_flusher_report(flusher);
    flush->send(flush);
    pthread_mutex_lock(&flusher->lock);
    flush->is_busy = 0;
    pthread_cond_broadcast(&flusher->left);
}

/* It begins as the one that watches. */
static void *flusher_main(void *argument)
{
    wsgi_flusher_t *flusher = argument;
    wsgi_flush_t *flush;

    pthread_mutex_lock(&flusher->lock);
    while ((flush = watch(flusher)) != NULL) {
        send_first(flusher, flush);
        if (flusher->is_watched && !wait_for_turn(flusher)) {
            goto cleanup;
        }
        flusher->is_watched = 1;
    }
    flusher->is_watched = 0;
cleanup:
    flusher->threads--;
    pthread_cond_broadcast(&flusher->left);
    pthread_mutex_unlock(&flusher->lock);
    return NULL;
}

/* ---- for the requests ---- */

int wsgi_flusher_add(wsgi_flusher_t *flusher, wsgi_flush_t *flush, apr_time_t due)
{
    int rc = 0;

    pthread_mutex_lock(&flusher->lock);
    if (flusher->is_stopping || (!flusher->is_watched && hand_over(flusher) < 0)) {
        rc = -1;
    } else {
        flush->due = due;
        append(flusher, flush);
        if (flusher->is_asleep) {
            flusher->is_asleep = 0;
            pthread_cond_signal(&flusher->due);
        }
    }
    pthread_mutex_unlock(&flusher->lock);
    return rc;
}

int wsgi_flusher_withdraw(wsgi_flusher_t *flusher, wsgi_flush_t *flush)
{
    int is_busy;

    pthread_mutex_lock(&flusher->lock);
    if (flush->is_queued) {
        take_out(flusher, flush);
    }
    is_busy = flush->is_busy;
    pthread_mutex_unlock(&flusher->lock);
    return !is_busy;
}

void wsgi_flusher_report(wsgi_flusher_t *flusher)
{
    int error = atomic_load_explicit(&flusher->refusal, memory_order_relaxed);

    if (error > 0 && atomic_compare_exchange_strong(&flusher->refusal, &error, -1)) {
        wsgi_log(flusher->log, WSGI_HERE, WSGI_LOG_WARNING, error,
                 WSGI_LOGNO(0217) "A thread that sends held output cannot be started %s: blocks of responses are sent "
                 "one by one while there is none.", flusher->process);
    }
}

void wsgi_flusher_await(wsgi_flusher_t *flusher, wsgi_flush_t *flush)
{
    pthread_mutex_lock(&flusher->lock);
    while (flush->is_busy) {
        pthread_cond_wait(&flusher->left, &flusher->lock);
    }
    pthread_mutex_unlock(&flusher->lock);
}

void wsgi_flusher_stop(wsgi_flusher_t *flusher)
{
    pthread_mutex_lock(&flusher->lock);
    flusher->is_stopping = 1;
    flusher->is_asleep = 0;
    pthread_cond_signal(&flusher->due);
    pthread_cond_broadcast(&flusher->turn);
    while (flusher->threads > 0) {
        pthread_cond_wait(&flusher->left, &flusher->lock);
    }
    pthread_mutex_unlock(&flusher->lock);
}
