/* sources: daemon/wsgi_threadpool.c daemon/wsgi_arrivals.c daemon/wsgi_signals.c */
/* sources: wire/wsgi_socket.c base/wsgi_clock.c base/wsgi_log.c */
#include "daemon/wsgi_threadpool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/wsgi_clock.h"
#include "daemon/wsgi_signals.h"
#include "wire/wsgi_socket.h"
#include "wsgi_tap.h"

/* Whoever epoll tells of a connection may close it before the call by which another thread kept it has returned. */
TAP_THREAD_SANITIZER_IGNORES("race:^wsgi_arrivals_drop$\n");

enum { THREADS = 4, PATIENCE = 10000000 /* microseconds until a test gives up */, PAUSE = 2000 };

static int may_keep; /* for the cases that follow */

static struct {
    char path[64];
    int listener;
    wsgi_threadpool_t *pool;
    wsgi_signals_t signals;
    atomic_int holding;  /* requests wait for `gate` */
    atomic_int gate;     /* open */
    atomic_int queueing; /* requests wait for their turn */
    atomic_int lingering; /* who has answered waits for `gate` */
    int converses;       /* who comes sends bytes, and is kept if that may be */
    atomic_int waiting;
    atomic_int running, most, served, broken;
    atomic_int early;    /* requests without a time */
    atomic_int empty;    /* visits without a request */
    atomic_int used[THREADS];
} world;

static void write_log(void *context, const wsgi_record_t *record)
{
    (void)context;
    printf("# log: %s\n", record->text);
}

static int is_log_enabled(void *context, wsgi_log_level_t level)
{
    (void)context;
    return level <= WSGI_LOG_ERR;
}

/* A request is a byte; the answer is the same. Where nobody converses, whoever comes has had a request by coming. */
static int talk(int fd, int may_be_kept, int thread)
{
    char byte;
    ssize_t n = world.converses ? recv(fd, &byte, 1, MSG_DONTWAIT) : 0;

    int is_empty = n < 0 && errno == EAGAIN;

    if (!world.converses) {
        return 1;
    }
    if (may_be_kept && (is_empty || (n == 1 && send(fd, &byte, 1, MSG_NOSIGNAL) == 1))) {
        wsgi_threadpool_keep(world.pool, thread);
    }
    atomic_fetch_add(&world.empty, is_empty);
    while (n == 1 && atomic_load(&world.lingering) && !atomic_load(&world.gate)) {
        usleep(PAUSE);
    }
    return n == 1;
}

static int serve(void *context, int fd, int may_be_kept, int thread, apr_time_t begun, apr_pool_t *pcall)
{
    int running = atomic_fetch_add(&world.running, 1) + 1, most = atomic_load(&world.most);

    (void)context;
    (void)apr_palloc(pcall, 100);
    if (begun <= 0 || begun > wsgi_clock_now()) {
        atomic_fetch_add(&world.early, 1);
    }
    while (running > most && !atomic_compare_exchange_weak(&world.most, &most, running)) {
    }
    atomic_fetch_add(&world.used[thread], 1);
    if (atomic_load(&world.queueing)) {
        wsgi_threadpool_waiting(world.pool, 1);
        atomic_fetch_add(&world.waiting, 1);
        while (atomic_load(&world.queueing)) {
            usleep(PAUSE);
        }
        wsgi_threadpool_waiting(world.pool, 0);
    }
    while (atomic_load(&world.holding) && !atomic_load(&world.gate)) {
        usleep(PAUSE);
    }
    atomic_fetch_sub(&world.running, 1);
    return talk(fd, may_be_kept, thread);
}

static void served(void *context)
{
    (void)context;
    atomic_fetch_add(&world.served, 1);
}

static void broken(void *context)
{
    (void)context;
    atomic_fetch_add(&world.broken, 1);
}

static int wait_for(const atomic_int *value, int want)
{
    apr_time_t deadline = wsgi_clock_now() + PATIENCE;

    while (atomic_load(value) < want && wsgi_clock_now() < deadline) {
        usleep(PAUSE);
    }
    return CHECK_INT(atomic_load(value), want);
}

