#include "daemon/wsgi_identity.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/capability.h>
#include <sys/syscall.h>
#endif

/* ---- what the process is now ---- */

#if defined(__linux__) || defined(__FreeBSD__) || defined(__OpenBSD__)

static int has_uid(uid_t uid)
{
    uid_t real, effective, saved;

    return getresuid(&real, &effective, &saved) == 0 && real == uid && effective == uid && saved == uid;
}

static int has_gid(gid_t gid)
{
    gid_t real, effective, saved;

    return getresgid(&real, &effective, &saved) == 0 && real == gid && effective == gid && saved == gid;
}

#else /* the saved ids show when somebody tries to go back to them, see cannot_return() */

static int has_uid(uid_t uid)
{
    return getuid() == uid && geteuid() == uid;
}

static int has_gid(gid_t gid)
{
    return getgid() == gid && getegid() == gid;
}

#endif

static int is_among(gid_t gid, const gid_t *groups, int count)
{
    for (int i = 0; i < count; i++) {
        if (groups[i] == gid) {
            return 1;
        }
    }
    return 0;
}

static int is_subset(const gid_t *part, int part_count, const gid_t *whole, int whole_count)
{
    for (int i = 0; i < part_count; i++) {
        if (!is_among(part[i], whole, whole_count)) {
            return 0;
        }
    }
    return 1;
}

/* Whether the supplementary groups are these; systems differ in their order, and in whether they keep one twice. */
static int has_groups(const gid_t *wanted, int count)
{
    int found = getgroups(0, NULL), is_equal;
    gid_t *groups;

    if (found < 0) {
        return 0;
    }
    groups = calloc((size_t)found + 1, sizeof(*groups));
    if (groups == NULL) {
        return 0;
    }
    found = getgroups(found, groups);
    is_equal = found >= 0 && is_subset(groups, found, wanted, count) && is_subset(wanted, count, groups, found);
    free(groups);
    return is_equal;
}

#ifdef __linux__

/* What setuid() takes from a process, unless whoever started Apache has set securebits that say otherwise. */
static unsigned long long remaining_capabilities(void)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

    if (syscall(SYS_capget, &header, data) < 0) {
        return 0; /* a kernel without capabilities */
    }
    return (unsigned long long)(data[1].permitted | data[1].effective) << 32 | (data[0].permitted | data[0].effective);
}

#else

static unsigned long long remaining_capabilities(void)
{
    return 0;
}

#endif

/* ---- the steps ---- */

/* So that a failure further on, whatever it says, leaves no group of root. */
static int give_up_groups(const wsgi_group_t *group)
{
    if (setgroups(1, &group->gid) < 0) {
        return 0;
    }
    errno = 0;
    return has_groups(&group->gid, 1);
}

static int set_given_groups(const wsgi_group_t *group)
{
    if (setgroups((size_t)group->supplementary_count, group->supplementary) < 0) {
        return 0;
    }
    errno = 0;
    return has_groups(group->supplementary, group->supplementary_count);
}

static int set_groups(const wsgi_group_t *group, const wsgi_log_sink_t *log)
{
    if (group->supplementary != NULL && !set_given_groups(group)) {
        wsgi_log(log, WSGI_HERE, WSGI_LOG_ALERT, errno,
                 WSGI_LOGNO(0005) "Unable to set the supplementary groups of daemon process group '%s', user '%s'.",
                 group->name, group->user ? group->user : "?");
        return 0;
    }
    if (group->supplementary == NULL
        && (!give_up_groups(group) || (group->user != NULL && initgroups(group->user, group->gid) < 0))) {
        wsgi_log(log, WSGI_HERE, WSGI_LOG_ALERT, errno,
                 WSGI_LOGNO(0006) "Unable to set the groups of user '%s' (group id %ld) for daemon process group '%s'.",
                 group->user ? group->user : "?", (long)group->gid, group->name);
        return 0;
    }
    return 1;
}

static int change_root(const char *folder)
{
    struct stat wanted, root;

    if (stat(folder, &wanted) < 0 || chroot(folder) < 0 || chdir("/") < 0 || stat("/", &root) < 0) {
        return 0;
    }
    errno = 0;
    return root.st_dev == wanted.st_dev && root.st_ino == wanted.st_ino;
}

static int enter_root(const wsgi_group_t *group, const wsgi_log_sink_t *log)
{
    if (group->chroot != NULL && !change_root(group->chroot)) {
        wsgi_log(log, WSGI_HERE, WSGI_LOG_ALERT, errno,
                 WSGI_LOGNO(0003) "Unable to change the root directory to '%s' for daemon process group '%s'.",
                 group->chroot, group->name);
        return 0;
    }
    return 1;
}

static int set_gid(const wsgi_group_t *group, const wsgi_log_sink_t *log)
{
    int error = setgid(group->gid) < 0 ? errno : 0;

    if (error != 0 || !has_gid(group->gid)) {
        wsgi_log(log, WSGI_HERE, WSGI_LOG_ALERT, error,
                 WSGI_LOGNO(0004) "Unable to set the group id to %ld for daemon process group '%s'.", (long)group->gid,
                 group->name);
        return 0;
    }
    return 1;
}

static int refuse_uid(const wsgi_group_t *group, int error, const wsgi_log_sink_t *log)
{
    wsgi_log(log, WSGI_HERE, WSGI_LOG_ALERT, error,
             WSGI_LOGNO(0007) "Unable to change to user id %ld for daemon process group '%s'.", (long)group->uid,
             group->name);
    wsgi_log(log, WSGI_HERE, WSGI_LOG_ALERT, 0,
             WSGI_LOGNO(0008) "A process of daemon process group '%s' is in an undefined state and ends.",
             group->name);
    return 0;
}

static int set_uid(const wsgi_group_t *group, const wsgi_log_sink_t *log)
{
    if (setuid(group->uid) < 0) {
        return refuse_uid(group, errno, log);
    }
    return has_uid(group->uid) || refuse_uid(group, 0, log);
}

static int has_no_capabilities(const wsgi_group_t *group, const wsgi_log_sink_t *log)
{
    unsigned long long left = group->uid != 0 ? remaining_capabilities() : 0;

    if (left != 0) {
        wsgi_log(log, WSGI_HERE, WSGI_LOG_ALERT, 0,
                 WSGI_LOGNO(0260) "As user id %ld a process of daemon process group '%s' still has capabilities of "
                                  "root (%llx) and ends; Apache was started with securebits that keep them.",
                 (long)group->uid, group->name, left);
        return 0;
    }
    return 1;
}

/* A way back to root would be a hole, so it is tried. */
static int cannot_return(const wsgi_group_t *group, const wsgi_log_sink_t *log)
{
    int has_uid_back = group->uid != 0 && (setuid(0) == 0 || seteuid(0) == 0);
    int has_gid_back = group->uid != 0 && group->gid != 0 && (setgid(0) == 0 || setegid(0) == 0);

    return (!has_uid_back && !has_gid_back) || refuse_uid(group, 0, log);
}

int wsgi_identity_take(const wsgi_group_t *group, const wsgi_log_sink_t *log)
{
    /* Groups first: inside the new root there may be no group file. */
    return set_groups(group, log) && enter_root(group, log) && set_gid(group, log) && set_uid(group, log)
           && has_no_capabilities(group, log) && cannot_return(group, log);
}
