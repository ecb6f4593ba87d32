#ifndef WSGI_OVERHEARD_H
#define WSGI_OVERHEARD_H

#include <pthread.h>

#include "base/wsgi_log.h"
#include "daemon/wsgi_control.h"

/**
 * Errors that go to the log, kept as well for a while: the end of what was written between begin and end. Any thread
 * may log; one thread begins and ends. Zeroed memory is a valid start.
 */
typedef struct {
    wsgi_log_sink_t log; /* where they go; constant */
    pthread_mutex_t lock;
    int is_guarded;      /* the lock is held while something is written; changed while one thread runs */
    int is_listening;    /* guarded by lock */
    int used;            /* guarded by lock */
    char text[WSGI_CONTROL_TEXT - 8]; /* guarded by lock; whole lines */
} wsgi_overheard_t;

/** @return a sink that passes everything on to `log` */
wsgi_log_sink_t wsgi_overheard_sink(wsgi_overheard_t *overheard, const wsgi_log_sink_t *log);

/**
 * Around a fork of a process in which is_guarded is set: no thread is in the middle of writing meanwhile, so that the
 * new process, which has only one, finds no lock taken. Both processes release.
 */
void wsgi_overheard_hold(wsgi_overheard_t *overheard);
void wsgi_overheard_release(wsgi_overheard_t *overheard);

void wsgi_overheard_begin(wsgi_overheard_t *overheard);

/** @return lines, each with its newline, "" for none; valid until the next begin */
const char *wsgi_overheard_end(wsgi_overheard_t *overheard);

#endif
