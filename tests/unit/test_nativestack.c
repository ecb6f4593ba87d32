/* sources: daemon/wsgi_nativestack.c base/wsgi_clock.c */
#include "daemon/wsgi_nativestack.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>

#include "wsgi_tap.h"

/* One thread that waits where signals reach it, and one that has blocked them all. */
static struct {
    sem_t ready, leave;
    pthread_mutex_t stuck;
    int is_deaf;
} world;

static void *wait_for_mutex(void *argument)
{
    sigset_t all;

    (void)argument;
    if (world.is_deaf) {
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, NULL);
    }
    sem_post(&world.ready);
    pthread_mutex_lock(&world.stuck);
    pthread_mutex_unlock(&world.stuck);
    return NULL;
}

typedef struct {
    pthread_t caller, waiter;
    int seen, noted, deep, named, is_waiter;
} walk_t;

static int note(void *context)
{
    const walk_t *walk = context;

    return pthread_equal(pthread_self(), walk->waiter) ? 42 : 0;
}

static void report(void *context, const wsgi_nativestack_t *stack)
{
    walk_t *walk = context;
    char **names = wsgi_nativestack_names(stack);

    walk->seen++;
    walk->noted |= stack->noted;
    walk->is_waiter |= pthread_equal(stack->handle, walk->waiter);
    walk->deep |= stack->depth > 1;
    walk->named |= names != NULL && names[stack->depth - 1][0] != '\0';
    free(names);
}

/* @return what the walk returned; -2 when this platform has none */
static int walk_past(walk_t *walk, int is_deaf)
{
    int silent;

    world.is_deaf = is_deaf;
    sem_init(&world.ready, 0, 0);
    pthread_mutex_init(&world.stuck, NULL);
    pthread_mutex_lock(&world.stuck);
    walk->caller = pthread_self();
    if (pthread_create(&walk->waiter, NULL, wait_for_mutex, NULL) != 0) {
        return -1;
    }
    sem_wait(&world.ready);
    silent = wsgi_nativestack_walk(note, report, walk);
    if (silent < 0 && errno == ENOSYS) {
        silent = -2;
    }
    pthread_mutex_unlock(&world.stuck);
    pthread_join(walk->waiter, NULL);
    return silent;
}

static void sees_where_another_thread_is(void)
{
    walk_t walk = { .seen = 0 };
    int silent = walk_past(&walk, 0);

    if (silent != -2) {
        CHECK_INT(silent, 0);
        CHECK_INT(walk.seen, 1);
        CHECK(walk.is_waiter && walk.deep && walk.named);
        CHECK_INT(walk.noted, 42);
    }
}

static void does_not_wait_for_a_thread_that_blocks_signals(void)
{
    walk_t walk = { .seen = 0 };
    int silent = walk_past(&walk, 1);

    if (silent != -2) {
        CHECK_INT(silent, 1);
        CHECK_INT(walk.seen, 0);
    }
}

int main(void)
{
    TAP_RUN(sees_where_another_thread_is);
    TAP_RUN(does_not_wait_for_a_thread_that_blocks_signals);
    return tap_done();
}
