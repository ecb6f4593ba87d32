/* sources: daemon/wsgi_arrivals.c wire/wsgi_socket.c */
#include "daemon/wsgi_arrivals.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "wire/wsgi_socket.h"
#include "wsgi_tap.h"

/* Whoever epoll tells of a connection may close it before the call by which another thread kept it has returned. */
TAP_THREAD_SANITIZER_IGNORES("race:^wsgi_arrivals_drop$\n");

enum { PATIENCE = 10000 /* milliseconds until a test gives up */, WORKERS = 3, CLIENTS = 6, ROUNDS = 1000 };

static struct {
    char path[64];
    int listener;
    wsgi_arrivals_t *arrivals;
    atomic_int answered, is_shut;
} world;

static int open_listener(int is_blocking)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };

    memset(&world, 0, sizeof(world));
    snprintf(world.path, sizeof(world.path), "/tmp/wsgi-unit-%ld.sock", (long)getpid());
    memcpy(addr.sun_path, world.path, strlen(world.path) + 1);
    world.listener = wsgi_socket_new();
    (void)unlink(world.path);
    return CHECK_INT(bind(world.listener, (struct sockaddr *)&addr, sizeof(addr)), 0)
           && CHECK_INT(listen(world.listener, 512), 0)
           && (!is_blocking || CHECK_INT(fcntl(world.listener, F_SETFL, 0), 0));
}

static int begin(int may_keep)
{
    return open_listener(!may_keep)
           && CHECK_INT(wsgi_arrivals_open(&world.arrivals, world.listener, may_keep, tap.pool), 0);
}

static void end(void)
{
    wsgi_arrivals_end(world.arrivals);
    close(world.listener);
    (void)unlink(world.path);
}

/* ---- clients ---- */

static int visit(void)
{
    int fd = wsgi_socket_new();

    CHECK_INT(wsgi_socket_connect(fd, world.path), 0);
    return fd;
}

static void say(int fd, char byte)
{
    CHECK_INT(send(fd, &byte, 1, MSG_NOSIGNAL), 1);
}

/* @return the next byte; 0 at the end of the connection; -errno */
static int hear(int fd)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };
    char byte = 0;

    CHECK_INT(poll(&pfd, 1, PATIENCE), 1);
    return recv(fd, &byte, 1, 0) < 0 ? -errno : byte;
}

/* ---- the worker ---- */

/* Wait for the next connection, and read a byte from it. */
static int take(wsgi_arrival_t *arrival, char byte)
{
    alarm(PATIENCE / 1000); /* ends the program, should nobody come */
    return CHECK_INT(wsgi_arrivals_next(world.arrivals, arrival), 0) && CHECK_INT(hear(arrival->fd), byte);
}

/* Something happens, but to nothing that could be taken. */
static void take_nothing(void)
{
    wsgi_arrival_t arrival;

    alarm(PATIENCE / 1000);
    CHECK_INT(wsgi_arrivals_next(world.arrivals, &arrival), EAGAIN);
}

static void without_keeping_each_has_a_connection(void)
{
    wsgi_arrival_t arrival;
    int client;

    CHECK_OR_RETURN(begin(0));
    client = visit();
    say(client, 'a');
    CHECK(take(&arrival, 'a'));
    CHECK_INT(arrival.place, -1);
    wsgi_arrivals_drop(world.arrivals, &arrival);
    CHECK_INT(hear(client), 0);
    close(client);
    end();
}

static void groups_of_one_process_may_keep(void)
{
    wsgi_group_t group = { .processes = 2 };

    CHECK_INT(wsgi_arrivals_may_keep(&group), 0);
    group.processes = 1;
#ifdef __linux__
    CHECK_INT(wsgi_arrivals_may_keep(&group), 1);
#else
    CHECK_INT(wsgi_arrivals_may_keep(&group), 0);
#endif
}

static void says_when_the_listener_is_none(void)
{
    CHECK_INT(wsgi_arrivals_open(&world.arrivals, -1, 1, tap.pool), EBADF);
}

static void brings_request_after_request(void)
{
    wsgi_arrival_t arrival;
    int one, two;

    CHECK_OR_RETURN(begin(1));
    one = visit();
    say(one, 'a');
    CHECK(take(&arrival, 'a'));
    CHECK(arrival.place >= 0);
    wsgi_arrivals_keep(world.arrivals, &arrival);
    two = visit();
    say(two, 'b');
    CHECK(take(&arrival, 'b'));
    wsgi_arrivals_keep(world.arrivals, &arrival);
    for (int i = 0; i < 10; i++) {
        say(one, 'c');
        CHECK(take(&arrival, 'c'));
        wsgi_arrivals_keep(world.arrivals, &arrival);
        say(two, 'd');
        CHECK(take(&arrival, 'd'));
        wsgi_arrivals_keep(world.arrivals, &arrival);
    }
    close(one);
    take_nothing();
    close(two);
    take_nothing();
    end();
}