static int listen_at(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    memcpy(addr.sun_path, path, strlen(path) + 1);
    (void)unlink(path);
    CHECK_INT(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    CHECK_INT(listen(fd, 128), 0);
    return fd;
}

static void start(void)
{
    wsgi_threadpool_settings_t settings = { .threads = THREADS,
                                            .may_keep = may_keep,
                                            .stack_size = 1, /* raised to what a thread needs */
                                            .group = "app",
                                            .log = { write_log, is_log_enabled, NULL },
                                            .serve = serve,
                                            .served = served,
                                            .broken = broken };
    apr_pool_t *pool; /* not of the case: the threads end on their own, perhaps later */

    apr_pool_create(&pool, NULL);
    memset(&world, 0, sizeof(world));
    snprintf(world.path, sizeof(world.path), "/tmp/wsgi-unit-%ld.sock", (long)getpid());
    world.listener = listen_at(world.path);
    settings.listener = world.listener;
    CHECK(!may_keep || fcntl(world.listener, F_SETFL, O_NONBLOCK) == 0);
    if (wsgi_signals_open_worker(&world.signals, 0) < 0
        || wsgi_threadpool_start(&world.pool, &settings, pool) != APR_SUCCESS) {
        printf("Bail out! no pool\n");
        exit(2);
    }
}

static void stop(void)
{
    atomic_store(&world.queueing, 0);
    atomic_store(&world.gate, 1);
    wsgi_threadpool_stop_accepting(world.pool);
    CHECK(wsgi_threadpool_wait_idle(world.pool, wsgi_clock_now() + PATIENCE));
    wsgi_signals_reset();
    close(world.listener);
    (void)unlink(world.path);
}

/* Any thread. @return a connection, whether somebody accepts it or not; -1 after too long */
static int knock(void)
{
    apr_time_t deadline = wsgi_clock_now() + PATIENCE;
    int fd = wsgi_socket_new();

    while (wsgi_socket_connect(fd, world.path) < 0) { /* the queue is full */
        if (wsgi_clock_now() > deadline) {
            close(fd);
            return -1;
        }
        usleep(PAUSE);
    }
    return fd;
}

static void hold(void)
{
    atomic_store(&world.holding, 1);
}

static void accepts_nothing_before_it_is_opened(void)
{
    int fd = knock();

    usleep(20000);
    CHECK_INT(wsgi_threadpool_active(world.pool), 0);
    wsgi_threadpool_open(world.pool);
    wait_for(&world.served, 1);
    CHECK_INT(wsgi_threadpool_served(world.pool), 1);
    close(fd);
}

static void all_threads_work_at_once(void)
{
    int fds[THREADS];

    hold();
    wsgi_threadpool_open(world.pool);
    for (int i = 0; i < THREADS; i++) {
        fds[i] = knock();
    }
    wait_for(&world.running, THREADS);
    CHECK_INT(wsgi_threadpool_active(world.pool), THREADS);
    atomic_store(&world.gate, 1);
    wait_for(&world.served, THREADS);
    for (int i = 0; i < THREADS; i++) {
        CHECK_INT(world.used[i], 1);
        close(fds[i]);
    }
}

static void nobody_is_woken_to_wait_behind_others(void)
{
    int fds[THREADS];

    hold();
    atomic_store(&world.queueing, 1);
    wsgi_threadpool_open(world.pool);
    for (int i = 0; i < THREADS; i++) {
        fds[i] = knock();
        if (i < 2) { /* those who accept already */
            wait_for(&world.waiting, i + 1);
        }
    }
    usleep(20000);
    CHECK(wsgi_threadpool_active(world.pool) <= 3); /* two, and one that began to accept before the first waited */
    atomic_store(&world.queueing, 0);
    wait_for(&world.running, THREADS); /* none has ended: the rest was woken when the first had its turn */
    atomic_store(&world.gate, 1);
    wait_for(&world.served, THREADS);
    for (int i = 0; i < THREADS; i++) {
        close(fds[i]);
    }
}

static void few_threads_serve_who_comes_one_by_one(void)
{
    int used = 0;

    wsgi_threadpool_open(world.pool);
    for (int i = 0; i < 200; i++) {
        int fd = knock();
        wait_for(&world.served, i + 1);
        close(fd);
    }
    for (int i = 0; i < THREADS; i++) {
        used += world.used[i] > 0;
    }
    CHECK(used <= 3); /* two accept; a third is woken when both had left for a moment */
}

static void tells_of_each_request(void)
{
    apr_int64_t serial, first = 0;
    pthread_t handle;
    int fd, busy = -1;

    hold();
    wsgi_threadpool_open(world.pool);
    fd = knock();
    wait_for(&world.running, 1);
    for (int i = 0; i < THREADS; i++) {
        apr_time_t begun = wsgi_threadpool_request(world.pool, i, &serial, &handle);
        if (begun != 0) {
            CHECK(begun <= wsgi_clock_now());
            CHECK_INT(busy, -1);
            busy = i;
            first = serial;
        }
    }
    CHECK(busy >= 0 && first > 0);
    atomic_store(&world.gate, 1);
    wait_for(&world.served, 1);
    CHECK_INT(wsgi_threadpool_request(world.pool, busy, &serial, &handle), 0);
    CHECK_INT(serial, first);
    close(fd);
}

static void goes_on_while_requests_run_but_takes_no_more(void)
{
    int running, waiting;

    hold();
    wsgi_threadpool_open(world.pool);
    running = knock();
    wait_for(&world.running, 1);
    wsgi_threadpool_stop_accepting(world.pool);
    waiting = knock();
    CHECK(!wsgi_threadpool_wait_idle(world.pool, wsgi_clock_now() + 20000));
    CHECK_INT(atomic_load(&world.running), 1);
    atomic_store(&world.gate, 1);
    CHECK(wsgi_threadpool_wait_idle(world.pool, wsgi_clock_now() + PATIENCE));
    CHECK_INT(wsgi_threadpool_served(world.pool), 1);
    close(running);
    close(waiting);
}

static void stopping_is_quick_and_may_be_repeated(void)
{
    apr_time_t begun;

    wsgi_threadpool_open(world.pool);
    usleep(20000); /* until they are in accept */
    begun = wsgi_clock_now();
    wsgi_threadpool_stop_accepting(world.pool);
    wsgi_threadpool_stop_accepting(world.pool);
    CHECK(wsgi_clock_now() - begun < PATIENCE);
}

static void stopping_before_it_is_opened(void)
{
    usleep(20000); /* its threads are parked by now */
    wsgi_threadpool_stop_accepting(world.pool);
    usleep(20000); /* and gone by now: a role given to them would never come back */
    wsgi_threadpool_open(world.pool);
    alarm(10); /* ends the program, should the next call wait for nobody */
    wsgi_threadpool_stop_accepting(world.pool);
    alarm(0);
    CHECK_INT(wsgi_threadpool_active(world.pool), 0);
}

static void *knock_often(void *arg)
{
    for (int i = 0; i < 500; i++) {
        close(knock());
    }
    return arg;
}

static void serves_everybody_under_load(void)
{
    pthread_t clients[4];

    wsgi_threadpool_open(world.pool);
    for (int i = 0; i < 4; i++) {
        CHECK_INT(pthread_create(&clients[i], NULL, knock_often, NULL), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(clients[i], NULL);
    }
    wait_for(&world.served, 2000);
    CHECK_INT(atomic_load(&world.broken), 0);
    CHECK_INT(atomic_load(&world.early), 0);
    CHECK(atomic_load(&world.most) <= THREADS);
}

static void says_when_the_listener_is_of_no_use(void)
{
    CHECK_INT(shutdown(world.listener, SHUT_RDWR), 0); /* accept fails with EINVAL from now on */
    wsgi_threadpool_open(world.pool);
    wait_for(&world.broken, 1);
    usleep(20000);
    CHECK_INT(atomic_load(&world.broken), 1); /* once, not once per thread */
}

/* ---- connections that are kept ---- */

/* @return the next byte; 0 when the connection was closed instead */
static char hear(int fd)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };
    char byte = 0;

    CHECK_INT(poll(&pfd, 1, PATIENCE / 1000), 1);
    return recv(fd, &byte, 1, 0) == 1 ? byte : 0;
}

