#include "daemon/wsgi_child.h"

#include <errno.h>
#include <locale.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "daemon/wsgi_identity.h"

static void set_priority(const wsgi_group_t *group, const wsgi_log_sink_t *log)
{
    if (group->cpu_priority != 0 && setpriority(PRIO_PROCESS, 0, group->cpu_priority) < 0) {
        wsgi_log(log, WSGI_HERE, WSGI_LOG_WARNING, errno,
                 WSGI_LOGNO(0075) "Unable to set cpu-priority=%d for daemon process group '%s'; the default is kept.",
                 group->cpu_priority, group->name);
    }
}

static void allow_core_files(const wsgi_group_t *group, const wsgi_log_sink_t *log)
{
#if defined(__linux__) && defined(PR_SET_DUMPABLE)
    if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0) {
        wsgi_log(log, WSGI_HERE, WSGI_LOG_WARNING, errno,
                 WSGI_LOGNO(0061) "Processes of daemon process group '%s' will write no core files.", group->name);
    }
#else
    (void)group;
    (void)log;
#endif
}

int wsgi_child_take_identity(const wsgi_group_t *group, const wsgi_apache_t *apache)
{
    set_priority(group, &apache->log);
    if (!apache->is_root) {
        return 1;
    }
    if (!wsgi_identity_take(group, &apache->log)) {
        return 0;
    }
    if (apache->core_dumps) {
        allow_core_files(group, &apache->log);
    }
    return 1;
}

int wsgi_child_enter_home(const wsgi_group_t *group, const wsgi_apache_t *apache)
{
    const struct passwd *account;

    if (group->home != NULL) {
        if (chdir(group->home) == 0) {
            return 1;
        }
        wsgi_log(&apache->log, WSGI_HERE, WSGI_LOG_ALERT, errno,
                 WSGI_LOGNO(0009) "Unable to enter home='%s' of daemon process group '%s' as user id %ld.", group->home,
                 group->name, (long)geteuid());
        return 0;
    }
    if (!group->change_to_user_home || !apache->is_root) {
        return 1;
    }
    account = getpwuid(geteuid());
    if (account == NULL) {
        wsgi_log(&apache->log, WSGI_HERE, WSGI_LOG_ALERT, 0,
                 WSGI_LOGNO(0011) "User id %ld of daemon process group '%s' has no entry in the password database, so "
                                  "its home directory is not known; set home=.",
                 (long)geteuid(), group->name);
        return 0;
    }
    if (chdir(account->pw_dir) < 0) {
        wsgi_log(&apache->log, WSGI_HERE, WSGI_LOG_ALERT, errno,
                 WSGI_LOGNO(0010) "Unable to enter '%s', the home directory of user id %ld of daemon process group "
                                  "'%s'; set home=.",
                 account->pw_dir, (long)geteuid(), group->name);
        return 0;
    }
    return 1;
}

static int limit_cpu(const wsgi_group_t *group)
{
    rlim_t seconds = (rlim_t)apr_time_sec(group->cpu_time_limit);
    struct rlimit limit = { .rlim_cur = seconds,
                            .rlim_max = seconds + 1 + (rlim_t)apr_time_sec(group->shutdown_timeout) };

    return setrlimit(RLIMIT_CPU, &limit);
}

static int limit_memory(int resource, apr_int64_t bytes)
{
    struct rlimit limit = { .rlim_cur = (rlim_t)bytes, .rlim_max = (rlim_t)bytes };

    return setrlimit(resource, &limit);
}