static void a_request_that_came_before_its_connection_was_kept_is_not_missed(void)
{
    wsgi_arrival_t arrival;
    int client;

    CHECK_OR_RETURN(begin(1));
    client = visit();
    say(client, 'a');
    CHECK(take(&arrival, 'a'));
    for (int i = 0; i < 3; i++) {
        say(client, 'b');
        wsgi_arrivals_keep(world.arrivals, &arrival);
        CHECK(take(&arrival, 'b'));
    }
    wsgi_arrivals_drop(world.arrivals, &arrival);
    CHECK_INT(hear(client), 0);
    close(client);
    end();
}

/* Nobody else is told what happens to a connection while somebody has it: the next one who comes is new. */
static void a_connection_that_is_served_is_left_alone(void)
{
    wsgi_arrival_t busy, other;
    int client, second;

    CHECK_OR_RETURN(begin(1));
    client = visit();
    say(client, 'a');
    CHECK(take(&busy, 'a'));
    wsgi_arrivals_keep(world.arrivals, &busy);
    say(client, 'b');
    CHECK(take(&busy, 'b'));
    say(client, 'c');
    second = visit();
    say(second, 'd');
    CHECK(take(&other, 'd'));
    CHECK(other.place != busy.place);
    close(client);
    wsgi_arrivals_keep(world.arrivals, &busy);
    take_nothing(); /* it has gone, with what it said */
    wsgi_arrivals_drop(world.arrivals, &other);
    close(second);
    end();
}

/* A new connection in the place of one that has ended is not taken for that. */
static void places_are_used_again(void)
{
    wsgi_arrival_t first, second;
    int client = -1;

    CHECK_OR_RETURN(begin(1));
    for (int i = 0; i < 1000; i++) {
        client = visit();
        say(client, 'a');
        CHECK_OR_RETURN(take(&first, 'a'));
        CHECK_INT(first.place, 0);
        wsgi_arrivals_keep(world.arrivals, &first);
        say(client, 'b');
        CHECK_OR_RETURN(take(&second, 'b'));
        CHECK_INT(second.place, 0);
        wsgi_arrivals_drop(world.arrivals, &second);
        close(client);
    }
    end();
}

static void there_is_an_end_to_places(void)
{
    enum { MANY = 300 };
    wsgi_arrival_t arrivals[MANY];
    int clients[MANY], kept = 0;

    CHECK_OR_RETURN(begin(1));
    for (int i = 0; i < MANY; i++) {
        clients[i] = visit();
        say(clients[i], 'a');
        CHECK_OR_RETURN(take(&arrivals[i], 'a'));
        kept += arrivals[i].place >= 0;
        CHECK_INT(arrivals[i].place >= 0, i < 256);
    }
    CHECK_INT(kept, 256);
    for (int i = 0; i < MANY; i++) {
        wsgi_arrivals_drop(world.arrivals, &arrivals[i]);
        close(clients[i]);
    }
    clients[0] = visit();
    say(clients[0], 'b');
    CHECK(take(&arrivals[0], 'b'));
    CHECK(arrivals[0].place >= 0);
    wsgi_arrivals_drop(world.arrivals, &arrivals[0]);
    close(clients[0]);
    end();
}

static void at_the_end_all_that_is_kept_is_closed(void)
{
    wsgi_arrival_t idle, waiting, busy;
    int clients[3];

    CHECK_OR_RETURN(begin(1));
    for (int i = 0; i < 3; i++) {
        clients[i] = visit();
        say(clients[i], 'a');
        CHECK_OR_RETURN(take(i == 0 ? &idle : i == 1 ? &waiting : &busy, 'a'));
    }
    wsgi_arrivals_keep(world.arrivals, &idle);
    wsgi_arrivals_keep(world.arrivals, &waiting);
    say(clients[1], 'b');
    wsgi_arrivals_end(world.arrivals);
    CHECK_INT(hear(clients[0]), 0);
    CHECK_INT(hear(clients[1]), -ECONNRESET); /* so it knows that nobody has read it */
    say(clients[2], 'c');
    CHECK_INT(hear(busy.fd), 'c');
    wsgi_arrivals_keep(world.arrivals, &busy); /* too late */
    CHECK_INT(hear(clients[2]), 0);
    for (int i = 0; i < 3; i++) {
        close(clients[i]);
    }
    end(); /* a second time */
}