/* @return whether the byte came back */
static int ask(int fd, char byte)
{
    return send(fd, &byte, 1, MSG_NOSIGNAL) == 1 && hear(fd) == byte;
}

static void many_requests_over_one_connection(void)
{
    int fd;

    world.converses = 1;
    wsgi_threadpool_open(world.pool);
    fd = knock();
    for (int i = 0; i < 1000; i++) {
        CHECK_OR_RETURN(ask(fd, (char)(i % 100 + 1)));
    }
    wait_for(&world.served, 1000);
    CHECK_INT(wsgi_threadpool_served(world.pool), 1000);
    close(fd);
}

static void who_comes_without_a_request_counts_for_nothing(void)
{
    int fds[2 * THREADS];

    world.converses = 1;
    wsgi_threadpool_open(world.pool);
    for (int i = 0; i < 2 * THREADS; i++) {
        fds[i] = knock();
        wait_for(&world.empty, i + 1); /* no thread stays with it */
    }
    for (int i = 0; i < 2 * THREADS; i++) {
        CHECK(ask(fds[i], 'x'));
        close(fds[i]);
    }
    wait_for(&world.served, 2 * THREADS);
    CHECK_INT(wsgi_threadpool_served(world.pool), 2 * THREADS);
}

static void stopping_closes_what_is_kept(void)
{
    int idle, busy;

    world.converses = 1;
    wsgi_threadpool_open(world.pool);
    idle = knock();
    busy = knock();
    CHECK(ask(idle, 'i') && ask(busy, 'b'));
    hold();
    CHECK_INT(send(busy, "c", 1, MSG_NOSIGNAL), 1);
    wait_for(&world.running, 1);
    wsgi_threadpool_stop_accepting(world.pool);
    CHECK_INT(hear(idle), 0);
    atomic_store(&world.gate, 1);
    CHECK_INT(hear(busy), 'c'); /* its request is finished first */
    CHECK_INT(hear(busy), 0);
    close(idle);
    close(busy);
}

