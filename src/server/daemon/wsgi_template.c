#include "daemon/wsgi_template.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/wsgi_heirs.h"
#include "daemon/wsgi_worker.h"
#include "daemon/wsgi_workerstart.h"
#include "wire/wsgi_passedfd.h"

/* A worker to be made. */
typedef struct {
    wsgi_workerstate_t *w;
    wsgi_template_order_t order;
    int control; /* its end of the control socket */
} task_t;

/*
 * The first that the keeper hears of a worker is its process id, before anything that the application wants to be done
 * after a fork: then it can end it.
 */
static void tell_birth(int control)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "%ld", (long)getpid());

    (void)wsgi_control_send(control, WSGI_CONTROL_BORN, text, len); /* a keeper that is gone shows as end of file */
}

/* The process between dies at once, so that the new one becomes a child of the keeper, like all workers. */
static pid_t fork_twice(const task_t *task)
{
    pid_t between = fork(), worker;

    if (between != 0) {
        return between;
    }
    worker = fork();
    if (worker != 0) {
        _exit(worker < 0);
    }
    tell_birth(task->control);
    return 0;
}

/* See wsgi_bridge_t.fork. */
static pid_t make_process(void *context)
{
    const task_t *task = context;
    wsgi_workerstate_t *w = task->w;
    pid_t pid;

    wsgi_heirs_get_all();
    wsgi_overheard_hold(&w->overheard);
    pid = fork_twice(task);
    wsgi_overheard_release(&w->overheard);
    wsgi_heirs_lose(w->start->listener, pid == 0 ? task->control : w->start->keeper);
    return pid;
}

/* In the new process. */
static void be_worker(const task_t *task)
{
    wsgi_workerstate_t *w = task->w;

    close(w->start->keeper); /* the template's */
    w->start->keeper = task->control;
    w->start->slot = task->order.slot;
    w->start->birth = task->order.birth;
    w->start->may_refuse = task->order.may_refuse;
    wsgi_control_init(&w->keeper, task->control);
    w->overheard.is_guarded = 0;
    w->peer.slot = task->order.slot;
    if (wsgi_signals_renew(&w->signals) < 0) {
        wsgi_workerstart_give_up(w);
    }
    wsgi_log(w->log, WSGI_HERE, WSGI_LOG_INFO, 0,
             "A process of daemon process group '%s' was made from its template.", w->group->name);
    wsgi_workerstart_load(w, WSGI_SCRIPTS_OTHERS);
    wsgi_worker_serve(w);
}

static void make_worker(wsgi_workerstate_t *w, const wsgi_template_order_t *order, int control)
{
    task_t task = { w, *order, control };
    pid_t pid = w->peer.runtime != NULL ? w->peer.bridge->fork(w->peer.runtime, make_process, &task)
                                        : make_process(&task);

    if (pid == 0) {
        be_worker(&task);
    }
    if (pid < 0) {
        wsgi_log(w->log, WSGI_HERE, WSGI_LOG_ERR, errno,
                 WSGI_LOGNO(0215) "The template of daemon process group '%s' cannot make a process.", w->group->name);
    }
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    close(control); /* if there is no worker, the keeper sees it by that */
}

/* @return the descriptor that came with an order; -1 there was none; -2 the keeper is gone, or talks nonsense */
static int receive(wsgi_template_order_t *order, int keeper)
{
    struct iovec block = { order, sizeof(*order) };
    struct msghdr msg = { .msg_iov = &block, .msg_iovlen = 1 };
    wsgi_passedfd_t room;
    ssize_t n;
    int fd;

    wsgi_passedfd_expect(&msg, &room);
    n = recvmsg(keeper, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0) {
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? -1 : -2;
    }
    fd = wsgi_passedfd_collect(&msg, -1);
    return n == (ssize_t)sizeof(*order) && fd >= 0 ? fd : -2;
}

/* @return whether to go on */
static int obey(wsgi_workerstate_t *w)
{
    wsgi_template_order_t order;
    int control = receive(&order, w->start->keeper);

    if (control >= 0) {
        make_worker(w, &order, control);
    }
    return control != -2;
}

static int is_told_to_end(const wsgi_workerstate_t *w)
{
    int signum, found = 0;

    while ((signum = wsgi_signals_next(&w->signals)) >= 0) {
        found |= signum == SIGTERM || signum == SIGINT;
    }
    return found;
}

/*
 * No exit function runs at the end: they are copied into the workers, where the things are that they would clear away.
 */
void wsgi_template_run(wsgi_worker_start_t *start)
{
    wsgi_workerstate_t *w = wsgi_workerstart_prepare(start);
    struct pollfd fds[2] = { { .fd = w->signals.control, .events = POLLIN },
                             { .fd = start->keeper, .events = POLLIN } };

    wsgi_workerstart_load(w, WSGI_SCRIPTS_MAIN);
    wsgi_worker_announce(w);
    do {
        if (poll(fds, 2, -1) < 0 && errno != EINTR) {
            break;
        }
    } while (!is_told_to_end(w) && obey(w));
    _exit(0);
}
