#include "daemon/wsgi_listener.h"

#include <apr_file_info.h>
#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "daemon/wsgi_arrivals.h"
#include "wire/wsgi_socket.h"

enum { NEW_SOCKET = 60 /* seconds in which its server may be about to listen, maybe where its pid cannot be seen */ };

static void set_buffers(int fd, const wsgi_group_t *group, const wsgi_log_sink_t *log)
{
    if (group->send_buffer_size > 0
        && setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &group->send_buffer_size, sizeof(int)) < 0) {
        wsgi_log(log, WSGI_HERE, WSGI_LOG_WARNING, errno,
                 WSGI_LOGNO(0062) "Unable to set send-buffer-size=%d for daemon process group '%s'; the system's "
                                  "default is used.",
                 group->send_buffer_size, group->name);
    }
    if (group->receive_buffer_size > 0
        && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &group->receive_buffer_size, sizeof(int)) < 0) {
        wsgi_log(log, WSGI_HERE, WSGI_LOG_WARNING, errno,
                 WSGI_LOGNO(0063) "Unable to set receive-buffer-size=%d for daemon process group '%s'; the system's "
                                  "default is used.",
                 group->receive_buffer_size, group->name);
    }
}

/* @return 0, or an errno */
static int bind_private(int fd, const struct sockaddr_un *addr)
{
    mode_t before = umask(077);
    int error = bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 ? errno : 0;

    umask(before);
    return error;
}

/* What is in the way is removed if it can be a socket that was left behind, or a link, which is never followed. */
static int make_way(const char *path, const wsgi_log_sink_t *log)
{
    struct stat info;

    if (lstat(path, &info) < 0 || !(S_ISSOCK(info.st_mode) || S_ISLNK(info.st_mode))) {
        return EADDRINUSE;
    }
    wsgi_log(log, WSGI_HERE, WSGI_LOG_WARNING, 0, WSGI_LOGNO(0065) "Removing the left-over socket '%s'.", path);
    return unlink(path) < 0 ? errno : 0;
}

static apr_status_t bind_to(int fd, const char *path, const wsgi_log_sink_t *log)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int error;

    if (strlen(path) >= sizeof(addr.sun_path)) {
        wsgi_log(log, WSGI_HERE, WSGI_LOG_WARNING, 0,
                 WSGI_LOGNO(0064) "Socket path '%s' is longer than the %d bytes the system allows; set "
                                  "WSGISocketPrefix to a shorter one.",
                 path, (int)sizeof(addr.sun_path) - 1);
        error = ENAMETOOLONG;
    } else {
        memcpy(addr.sun_path, path, strlen(path) + 1);
        error = bind_private(fd, &addr);
    }
    if (error == EADDRINUSE) {
        error = make_way(path, log);
        error = error == 0 ? bind_private(fd, &addr) : error;
    }
    if (error != 0) {
        wsgi_log(log, WSGI_HERE, WSGI_LOG_ALERT, error, WSGI_LOGNO(0013) "Unable to bind a socket to '%s'.", path);
    }
    return error;
}

/* ---- the file of a socket ---- */

/*
 * One file is examined and given away, not whatever its path leads to at either moment: who can write to the folder
 * could otherwise have root give away any file of the system.
 */
#ifdef O_PATH

static int examine(int *handle, struct stat *info, const char *path)
{
    *handle = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    return *handle < 0 ? -1 : fstat(*handle, info);
}

static int give_away(int handle, const char *path, uid_t owner)
{
    (void)path;
    return fchownat(handle, "", owner, (gid_t)-1, AT_EMPTY_PATH);
}

#else /* nothing holds a socket's file: at least no link is followed */

static int examine(int *handle, struct stat *info, const char *path)
{
    *handle = -1;
    return lstat(path, info);
}

static int give_away(int handle, const char *path, uid_t owner)
{
    (void)handle;
    return lchown(path, owner, (gid_t)-1);
}

#endif

/* Just bound by us: a socket with one name that nobody else may use. A hard link would be a second name. */
static int is_new_socket(const struct stat *info, int is_root)
{
    return S_ISSOCK(info->st_mode) && (info->st_mode & 077) == 0 && info->st_nlink == 1
           && (!is_root || info->st_uid == geteuid());
}

static apr_status_t take_file(wsgi_listener_file_t *file, const char *path, const wsgi_group_t *group, int is_root,
                              const wsgi_log_sink_t *log)
{
    struct stat info;
    int handle = -1, error = examine(&handle, &info, path) < 0 ? errno : 0;

    if (error != 0 || !is_new_socket(&info, is_root)) {
        wsgi_log(log, WSGI_HERE, WSGI_LOG_ALERT, error,
                 WSGI_LOGNO(0261) "What lies at '%s' is not the socket that was just made there; others can write to "
                                  "the folder, which is not safe for daemon process group '%s'.",
                 path, group->name);
        error = error != 0 ? error : EPERM;
        goto cleanup;
    }
    file->dev = info.st_dev;
    file->ino = info.st_ino;
    if (is_root && give_away(handle, path, group->socket_uid) < 0) {
        error = errno;
        wsgi_log(log, WSGI_HERE, WSGI_LOG_ALERT, error,
                 WSGI_LOGNO(0015) "Unable to give the socket '%s' to user id %ld.", path, (long)group->socket_uid);
    }
cleanup:
    if (handle >= 0) {
        close(handle);
    }
    return error;
}

