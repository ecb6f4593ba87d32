/* sources: httpd/wsgi_kept.c */
#include "httpd/wsgi_kept.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "wsgi_tap.h"

enum { THREADS = 4, ROUNDS = 20000, GROUPS = 3 };

static int open_something(void)
{
    return dup(0);
}

static int is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void gives_back_what_it_was_given(void)
{
    wsgi_kept_t *kept = wsgi_kept_create(2, 4, tap.pool);
    int one = open_something(), two = open_something();

    CHECK_INT(wsgi_kept_take(kept, 0), -1);
    wsgi_kept_put(kept, 0, one);
    CHECK_INT(wsgi_kept_take(kept, 1), -1); /* of another group */
    wsgi_kept_put(kept, 1, two);
    CHECK_INT(wsgi_kept_take(kept, 0), one);
    CHECK_INT(wsgi_kept_take(kept, 0), -1);
    CHECK_INT(wsgi_kept_take(kept, 1), two);
    CHECK(is_open(one) && is_open(two));
    close(one);
    close(two);
}

static void closes_what_no_thread_of_the_group_can_need(void)
{
    wsgi_kept_t *kept = wsgi_kept_create(1, 2, tap.pool);
    int fds[3];

    for (int i = 0; i < 3; i++) {
        fds[i] = open_something();
        wsgi_kept_put(kept, 0, fds[i]);
    }
    CHECK(is_open(fds[0]) && is_open(fds[1]) && !is_open(fds[2]));
    CHECK_INT(wsgi_kept_take(kept, 0), fds[0]);
    CHECK_INT(wsgi_kept_take(kept, 0), fds[1]);
    CHECK_INT(wsgi_kept_take(kept, 0), -1);
    close(fds[0]);
    close(fds[1]);
}

static int count_open(void)
{
    int count = 0;

    for (int fd = 0; fd < 1024; fd++) {
        count += is_open(fd);
    }
    return count;
}

/* With one thread four connections in all: groups that were busy once do not keep theirs for ever. */
static void gives_up_some_of_others_where_all_are_too_many(void)
{
    enum { MANY = 10 };
    wsgi_kept_t *kept = wsgi_kept_create(MANY, 1, tap.pool);
    int before = count_open(), left = 0, last = -1, fd;

    for (int i = 0; i < MANY; i++) {
        last = open_something();
        wsgi_kept_put(kept, i, last);
    }
    CHECK_INT(count_open(), before + 4);
    CHECK_INT(wsgi_kept_take(kept, MANY - 1), last); /* not the one that came last */
    close(last);
    for (int i = 0; i < MANY; i++) {
        fd = wsgi_kept_take(kept, i);
        if (fd >= 0) {
            close(fd);
            left++;
        }
    }
    CHECK_INT(left, 3);
    CHECK_INT(count_open(), before);
}

static wsgi_kept_t *shared;
static atomic_int users[1024]; /* by descriptor */

static void *take_and_put(void *arg)
{
    unsigned seed = (unsigned)(size_t)arg;

    for (int i = 0; i < ROUNDS; i++) {
        int group = (int)((seed = seed * 1103515245u + 12345u) >> 16) % GROUPS;
        int fd = wsgi_kept_take(shared, group);
        if (fd < 0) {
            fd = open_something();
        }
        if (!CHECK(fd >= 0 && fd < 1024)) {
            break;
        }
        CHECK_INT(atomic_fetch_add(&users[fd], 1), 0); /* nobody else has it */
        CHECK(is_open(fd));
        atomic_fetch_sub(&users[fd], 1);
        wsgi_kept_put(shared, group, fd);
    }
    return NULL;
}

static void no_descriptor_is_lost_or_had_twice(void)
{
    pthread_t threads[THREADS];
    int before = count_open(), fd;

    shared = wsgi_kept_create(GROUPS, 2, tap.pool);
    for (size_t i = 0; i < THREADS; i++) {
        CHECK_INT(pthread_create(&threads[i], NULL, take_and_put, (void *)(i + 1)), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK(count_open() <= before + 8); /* four for each of its threads */
    for (int group = 0; group < GROUPS; group++) {
        while ((fd = wsgi_kept_take(shared, group)) >= 0) {
            close(fd);
        }
    }
    CHECK_INT(count_open(), before);
}

int main(void)
{
    TAP_RUN(gives_back_what_it_was_given);
    TAP_RUN(closes_what_no_thread_of_the_group_can_need);
    TAP_RUN(gives_up_some_of_others_where_all_are_too_many);
    TAP_RUN(no_descriptor_is_lost_or_had_twice);
    return tap_done();
}
