#include "base/wsgi_exitstatus.h"

#include <apr_strings.h>
#include <signal.h>
#include <sys/wait.h>

static const char *signal_name(int signum)
{
    static const struct {
        int signum;
        const char *name;
    } names[] = {
        { SIGABRT, "SIGABRT" }, { SIGALRM, "SIGALRM" }, { SIGBUS, "SIGBUS" },   { SIGFPE, "SIGFPE" },
        { SIGHUP, "SIGHUP" },   { SIGILL, "SIGILL" },   { SIGINT, "SIGINT" },   { SIGKILL, "SIGKILL" },
        { SIGPIPE, "SIGPIPE" }, { SIGQUIT, "SIGQUIT" }, { SIGSEGV, "SIGSEGV" }, { SIGSYS, "SIGSYS" },
        { SIGTERM, "SIGTERM" }, { SIGTRAP, "SIGTRAP" }, { SIGUSR1, "SIGUSR1" }, { SIGUSR2, "SIGUSR2" },
        { SIGXCPU, "SIGXCPU" }, { SIGXFSZ, "SIGXFSZ" },
    };

    for (apr_size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].signum == signum) {
            return names[i].name;
        }
    }
    return "no name";
}

const char *wsgi_exit_describe(int status, apr_pool_t *pool)
{
    if (WIFEXITED(status)) {
        return apr_psprintf(pool, "exited with status %d", WEXITSTATUS(status));
    }
    if (WIFSIGNALED(status)) {
        int signum = WTERMSIG(status);
        return apr_psprintf(pool, "was killed by signal %d (%s)%s", signum, signal_name(signum),
                            signum == SIGKILL ? ", perhaps for want of memory" : "");
    }
    return apr_psprintf(pool, "ended with wait status %d", status);
}
