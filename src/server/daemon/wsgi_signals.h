#ifndef WSGI_SIGNALS_H
#define WSGI_SIGNALS_H

/**
 * Signals of keepers and workers. A handler only writes the signal's number, one byte, to a pipe; everything else
 * is done by whoever reads it. In a process that application code forked, an inherited handler ends that process.
 */

typedef struct {
    int control; /* read end: SIGTERM, SIGINT, SIGUSR1, SIGXCPU, SIGCHLD; also wsgi_signals_wake() */
    int events;  /* read end: SIGHUP, SIGUSR2; blocking */
} wsgi_signals_t;

/** Sent to a thread to break a blocking call off; its handler does nothing. Applications must not use it. */
#define WSGI_SIGNAL_INTERRUPT SIGWINCH

/**
 * Install the handlers of a keeper: TERM, INT and CHLD arrive; HUP, USR1 and USR2 are ignored.
 * @return 0, or -1 and errno
 */
int wsgi_signals_open_keeper(wsgi_signals_t *signals);

/** Install the handlers of a worker, pipes before handlers. `service`: a threads=0 process handles none of them. */
int wsgi_signals_open_worker(wsgi_signals_t *signals, int service);

/**
 * In a process forked from one that has handlers, by ourselves: pipes of its own; the handlers stay as they are.
 * @return 0, or -1 and errno
 */
int wsgi_signals_renew(wsgi_signals_t *signals);

/**
 * Have `note` called on the thread that a fatal signal hits (SEGV, BUS, FPE, ILL, ABRT), before the process dies of it.
 * It runs in a signal handler, in a process whose memory may be damaged. Handlers that are installed later, such as
 * those of Python's faulthandler, come first if they pass the signal on. @return 0, or -1 and errno
 */
int wsgi_signals_on_crash(void (*note)(void *context), void *context);

/** Put all handlers of this module and its host back to the default, and close the pipes: after a fork. */
void wsgi_signals_reset(void);

/** Shutdown has begun: SIGHUP and SIGUSR2 are ignored and the events pipe ends for its reader. */
void wsgi_signals_close_events(void);

/** Make the reader of the control pipe look. Any thread. */
void wsgi_signals_wake(void);

/** Next signal number from the control pipe, 0 for a wake, -1 when there is none. Never blocks. */
int wsgi_signals_next(const wsgi_signals_t *signals);

#endif
