#include "daemon/wsgi_janitor.h"

#include <apr_time.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/wsgi_clock.h"
#include "daemon/wsgi_descriptors.h"
#include "wire/wsgi_socket.h"

enum { /* microseconds */
    LOOK = 1000,       /* between two looks whether it has ended */
    PATIENCE = 5000000 /* for a few calls of unlink */
};

static int is_wanted(void *context, int fd)
{
    (void)context;
    (void)fd;
    return 0;
}

/* As if it had been made before everything else: it must not keep anybody's socket, connection or life line open. */
static void leave_all(const wsgi_retained_t *retained, int line)
{
    for (const wsgi_keeperproc_t *k = retained->keepers; k != NULL; k = k->next) {
        close(k->control);
    }
    wsgi_descriptors_close_inherited(&line, 1, is_wanted, NULL);
}

static void be_janitor(const wsgi_current_t *current, int line)
{
    static const int ignored[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH };
    char word;

    (void)setpgid(0, 0); /* Ctrl-C is for the server, which tells us */
    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++) {
        (void)signal(ignored[i], SIG_IGN); /* cannot fail for these */
    }
    leave_all(current->retained, line);
    while (read(line, &word, 1) < 0 && errno == EINTR) {
    }
    for (const wsgi_station_t *s = current->retained->stations; s != NULL; s = s->next) {
        (void)wsgi_listener_remove(s->path, &s->file); /* the server looks itself, and says what it finds */
        (void)wsgi_listener_remove(s->orders_path, &s->orders_file);
    }
    _exit(0);
}

void wsgi_janitor_start(wsgi_current_t *current)
{
    int line[2] = { -1, -1 };
    pid_t pid = wsgi_socket_pipe(line) < 0 ? -1 : fork();

    if (pid == 0) {
        close(line[1]);
        be_janitor(current, line[0]);
    }
    if (pid < 0) {
        wsgi_log(&current->apache.log, WSGI_HERE, WSGI_LOG_WARNING, errno,
                 WSGI_LOGNO(0262) "Unable to start the process that removes the sockets of daemon process groups when "
                                  "this server, which runs as one process, stops.");
    }
    if (line[0] >= 0) {
        close(line[0]);
    }
    if (pid < 0 && line[1] >= 0) {
        close(line[1]);
        line[1] = -1;
    }
    current->janitor = pid;
    current->janitor_line = line[1];
}

void wsgi_janitor_finish(wsgi_current_t *current)
{
    apr_time_t deadline = wsgi_clock_now() + PATIENCE;
    ssize_t written;

    if (current->janitor <= 0) {
        return;
    }
    written = write(current->janitor_line, "", 1); /* so that it need not wait for processes that hold the pipe, too */
    (void)written;                                 /* the end of file says the same */
    close(current->janitor_line);
    while (waitpid(current->janitor, NULL, WNOHANG) == 0 && wsgi_clock_now() < deadline) {
        apr_sleep(LOOK);
    }
    current->janitor = -1;
}
