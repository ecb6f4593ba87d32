/* sources: base/wsgi_exitstatus.c */
#include "base/wsgi_exitstatus.h"

#include "wsgi_tap.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* What is said of a child that ends by `signum`, or, when that is 0, with exit status `code`. */
static const char *describe(int signum, int code)
{
    const struct rlimit no_core = { 0, 0 };
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &no_core);
        if (signum != 0) {
            signal(signum, SIG_DFL);
            raise(signum);
        }
        _exit(code);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        return "no child";
    }
    return wsgi_exit_describe(status, tap.pool);
}

static void exit_status_is_told(void)
{
    CHECK_STR(describe(0, 0), "exited with status 0");
    CHECK_STR(describe(0, 3), "exited with status 3");
    CHECK_STR(describe(0, 255), "exited with status 255");
}

static void signal_is_told_by_number_and_name(void)
{
    CHECK_STR(describe(SIGSEGV, 0), "was killed by signal 11 (SIGSEGV)");
    CHECK_STR(describe(SIGTERM, 0), "was killed by signal 15 (SIGTERM)");
    CHECK_CONTAINS(describe(SIGABRT, 0), "(SIGABRT)");
    CHECK_CONTAINS(describe(SIGXCPU, 0), "(SIGXCPU)");
    CHECK_CONTAINS(describe(SIGBUS, 0), "(SIGBUS)");
}

static void kill_hints_at_memory(void)
{
    CHECK_CONTAINS(describe(SIGKILL, 0), "signal 9 (SIGKILL)");
    CHECK_CONTAINS(describe(SIGKILL, 0), "memory");
}

static void signal_without_a_name_has_its_number(void)
{
    CHECK_CONTAINS(describe(SIGPROF, 0), "was killed by signal");
}

int main(void)
{
    TAP_RUN(exit_status_is_told);
    TAP_RUN(signal_is_told_by_number_and_name);
    TAP_RUN(kill_hints_at_memory);
    TAP_RUN(signal_without_a_name_has_its_number);
    return tap_done();
}
