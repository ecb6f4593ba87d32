#include "daemon/wsgi_child.h"

#include <errno.h>
#include <grp.h>
#include <locale.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#endif

static void set_priority(const wsgi_group_t *group, const wsgi_log_sink_t *log)
{
    if (group->cpu_priority != 0 && setpriority(PRIO_PROCESS, 0, group->cpu_priority) < 0) {
        wsgi_log(log, WSGI_HERE, WSGI_LOG_WARNING, errno,
                 WSGI_LOGNO(0075) "Unable to set cpu-priority=%d for daemon process group '%s'; the default is kept.",
                 group->cpu_priority, group->name);
    }
}

static int set_groups(const wsgi_group_t *group, const wsgi_log_sink_t *log)
{
    if (group->supplementary != NULL) {
        if (setgroups((size_t)group->supplementary_count, group->supplementary) < 0) {
            wsgi_log(log, WSGI_HERE, WSGI_LOG_ALERT, errno,
                     WSGI_LOGNO(0005) "Unable to set the supplementary groups of daemon process group '%s', user "
                                      "'%s'.",
                     group->name, group->user ? group->user : "?");
            return 0;
        }
    } else if (group->user != NULL ? initgroups(group->user, group->gid) < 0 : setgroups(1, &group->gid) < 0) {
        wsgi_log(log, WSGI_HERE, WSGI_LOG_ALERT, errno,
                 WSGI_LOGNO(0006) "Unable to set the groups of user '%s' (group id %ld) for daemon process group '%s'.",
                 group->user ? group->user : "?", (long)group->gid, group->name);
        return 0;
    }
    return 1;
}

static int enter_root(const wsgi_group_t *group, const wsgi_log_sink_t *log)
{
    if (group->chroot != NULL && (chroot(group->chroot) < 0 || chdir("/") < 0)) {
        wsgi_log(log, WSGI_HERE, WSGI_LOG_ALERT, errno,
                 WSGI_LOGNO(0003) "Unable to change the root directory to '%s' for daemon process group '%s'.",
                 group->chroot, group->name);
        return 0;
    }
    return 1;
}

/* Real, effective and saved ids; a way back to root would be a hole, so it is tried. */
static int set_ids(const wsgi_group_t *group, const wsgi_log_sink_t *log)
{
    if (setgid(group->gid) < 0) {
        wsgi_log(log, WSGI_HERE, WSGI_LOG_ALERT, errno,
                 WSGI_LOGNO(0004) "Unable to set the group id to %ld for daemon process group '%s'.", (long)group->gid,
                 group->name);
        return 0;
    }
    if (setuid(group->uid) < 0 || getuid() != group->uid || geteuid() != group->uid || setuid(0) == 0) {
        wsgi_log(log, WSGI_HERE, WSGI_LOG_ALERT, errno,
                 WSGI_LOGNO(0007) "Unable to change to user id %ld for daemon process group '%s'.", (long)group->uid,
                 group->name);
        wsgi_log(log, WSGI_HERE, WSGI_LOG_ALERT, 0,
                 WSGI_LOGNO(0008) "A process of daemon process group '%s' is in an undefined state and ends.",
                 group->name);
        return 0;
    }
    return 1;
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
    /* Groups first: inside the new root there may be no group file. */
    if (!set_groups(group, &apache->log) || !enter_root(group, &apache->log) || !set_ids(group, &apache->log)) {
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

/* The arguments lie one behind the other, as the kernel put them; only that much may be overwritten. */
static size_t title_space(const wsgi_apache_t *apache)
{
    const char *end = apache->argv[0] + strlen(apache->argv[0]) + 1;

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
