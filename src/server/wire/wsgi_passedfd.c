#include "wire/wsgi_passedfd.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

void wsgi_passedfd_attach(struct msghdr *msg, wsgi_passedfd_t *room, int fd)
{
    struct cmsghdr *c;

    memset(room, 0, sizeof(*room));
    wsgi_passedfd_expect(msg, room);
    c = CMSG_FIRSTHDR(msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(fd));
    memcpy(CMSG_DATA(c), &fd, sizeof(fd));
}

void wsgi_passedfd_expect(struct msghdr *msg, wsgi_passedfd_t *room)
{
    msg->msg_control = room->space;
    msg->msg_controllen = sizeof(room->space);
}

int wsgi_passedfd_collect(struct msghdr *msg, int known)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
            if (known >= 0) {
                close(known);
            }
            memcpy(&known, (char *)c + at, sizeof(int));
            if (MSG_CMSG_CLOEXEC == 0) {
                (void)fcntl(known, F_SETFD, FD_CLOEXEC);
            }
        }
    }
    return known;
}