static void ignore(int signum)
{
    (void)signum;
}

static void *interrupt(void *thread)
{
    for (int i = 0; i < PATIENCE && atomic_load(&world.answered) == 0; i++) {
        pthread_kill(*(pthread_t *)thread, SIGUSR2);
        usleep(1000);
    }
    return NULL;
}

static void a_signal_ends_the_wait(void)
{
    struct sigaction action = { .sa_handler = ignore };
    pthread_t self = pthread_self(), other;
    wsgi_arrival_t arrival;

    CHECK_OR_RETURN(begin(1));
    CHECK_INT(sigaction(SIGUSR2, &action, NULL), 0);
    CHECK_INT(pthread_create(&other, NULL, interrupt, &self), 0);
    CHECK_INT(wsgi_arrivals_next(world.arrivals, &arrival), EINTR);
    atomic_store(&world.answered, 1);
    pthread_join(other, NULL);
    end();
}

static void a_listener_that_is_shut_is_an_error(void)
{
    wsgi_arrival_t arrival;

    CHECK_OR_RETURN(begin(1));
    CHECK_INT(shutdown(world.listener, SHUT_RDWR), 0);
    CHECK_INT(wsgi_arrivals_next(world.arrivals, &arrival), EINVAL);
    end();
}

/* ---- many at once ---- */

/* @return 0 when the other side has gone */
static int answer(const wsgi_arrival_t *arrival)
{
    char byte;
    ssize_t n = recv(arrival->fd, &byte, 1, MSG_DONTWAIT);

    if (n == 1) {
        atomic_fetch_add(&world.answered, 1);
        return send(arrival->fd, &byte, 1, MSG_NOSIGNAL) == 1;
    }
    return n < 0 && errno == EAGAIN;
}

static void *work(void *arg)
{
    while (atomic_load(&world.answered) < CLIENTS * ROUNDS) {
        wsgi_arrival_t arrival;
        int error = wsgi_arrivals_next(world.arrivals, &arrival);
        if (error != 0) {
            CHECK(error == EAGAIN || error == EINTR || (error == EINVAL && atomic_load(&world.is_shut)));
        } else if (answer(&arrival) && arrival.place >= 0) {
            wsgi_arrivals_keep(world.arrivals, &arrival);
        } else {
            wsgi_arrivals_drop(world.arrivals, &arrival);
        }
    }
    return arg;
}

/* Every seventh time over a new connection. */
static void *ask(void *arg)
{
    int fd = visit();

    for (int i = 0; i < ROUNDS; i++) {
        if (i % 7 == 6) {
            close(fd);
            fd = visit();
        }
        say(fd, (char)(i % 100 + 1));
        CHECK_INT(hear(fd), i % 100 + 1);
    }
    close(fd);
    return arg;
}

static void each_request_is_answered_once(void)
{
    pthread_t workers[WORKERS], clients[CLIENTS];

    CHECK_OR_RETURN(begin(1));
    alarm(6 * PATIENCE / 1000);
    for (int i = 0; i < WORKERS; i++) {
        CHECK_INT(pthread_create(&workers[i], NULL, work, NULL), 0);
    }
    for (int i = 0; i < CLIENTS; i++) {
        CHECK_INT(pthread_create(&clients[i], NULL, ask, NULL), 0);
    }
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(clients[i], NULL);
    }
    CHECK_INT(atomic_load(&world.answered), CLIENTS * ROUNDS);
    atomic_store(&world.is_shut, 1);
    CHECK_INT(shutdown(world.listener, SHUT_RDWR), 0); /* an event for each of them to look up from */
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(workers[i], NULL);
    }
    end();
}

int main(void)
{
    TAP_RUN(without_keeping_each_has_a_connection);
    TAP_RUN(groups_of_one_process_may_keep);
#ifdef __linux__
    TAP_RUN(says_when_the_listener_is_none);
    TAP_RUN(brings_request_after_request);
    TAP_RUN(a_request_that_came_before_its_connection_was_kept_is_not_missed);
    TAP_RUN(a_connection_that_is_served_is_left_alone);
    TAP_RUN(places_are_used_again);
    TAP_RUN(there_is_an_end_to_places);
    TAP_RUN(at_the_end_all_that_is_kept_is_closed);
    TAP_RUN(a_signal_ends_the_wait);
    TAP_RUN(a_listener_that_is_shut_is_an_error);
    TAP_RUN(each_request_is_answered_once);
#endif
    return tap_done();
}
