#include "bridge/wsgi_bounded.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/wsgi_clock.h"

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

    if (errand == NULL) {
        return NULL;
    }
    errand->function = function;
    errand->argument = argument;
    errand->users = 2;
    errand->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    if (wsgi_clock_cond_init(&errand->changed) != 0) {
        free(errand);
        return NULL;
    }
    return errand;
}

int wsgi_bounded_run(void (*function)(void *argument), void *argument, apr_interval_time_t wait)
{
    errand_t *errand = make_errand(function, argument);
    apr_time_t deadline = wsgi_clock_now() + wait;
    apr_interval_time_t left = wait;
    pthread_t worker;
    int done;

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
    while (!errand->done && left > 0) {
        (void)wsgi_clock_cond_wait(&errand->changed, &errand->lock, left);
        left = deadline - wsgi_clock_now();
    }
    done = errand->done;
    release(errand);
    return done;
}