static void who_has_answered_keeps_nobody_waiting(void)
{
    int fd;

    world.converses = 1;
    atomic_store(&world.lingering, 1);
    wsgi_threadpool_open(world.pool);
    fd = knock();
    for (int i = 0; i < THREADS; i++) {
        CHECK_OR_RETURN(ask(fd, (char)(i + 1))); /* each by another thread */
    }
    CHECK_INT(wsgi_threadpool_active(world.pool), THREADS);
    atomic_store(&world.gate, 1);
    wait_for(&world.served, THREADS);
    CHECK(ask(fd, 'x'));
    close(fd);
}

static atomic_int answered, refused;

/* Ask until the worker takes no more. */
static void *ask_often(void *arg)
{
    int fd = knock();

    while (ask(fd, 'x')) {
        atomic_fetch_add(&answered, 1);
    }
    atomic_fetch_add(&refused, 1);
    close(fd);
    return arg;
}

static void no_request_is_taken_after_the_stop(void)
{
    pthread_t clients[2 * THREADS];
    int served;

    world.converses = 1;
    atomic_store(&answered, 0);
    atomic_store(&refused, 0);
    wsgi_threadpool_open(world.pool);
    for (int i = 0; i < 2 * THREADS; i++) {
        CHECK_INT(pthread_create(&clients[i], NULL, ask_often, NULL), 0);
    }
    while (atomic_load(&answered) < 500) {
        usleep(PAUSE);
    }
    wsgi_threadpool_stop_accepting(world.pool);
    served = (int)wsgi_threadpool_served(world.pool) + wsgi_threadpool_active(world.pool);
    close(world.listener); /* for those in its queue */
    for (int i = 0; i < 2 * THREADS; i++) {
        pthread_join(clients[i], NULL);
    }
    CHECK(wsgi_threadpool_wait_idle(world.pool, wsgi_clock_now() + PATIENCE));
    CHECK(wsgi_threadpool_served(world.pool) <= served);
    CHECK_INT(atomic_load(&answered), wsgi_threadpool_served(world.pool)); /* each got what was done for it */
}

static void run_cases(void)
{
    TAP_RUN(accepts_nothing_before_it_is_opened);
    TAP_RUN(all_threads_work_at_once);
    TAP_RUN(nobody_is_woken_to_wait_behind_others);
    TAP_RUN(few_threads_serve_who_comes_one_by_one);
    TAP_RUN(tells_of_each_request);
    TAP_RUN(goes_on_while_requests_run_but_takes_no_more);
    TAP_RUN(stopping_is_quick_and_may_be_repeated);
    TAP_RUN(stopping_before_it_is_opened);
    TAP_RUN(serves_everybody_under_load);
    TAP_RUN(says_when_the_listener_is_of_no_use);
}

int main(void)
{
    tap.before = start;
    tap.after = stop;
    run_cases();
#ifdef __linux__
    may_keep = 1;
    run_cases();
    TAP_RUN(many_requests_over_one_connection);
    TAP_RUN(who_comes_without_a_request_counts_for_nothing);
    TAP_RUN(who_has_answered_keeps_nobody_waiting);
    TAP_RUN(stopping_closes_what_is_kept);
    TAP_RUN(no_request_is_taken_after_the_stop);
#endif
    return tap_done();
}
