#ifndef WSGI_PASSEDFD_H
#define WSGI_PASSEDFD_H

#include <sys/socket.h>

/** One descriptor beside the bytes of a message over a UNIX socket: SCM_RIGHTS of unix(7). */

#ifndef MSG_CMSG_CLOEXEC
#define MSG_CMSG_CLOEXEC 0 /* wsgi_passedfd_collect() does it then */
#endif

/** Room that has to live until sendmsg or recvmsg has returned. */
typedef union {
    struct cmsghdr align;
    char space[CMSG_SPACE(sizeof(int))];
} wsgi_passedfd_t;

/** Before sendmsg: `fd` goes with the message and stays open here. */
void wsgi_passedfd_attach(struct msghdr *msg, wsgi_passedfd_t *room, int fd);

/** Before recvmsg, with MSG_CMSG_CLOEXEC: one may come. */
void wsgi_passedfd_expect(struct msghdr *msg, wsgi_passedfd_t *room);

/**
 * After recvmsg: the last descriptor that came, close-on-exec. All others are closed, `known` as well: nobody sends
 * more than is taken, and what nobody closes would be lost to this process for ever.
 * @param known the one that came before, -1: none
 * @return the descriptor, `known` when none came
 */
int wsgi_passedfd_collect(struct msghdr *msg, int known);

#endif
