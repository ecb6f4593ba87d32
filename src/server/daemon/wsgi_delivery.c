#include "daemon/wsgi_delivery.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <unistd.h>

#include "base/wsgi_clock.h"
#include "base/wsgi_parse.h"
#include "wire/wsgi_passedfd.h"
#include "wire/wsgi_socket.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* keepers ignore SIGPIPE */
#endif

/* One block is never sent in part: the socket holds more, and takes all of it or nothing. */
static int send_order(int fd, const wsgi_template_order_t *order, int passed)
{
    struct iovec block = { (void *)(uintptr_t)order, sizeof(*order) };
    struct msghdr msg = { .msg_iov = &block, .msg_iovlen = 1 };
    wsgi_passedfd_t room;

    wsgi_passedfd_attach(&msg, &room, passed);
    return sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof(*order) ? 0 : -1;
}

int wsgi_delivery_ask(const wsgi_proc_t *template, const wsgi_template_order_t *order, int *control)
{
    int pair[2], rc, error;

    if (wsgi_socket_pair(pair) < 0) {
        return -1;
    }
    rc = send_order(template->control.fd, order, pair[1]);
    error = errno;
    close(pair[1]);
    if (rc < 0) {
        close(pair[0]);
        errno = error;
        return -1;
    }
    *control = pair[0];
    return 0;
}

/*
 * The number is only used to send signals and to compare it, by a process that has the same rights as the one that
 * says it: all that is to be avoided are numbers that stand for many processes, and two workers with one number.
 */
void wsgi_delivery_on_born(wsgi_keeper_t *k, wsgi_proc_t *proc, const wsgi_control_message_t *message)
{
    apr_int64_t pid;

    if (proc->pid != 0 || !wsgi_parse_integer(&pid, message->text, 2, APR_INT32_MAX)
        || wsgi_proctable_find(&k->table, (pid_t)pid) != NULL) {
        return;
    }
    proc->pid = (pid_t)pid;
    wsgi_board_keeper_started(k->board, proc->slot, proc->pid);
    if (k->is_terminating) {
        (void)kill(proc->pid, SIGTERM);
    }
}

void wsgi_delivery_on_unborn(wsgi_keeper_t *k, wsgi_proc_t *proc)
{
    wsgi_board_keeper_ended(k->board, proc->slot, 0);
    wsgi_control_close(&proc->control);
    proc->state = WSGI_PROC_FREE;
    if (!k->is_draining && !k->is_terminating) {
        wsgi_succession_failed(&k->succession, wsgi_clock_now());
    }
}

/* It says its number before it can die, and becomes our child after that. */
wsgi_proc_t *wsgi_delivery_find(wsgi_keeper_t *k, pid_t pid)
{
    for (int i = 0; i < k->table.capacity; i++) {
        wsgi_proc_t *proc = &k->table.procs[i];
        wsgi_control_message_t message;
        if (proc->state != WSGI_PROC_FREE && proc->pid == 0 && wsgi_control_next(&proc->control, &message) > 0
            && message.type == WSGI_CONTROL_BORN) {
            wsgi_delivery_on_born(k, proc, &message);
        }
    }
    return wsgi_proctable_find(&k->table, pid);
}