int wsgi_listener_remove(const char *path, const wsgi_listener_file_t *file)
{
    struct stat info;

    if (lstat(path, &info) < 0) {
        return errno == ENOENT ? 0 : errno;
    }
    if (info.st_dev != file->dev || info.st_ino != file->ino) {
        return 0;
    }
    return unlink(path) < 0 && errno != ENOENT ? errno : 0;
}

/* ---- life ---- */

apr_status_t wsgi_listener_open(int *fd, wsgi_listener_file_t *file, const char *path, const wsgi_group_t *group,
                                int is_root, const wsgi_log_sink_t *log)
{
    apr_status_t rv = APR_SUCCESS;

    *file = (wsgi_listener_file_t){ 0 };
    *fd = wsgi_socket_new();
    if (*fd < 0 || (!wsgi_arrivals_may_keep(group) && fcntl(*fd, F_SETFL, 0) < 0)) { /* threads block in accept */
        rv = errno;
        wsgi_log(log, WSGI_HERE, WSGI_LOG_ALERT, rv,
                 WSGI_LOGNO(0012) "Unable to create the socket of daemon process group '%s'.", group->name);
        goto cleanup;
    }
    set_buffers(*fd, group, log);
    rv = bind_to(*fd, path, log);
    if (rv != APR_SUCCESS) {
        goto cleanup;
    }
    rv = take_file(file, path, group, is_root, log);
    if (rv == APR_SUCCESS && listen(*fd, group->listen_backlog) < 0) {
        rv = errno;
        wsgi_log(log, WSGI_HERE, WSGI_LOG_ALERT, rv, WSGI_LOGNO(0014) "Unable to listen on the socket '%s'.", path);
    }
    if (rv != APR_SUCCESS) {
        (void)wsgi_listener_remove(path, file); /* what cannot be removed either is removed by a later start */
    }
cleanup:
    if (rv != APR_SUCCESS && *fd >= 0) {
        close(*fd);
        *fd = -1;
    }
    return rv;
}

void wsgi_listener_close(int fd, const char *path, const wsgi_log_sink_t *log)
{
    if (close(fd) < 0) {
        wsgi_log(log, WSGI_HERE, WSGI_LOG_WARNING, errno, WSGI_LOGNO(0072) "Unable to close the socket '%s'.", path);
    }
}

/* ---- what others left behind ---- */

/* The process in a name like NAME.PID.4.1.sock, 0 if it is not of that form. */
static pid_t pid_in(const char *file, const char *name)
{
    size_t len = strlen(name), whole = strlen(file);
    char *end;
    long pid;

    if (strncmp(file, name, len) != 0 || file[len] != '.' || whole < len + 5
        || strcmp(file + whole - 5, ".sock") != 0) {
        return 0;
    }
    pid = strtol(file + len + 1, &end, 10);
    return pid > 0 && pid <= INT_MAX && *end == '.' ? (pid_t)pid : 0;
}

static int is_left_behind(const char *path, pid_t pid)
{
    struct stat info;
    int fd, is_refused;

    if (kill(pid, 0) == 0 || errno != ESRCH || lstat(path, &info) < 0 || !S_ISSOCK(info.st_mode)
        || info.st_mtime > time(NULL) - NEW_SOCKET) {
        return 0;
    }
    fd = wsgi_socket_new();
    is_refused = fd >= 0 && wsgi_socket_connect(fd, path) < 0 && errno == ECONNREFUSED;
    if (fd >= 0) {
        close(fd);
    }
    return is_refused;
}

void wsgi_listener_sweep(const char *prefix, const wsgi_log_sink_t *log, apr_pool_t *ptemp)
{
    const char *slash = strrchr(prefix, '/');
    const char *folder = slash ? apr_pstrmemdup(ptemp, prefix, (apr_size_t)(slash - prefix + 1)) : "./";
    apr_finfo_t entry;
    apr_dir_t *dir;

    if (apr_dir_open(&dir, folder, ptemp) != APR_SUCCESS) {
        return; /* opening the listener will say why */
    }
    while (apr_dir_read(&entry, APR_FINFO_NAME, dir) == APR_SUCCESS) {
        const char *path = apr_pstrcat(ptemp, folder, entry.name, NULL);
        pid_t pid = pid_in(entry.name, slash ? slash + 1 : prefix);
        if (pid > 0 && is_left_behind(path, pid) && unlink(path) == 0) {
            wsgi_log(log, WSGI_HERE, WSGI_LOG_INFO, 0, "Removed the socket '%s', which process %ld left behind.", path,
                     (long)pid);
        }
    }
    apr_dir_close(dir);
}
