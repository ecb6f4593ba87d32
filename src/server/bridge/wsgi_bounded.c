#include "bridge/wsgi_bounded.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

typedef struct {
    void (*function)(void *argument);
    void *argument;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int done;  /* guarded by lock */
    int users; /* guarded by lock: who lets go last frees it */
} errand_t;

static void release(errand_t *errand)
{
    int last = --errand->users == 0;

    pthread_mutex_unlock(&errand->lock);
    if (last) {
        pthread_mutex_destroy(&errand->lock);
        pthread_cond_destroy(&errand->changed);
        free(errand);
    }
}

static void *errand_main(void *argument)
{
    errand_t *errand = argument;

    errand->function(errand->argument);
    pthread_mutex_lock(&errand->lock);
    errand->done = 1;
    pthread_cond_signal(&errand->changed);
    release(errand);
    return NULL;
}

static errand_t *make_errand(void (*function)(void *argument), void *argument)
{
    errand_t *errand = calloc(1, sizeof(*errand));
    pthread_condattr_t attributes;

    if (errand == NULL) {
        return NULL;
    }
    errand->function = function;
    errand->argument = argument;
    errand->users = 2;
    pthread_mutex_init(&errand->lock, NULL);
    pthread_condattr_init(&attributes);
#if !defined(__APPLE__)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
#endif
    pthread_cond_init(&errand->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return errand;
}

static struct timespec deadline_after(apr_interval_time_t wait)
{
    struct timespec deadline;

#if defined(__APPLE__)
    clock_gettime(CLOCK_REALTIME, &deadline); /* the only clock its condition variables know */
#else
    clock_gettime(CLOCK_MONOTONIC, &deadline);
#endif
    deadline.tv_sec += (time_t)apr_time_sec(wait);
    deadline.tv_nsec += (long)apr_time_usec(wait) * 1000;
    if (deadline.tv_nsec >= 1000000000L) {
        deadline.tv_sec++;
        deadline.tv_nsec -= 1000000000L;
    }
    return deadline;
}

int wsgi_bounded_run(void (*function)(void *argument), void *argument, apr_interval_time_t wait)
{
    errand_t *errand = make_errand(function, argument);
    struct timespec deadline = deadline_after(wait);
    pthread_t worker;
    int done, rc = 0;

    if (errand == NULL) {
        return -1;
    }
    if (pthread_create(&worker, NULL, errand_main, errand) != 0) {
        errand->users = 1;
        pthread_mutex_lock(&errand->lock);
        release(errand);
        return -1;
    }
    pthread_detach(worker);
    pthread_mutex_lock(&errand->lock);
    while (!errand->done && rc != ETIMEDOUT) {
        rc = pthread_cond_timedwait(&errand->changed, &errand->lock, &deadline);
    }
    done = errand->done;
    release(errand);
    return done;
}