static void set_limits(const wsgi_group_t *group, const wsgi_log_sink_t *log)
{
    if (group->cpu_time_limit > 0 && limit_cpu(group) < 0) {
        wsgi_log(log, WSGI_HERE, WSGI_LOG_WARNING, errno,
                 WSGI_LOGNO(0076) "Unable to set cpu-time-limit=%ld for daemon process group '%s'.",
                 (long)apr_time_sec(group->cpu_time_limit), group->name);
    }
    if (group->memory_limit > 0 && limit_memory(RLIMIT_DATA, group->memory_limit) < 0) {
        wsgi_log(log, WSGI_HERE, WSGI_LOG_WARNING, errno,
                 WSGI_LOGNO(0077) "Unable to set memory-limit=%" APR_INT64_T_FMT " for daemon process group '%s'.",
                 group->memory_limit, group->name);
    }
    if (group->virtual_memory_limit > 0 && limit_memory(RLIMIT_AS, group->virtual_memory_limit) < 0) {
        wsgi_log(log, WSGI_HERE, WSGI_LOG_WARNING, errno,
                 WSGI_LOGNO(0078) "Unable to set virtual-memory-limit=%" APR_INT64_T_FMT
                                  " for daemon process group '%s'.",
                 group->virtual_memory_limit, group->name);
    }
}

static void set_locale(const wsgi_group_t *group, const wsgi_log_sink_t *log)
{
    if (group->lang != NULL) {
        (void)setenv("LANG", group->lang, 1); /* can fail for want of memory only; Python would fail next */
    }
    if (group->locale == NULL) {
        return;
    }
    (void)setenv("LC_ALL", group->locale, 1);
    if (setlocale(LC_ALL, group->locale) == NULL) {
        wsgi_log(log, WSGI_HERE, WSGI_LOG_WARNING, 0,
                 WSGI_LOGNO(0079) "The system does not support locale='%s' of daemon process group '%s'; C.UTF-8 "
                                  "usually is.",
                 group->locale, group->name);
    }
}

void wsgi_child_apply_limits(const wsgi_group_t *group, const wsgi_apache_t *apache)
{
    if (group->umask >= 0) {
        umask((mode_t)group->umask);
    }
    set_limits(group, &apache->log);
    set_locale(group, &apache->log);
}

#ifdef __linux__

/* Field of /proc/self/stat, counted from 1 as proc(5) does. @return 0 when it cannot be had */
static uintptr_t stat_field(const char *line, int field)
{
    const char *at = strrchr(line, ')'); /* the name, field 2, may hold anything */

    for (int i = 2; at != NULL && i < field; i++) {
        at = strchr(at + 1, ' ');
    }
    return at != NULL ? (uintptr_t)strtoull(at + 1, NULL, 10) : 0;
}

/* The bytes that the kernel shows as command line, if `start` is their first; 0: not known, as without /proc */
static size_t command_line_space(const char *start)
{
    enum { ARG_START = 48, ARG_END = 49 };
    FILE *file = fopen("/proc/self/stat", "re");
    char line[2048];
    uintptr_t first, end;

    if (file == NULL) {
        return 0;
    }
    if (fgets(line, sizeof(line), file) == NULL) {
        line[0] = '\0';
    }
    fclose(file);
    first = stat_field(line, ARG_START);
    end = stat_field(line, ARG_END);
    return first == (uintptr_t)start && end > first ? (size_t)(end - first) : 0;
}

#else

static size_t command_line_space(const char *start)
{
    (void)start;
    return 0;
}

#endif

/*
 * The arguments lie one behind the other, as the kernel put them; only that much may be overwritten. Apache takes some
 * of them apart and lists copies instead, so that its list shows the first ones only.
 */
static size_t title_space(const wsgi_apache_t *apache)
{
    const char *end = apache->argv[0] + strlen(apache->argv[0]) + 1;
    size_t space = command_line_space(apache->argv[0]);

    if (space > 0) {
        return space;
    }
    for (int i = 1; i < apache->argc && apache->argv[i] == end; i++) {
        end += strlen(apache->argv[i]) + 1;
    }
    return (size_t)(end - apache->argv[0]);
}

void wsgi_child_set_title(const char *title, const wsgi_apache_t *apache)
{
    size_t space, len = strlen(title);
    char *at;

    if (apache->argc < 1 || apache->argv == NULL) {
        return;
    }
    space = title_space(apache);
    at = (char *)(uintptr_t)apache->argv[0]; /* const only as far as Apache goes; this process is ours */
    memset(at, '\0', space);
    memcpy(at, title, len < space ? len : space - 1);
}
