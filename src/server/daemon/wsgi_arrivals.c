#include "daemon/wsgi_arrivals.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/epoll.h>
#endif

#include "wire/wsgi_socket.h"

enum {
    PLACES = 256,     /* connections kept at once: each is a descriptor less for the application */
    LISTENER = PLACES /* what events of the listener are marked with */
};

enum { FREE, BUSY /* a thread has the connection */, IDLE /* the next event is for whoever is told of it */ };

struct wsgi_arrivals_t {
    int listener, events;  /* events: -1 where nothing is kept */
    atomic_int is_over;
    atomic_int keeping;    /* threads that are about to keep a connection, and have not seen `is_over` */
    struct {
        atomic_int state;
        int fd;            /* -1: not among `events` yet; whose the connection is writes it */
    } places[PLACES];
};

typedef struct {
    int place;   /* or LISTENER */
    int is_gone; /* the other side has closed it */
} event_t;

#ifdef __linux__

int wsgi_arrivals_may_keep(const wsgi_group_t *group)
{
    return group->processes == 1;
}

static int open_events(int listener)
{
    struct epoll_event event = { .events = EPOLLIN, .data.u32 = LISTENER };
    int fd = epoll_create1(EPOLL_CLOEXEC);

    if (fd >= 0 && epoll_ctl(fd, EPOLL_CTL_ADD, listener, &event) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/*
 * One event, told to one thread, and none after that until the connection is kept again: so whoever is told owns it,
 * and nothing is heard of one that somebody has, not even in its place's next life.
 */
static int watch(int events, int fd, int place, int is_known)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT, .data.u32 = (unsigned)place };

    return epoll_ctl(events, is_known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
}

/* @return 0, or an errno */
static int wait_for_event(int events, event_t *out)
{
    struct epoll_event event;
    int n = epoll_wait(events, &event, 1, -1);

    if (n <= 0) {
        return n == 0 ? EINTR : errno;
    }
    out->place = (int)event.data.u32;
    out->is_gone = (event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    return 0;
}

#else

int wsgi_arrivals_may_keep(const wsgi_group_t *group)
{
    (void)group;
    return 0;
}

static int open_events(int listener)
{
    (void)listener;
    errno = ENOSYS;
    return -1;
}

static int watch(int events, int fd, int place, int is_known)
{
    (void)events;
    (void)fd;
    (void)place;
    (void)is_known;
    errno = ENOSYS;
    return -1;
}

static int wait_for_event(int events, event_t *out)
{
    (void)events;
    (void)out;
    return ENOSYS;
}

#endif

apr_status_t wsgi_arrivals_open(wsgi_arrivals_t **out, int listener, int may_keep, apr_pool_t *pprocess)
{
    wsgi_arrivals_t *arrivals = apr_pcalloc(pprocess, sizeof(*arrivals));

    arrivals->listener = listener;
    arrivals->events = -1;
    if (may_keep) {
        arrivals->events = open_events(listener);
        if (arrivals->events < 0) {
            return errno;
        }
    }
    *out = arrivals;
    return APR_SUCCESS;
}

static int change(atomic_int *state, int from, int to)
{
    return atomic_compare_exchange_strong(state, &from, to);
}

/* @return -1 when all are taken, or none may be */
static int find_place(wsgi_arrivals_t *arrivals)
{
    for (int i = 0; arrivals->events >= 0 && i < PLACES; i++) {
        if (atomic_load_explicit(&arrivals->places[i].state, memory_order_relaxed) == FREE
            && change(&arrivals->places[i].state, FREE, BUSY)) {
            arrivals->places[i].fd = -1;
            return i;
        }
    }
    return -1;
}

static int accept_next(wsgi_arrivals_t *arrivals, wsgi_arrival_t *arrival)
{
    arrival->fd = wsgi_socket_accept(arrivals->listener);
    if (arrival->fd < 0) {
        return errno;
    }
    arrival->place = find_place(arrivals);
    return 0;
}

int wsgi_arrivals_next(wsgi_arrivals_t *arrivals, wsgi_arrival_t *arrival)
{
    event_t event = { 0 };
    int error;

    if (arrivals->events < 0) {
        return accept_next(arrivals, arrival);
    }
    error = wait_for_event(arrivals->events, &event);
    if (error != 0) {
        return error;
    }
    if (event.place == LISTENER) {
        return event.is_gone ? EINVAL : accept_next(arrivals, arrival); /* of one that is shut accept may say EAGAIN */
    }
    (void)atomic_exchange(&arrivals->places[event.place].state, BUSY); /* it was IDLE: and `fd` is what it was then */
    *arrival = (wsgi_arrival_t){ .fd = arrivals->places[event.place].fd, .place = event.place };
    if (event.is_gone) {
        wsgi_arrivals_drop(arrivals, arrival);
        return EAGAIN;
    }
    return 0;
}

/* @return 0 when the connection is still the caller's */
static int keep(wsgi_arrivals_t *arrivals, const wsgi_arrival_t *arrival)
{
    int is_known = arrivals->places[arrival->place].fd >= 0;

    arrivals->places[arrival->place].fd = arrival->fd;
    atomic_store(&arrivals->places[arrival->place].state, IDLE); /* before somebody may be told of it */
    if (watch(arrivals->events, arrival->fd, arrival->place, is_known) < 0) {
        atomic_store(&arrivals->places[arrival->place].state, BUSY);
        return 0;
    }
    return 1;
}

void wsgi_arrivals_keep(wsgi_arrivals_t *arrivals, const wsgi_arrival_t *arrival)
{
    int is_kept;

    atomic_fetch_add(&arrivals->keeping, 1);
    is_kept = !atomic_load(&arrivals->is_over) && keep(arrivals, arrival);
    atomic_fetch_sub(&arrivals->keeping, 1);
    if (!is_kept) {
        wsgi_arrivals_drop(arrivals, arrival); /* the other side finds it closed, which may always happen */
    }
}

void wsgi_arrivals_drop(wsgi_arrivals_t *arrivals, const wsgi_arrival_t *arrival)
{
    close(arrival->fd);
    if (arrival->place >= 0) {
        atomic_store(&arrivals->places[arrival->place].state, FREE);
    }
}

void wsgi_arrivals_end(wsgi_arrivals_t *arrivals)
{
    atomic_store(&arrivals->is_over, 1);
    while (atomic_load(&arrivals->keeping) > 0) {
        sched_yield(); /* for a system call of theirs */
    }
    for (int i = 0; i < PLACES; i++) {
        if (change(&arrivals->places[i].state, IDLE, BUSY)) {
            wsgi_arrival_t arrival = { .fd = arrivals->places[i].fd, .place = i };
            wsgi_arrivals_drop(arrivals, &arrival);
        }
    }
}
