#include "daemon/wsgi_signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "wire/wsgi_socket.h"

/* What a handler can reach; written before the handlers are installed. */
static struct {
    volatile pid_t owner;
    volatile int control_write, control_read;
    volatile int events_write, events_read;
    void (*note_crash)(void *context);
    void *crash_context;
} state = { 0, -1, -1, -1, -1, NULL, NULL };

static void write_byte(int fd, int signum)
{
    unsigned char byte = (unsigned char)signum;
    int saved = errno;
    ssize_t n = write(fd, &byte, 1); /* a full pipe means that the reader will look anyway */

    (void)n;
    errno = saved;
}

static void on_control(int signum)
{
    if (getpid() != state.owner) {
        _exit(1); /* forked by the application, which kept our handler */
    }
    write_byte(state.control_write, signum);
}

static void on_event(int signum)
{
    if (getpid() != state.owner) {
        _exit(1);
    }
    write_byte(state.events_write, signum);
}

static void on_interrupt(int signum)
{
    (void)signum;
}

/* The handler is gone when it runs, so that the signal now does what it would have done without it. */
static void on_crash(int signum)
{
    if (getpid() == state.owner) {
        state.note_crash(state.crash_context);
    }
    (void)raise(signum);
}

static int install(int signum, void (*handler)(int), int flags)
{
    struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

    sigemptyset(&action.sa_mask);
    return sigaction(signum, &action, NULL);
}

static int open_pipe(volatile int *read_end, volatile int *write_end, int nonblocking_read)
{
    int fds[2];

    if (wsgi_socket_pipe(fds) < 0) {
        return -1;
    }
    *read_end = fds[0];
    *write_end = fds[1];
    if (fcntl(fds[1], F_SETFL, O_NONBLOCK) < 0) {
        return -1;
    }
    return nonblocking_read ? fcntl(fds[0], F_SETFL, O_NONBLOCK) : 0;
}

static void close_end(volatile int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

static void close_pipes(void)
{
    close_end(&state.control_read);
    close_end(&state.control_write);
    close_end(&state.events_read);
    close_end(&state.events_write);
}

void wsgi_signals_reset(void)
{
    static const int used[] = { SIGTERM, SIGINT,  SIGHUP,  SIGUSR1, SIGUSR2, SIGWINCH, SIGXCPU, SIGCHLD,
                                SIGQUIT, SIGABRT, SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,   SIGXFSZ, SIGALRM };
    sigset_t none;

    for (size_t i = 0; i < sizeof(used) / sizeof(used[0]); i++) {
        (void)install(used[i], SIG_DFL, 0);
    }
    (void)install(SIGPIPE, SIG_IGN, 0);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    close_pipes();
}

/* For a worker: signals that its main thread reads, and events for a thread that waits for them. */
static int open_pipes(wsgi_signals_t *signals)
{
    if (open_pipe(&state.control_read, &state.control_write, 1) < 0
        || open_pipe(&state.events_read, &state.events_write, 0) < 0) {
        return -1;
    }
    state.owner = getpid();
    signals->control = state.control_read;
    signals->events = state.events_read;
    return 0;
}

int wsgi_signals_open_keeper(wsgi_signals_t *signals)
{
    if (open_pipe(&state.control_read, &state.control_write, 1) < 0) {
        return -1;
    }
    state.owner = getpid();
    signals->control = state.control_read;
    signals->events = -1;
    if (install(SIGTERM, on_control, SA_RESTART) < 0 || install(SIGINT, on_control, SA_RESTART) < 0
        || install(SIGCHLD, on_control, SA_RESTART | SA_NOCLDSTOP) < 0 || install(SIGHUP, SIG_IGN, 0) < 0
        || install(SIGUSR1, SIG_IGN, 0) < 0 || install(SIGUSR2, SIG_IGN, 0) < 0 || install(SIGWINCH, SIG_IGN, 0) < 0) {
        return -1;
    }
    return 0;
}

int wsgi_signals_open_worker(wsgi_signals_t *signals, int service)
{
    if (open_pipes(signals) < 0) {
        return -1;
    }
    if (service) {
        return 0; /* the script installs its own; Python does for SIGTERM */
    }
    if (install(SIGTERM, on_control, SA_RESTART) < 0 || install(SIGINT, on_control, SA_RESTART) < 0
        || install(SIGUSR1, on_control, SA_RESTART) < 0 || install(SIGXCPU, on_control, SA_RESTART) < 0
        || install(SIGHUP, on_event, SA_RESTART) < 0 || install(SIGUSR2, on_event, SA_RESTART) < 0
        || install(WSGI_SIGNAL_INTERRUPT, on_interrupt, 0) < 0) {
        return -1;
    }
    return 0;
}

int wsgi_signals_renew(wsgi_signals_t *signals)
{
    close_pipes();
    return open_pipes(signals);
}

int wsgi_signals_on_crash(void (*note)(void *context), void *context)
{
    static const int fatal[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
    int rc = 0;

    state.note_crash = note;
    state.crash_context = context;
    for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++) {
        rc = install(fatal[i], on_crash, SA_RESETHAND | SA_NODEFER) < 0 ? -1 : rc;
    }
    return rc;
}

void wsgi_signals_close_events(void)
{
    (void)install(SIGHUP, SIG_IGN, 0);
    (void)install(SIGUSR2, SIG_IGN, 0);
    close_end(&state.events_write);
}

void wsgi_signals_wake(void)
{
    write_byte(state.control_write, 0);
}

int wsgi_signals_next(const wsgi_signals_t *signals)
{
    unsigned char byte;

    return read(signals->control, &byte, 1) == 1 ? byte : -1;
}
