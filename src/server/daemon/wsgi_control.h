#ifndef WSGI_CONTROL_H
#define WSGI_CONTROL_H

#include <apr_errno.h>

/**
 * Short messages between a keeper and one of its workers, and from the Apache parent to a keeper, over a socket
 * pair. An end of file means that the other process is gone. What a worker says is untrusted input to its keeper:
 * types and lengths are checked.
 */

typedef enum {
    /* worker to keeper */
    WSGI_CONTROL_READY = 1,   /* has loaded what it should, and waits for the word to serve */
    WSGI_CONTROL_LOADED = 2,  /* a script answers here; text: see wsgi_warm_encode() */
    WSGI_CONTROL_FAILED = 4,  /* a script could not be loaded; text: the end of what was logged about it */
    WSGI_CONTROL_BORN = 5,    /* the first word of a worker that a template made; text: its process id, decimal */
    WSGI_CONTROL_CLOSED = 6,  /* told to retire, it accepts nothing more */
    WSGI_CONTROL_REPLACE = 3, /* text: reason; "script_reload" is the one that all older workers share */
    /* keeper to worker */
    WSGI_CONTROL_LOAD = 14,   /* another worker answers with a script; text: as in LOADED */
    WSGI_CONTROL_SERVE = 15,  /* accept requests: those that this one replaces know that they must not */
    WSGI_CONTROL_RETIRE = 16, /* text: reason; accept nothing more, finish, end */
    /* The worker that was started for a changed script died before it was ready; text, if any: cannot be loaded. */
    WSGI_CONTROL_NO_SUCCESSOR = 17,
    /* parent to keeper */
    WSGI_CONTROL_SUPERSEDED = 32, /* the next generation shares the listener: retire once it is ready */
    WSGI_CONTROL_TERMINATE = 33,  /* end now */
    WSGI_CONTROL_ABANDONED = 34   /* nobody takes your place: end when the last client is gone */
} wsgi_control_type_t;

enum { WSGI_CONTROL_TEXT = 4096 }; /* longest text with its NUL, bytes */

typedef struct {
    int type;
    int len;                      /* of text, without the NUL that follows it */
    char text[WSGI_CONTROL_TEXT]; /* may hold further NULs */
} wsgi_control_message_t;

typedef struct {
    int fd; /* owned by whoever made it; -1: closed */
    int used;
    char buf[WSGI_CONTROL_TEXT + 8];
} wsgi_control_t;

void wsgi_control_init(wsgi_control_t *control, int fd);

/** Close this end, if it is open. */
void wsgi_control_close(wsgi_control_t *control);

/**
 * Send one message, from a worker. Blocks only when the keeper has not read for long.
 * @return APR_SUCCESS; APR_ENOSPC when the text is too long; an error of send
 */
apr_status_t wsgi_control_send(int fd, wsgi_control_type_t type, const char *text, int len);

/**
 * The same without ever waiting, from a keeper or the Apache parent: processes of another account, which may be stopped
 * or busy for ever, must not keep them from their work.
 * @return also APR_EAGAIN: the other side has not read for so long that nothing more fits, and is not told
 */
apr_status_t wsgi_control_try_send(int fd, wsgi_control_type_t type, const char *text, int len);

/**
 * Take the next message without waiting.
 * @return 1 a message; 0 none yet; -1 the other side is gone or sent what no message is
 */
int wsgi_control_next(wsgi_control_t *control, wsgi_control_message_t *message);

#endif
