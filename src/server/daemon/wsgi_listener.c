#include "daemon/wsgi_listener.h"

#include <apr_file_info.h>
#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

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
        wsgi_log(log, WSGI_HERE, WSGI_LOG_WARNING, 0,
                 WSGI_LOGNO(0065) "Removing the left-over socket '%s'.", path);
        (void)unlink(path); /* the second bind tells whether that helped */
        error = bind_private(fd, &addr);
    }
    if (error != 0) {
        wsgi_log(log, WSGI_HERE, WSGI_LOG_ALERT, error, WSGI_LOGNO(0013) "Unable to bind a socket to '%s'.", path);
    }
    return error;
}

apr_status_t wsgi_listener_open(int *fd, const char *path, const wsgi_group_t *group, int is_root,
                                const wsgi_log_sink_t *log)
{
    apr_status_t rv = APR_SUCCESS;

    *fd = wsgi_socket_new();
    if (*fd < 0 || fcntl(*fd, F_SETFL, 0) < 0) { /* request threads block in accept */
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
    if (listen(*fd, group->listen_backlog) < 0) {
        rv = errno;
        wsgi_log(log, WSGI_HERE, WSGI_LOG_ALERT, rv, WSGI_LOGNO(0014) "Unable to listen on the socket '%s'.", path);
        goto cleanup;
    }
    if (is_root && chown(path, group->socket_uid, (gid_t)-1) < 0) {
        rv = errno;
        wsgi_log(log, WSGI_HERE, WSGI_LOG_ALERT, rv,
                 WSGI_LOGNO(0015) "Unable to give the socket '%s' to user id %ld.", path, (long)group->socket_uid);
    }
cleanup:
    if (rv != APR_SUCCESS && *fd >= 0) {
        close(*fd);
        *fd = -1;
    }
    return rv;
}

void wsgi_listener_close(int fd, const char *path, int remove, const wsgi_log_sink_t *log)
{
    if (close(fd) < 0) {
        wsgi_log(log, WSGI_HERE, WSGI_LOG_WARNING, errno, WSGI_LOGNO(0072) "Unable to close the socket '%s'.", path);
    }
    if (remove && unlink(path) < 0 && errno != ENOENT) {
        wsgi_log(log, WSGI_HERE, WSGI_LOG_WARNING, errno, WSGI_LOGNO(0073) "Unable to remove the socket '%s'.", path);
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
    return pid > 0 && *end == '.' ? (pid_t)pid : 0;
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
