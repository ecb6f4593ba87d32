/*
 * Preloaded into Apache: system calls that fail, or say that they succeeded and do nothing, where a file tells them so.
 *
 * The environment variable WSGI_TEST_FAULTS names the file. It is read again with every call, so a test changes it
 * while the server runs. A line is "CALL ARGUMENT ERRNO": a call with that argument (an id, a number, a part of a path;
 * * for any) fails with that error number, 0: returns success and does nothing. Later lines are looked at when earlier
 * ones do not apply.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>
#include <unistd.h>

enum { GO_ON = -1 };

static int applies(const char *pattern, const char *argument)
{
    if (pattern[0] == '*') {
        return 1;
    }
    return argument[0] == '/' ? strstr(argument, pattern) != NULL : strcmp(pattern, argument) == 0;
}

/* @return the error number wanted of this call, 0: to lie, GO_ON: nothing is wanted */
static int fault_of(const char *call, const char *argument)
{
    char text[4096], *line, *rest = text;
    const char *path = getenv("WSGI_TEST_FAULTS");
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t size = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;

    if (fd >= 0) {
        close(fd);
    }
    text[size > 0 ? size : 0] = '\0';
    while ((line = strsep(&rest, "\n")) != NULL) {
        char name[32], pattern[256];
        int number;
        if (sscanf(line, "%31s %255s %d", name, pattern, &number) == 3 && strcmp(name, call) == 0
            && applies(pattern, argument)) {
            return number;
        }
    }
    return GO_ON;
}

static int fault_of_number(const char *call, long argument)
{
    char text[32];

    snprintf(text, sizeof(text), "%ld", argument);
    return fault_of(call, text);
}

static int outcome(int fault)
{
    errno = fault;
    return fault == 0 ? 0 : -1;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define WITH_NUMBER(name, number, arguments)                      \
    int fault = fault_of_number(#name, (long)(number));           \
    return fault == GO_ON ? NEXT(name) arguments : outcome(fault)
#define WITH_PATH(name, path, arguments)                          \
    int fault = fault_of(#name, path);                            \
    return fault == GO_ON ? NEXT(name) arguments : outcome(fault)

int setuid(uid_t uid)
{
    WITH_NUMBER(setuid, uid, (uid));
}

int setgid(gid_t gid)
{
    WITH_NUMBER(setgid, gid, (gid));
}

/* The argument is the first group. */
int setgroups(size_t count, const gid_t *groups)
{
    WITH_NUMBER(setgroups, count > 0 ? (long)groups[0] : -1, (count, groups));
}

int initgroups(const char *user, gid_t gid)
{
    WITH_NUMBER(initgroups, gid, (user, gid));
}

int chroot(const char *path)
{
    WITH_PATH(chroot, path, (path));
}

int chdir(const char *path)
{
    WITH_PATH(chdir, path, (path));
}

int setpriority(__priority_which_t which, id_t who, int value)
{
    WITH_NUMBER(setpriority, value, (which, who, value));
}

int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
    WITH_NUMBER(setrlimit, resource, (resource, limit));
}

int unlink(const char *path)
{
    WITH_PATH(unlink, path, (path));
}

/* The argument is the owner. */
int fchownat(int folder, const char *path, uid_t owner, gid_t group, int flags)
{
    WITH_NUMBER(fchownat, owner, (folder, path, owner, group, flags));
}

int fchmod(int fd, mode_t mode)
{
    WITH_NUMBER(fchmod, mode, (fd, mode));
}

/* PR_SET_DUMPABLE only. The argument is the effective user id: Apache's children do it, too. */
int prctl(int option, ...)
{
    unsigned long a[4];
    va_list args;
    int fault = option == PR_SET_DUMPABLE ? fault_of_number("prctl", (long)geteuid()) : GO_ON;

    va_start(args, option);
    for (int i = 0; i < 4; i++) {
        a[i] = va_arg(args, unsigned long);
    }
    va_end(args);
    return fault == GO_ON ? NEXT(prctl)(option, a[0], a[1], a[2], a[3]) : outcome(fault);
}

struct passwd *getpwuid(uid_t uid)
{
    int fault = fault_of_number("getpwuid", (long)uid);

    if (fault == GO_ON) {
        return NEXT(getpwuid)(uid);
    }
    errno = fault;
    return NULL;
}

static void swap(const char *path, int (*make)(const char *, const char *))
{
    const char *victim = getenv("WSGI_TEST_VICTIM");

    if (victim == NULL || NEXT(unlink)(path) < 0 || make(victim, path) < 0) {
        perror("swap");
        _exit(1);
    }
}

/*
 * What an attacker does who can write to the folder of a socket, at the worst moment: rules "swap-symlink" and
 * "swap-hardlink" put a link to the file that WSGI_TEST_VICTIM names in the place of the socket that was just bound.
 */
int bind(int fd, const struct sockaddr *address, socklen_t size)
{
    const struct sockaddr_un *name = (const void *)address;
    const char *path = address->sa_family == AF_UNIX ? name->sun_path : "";
    int result = NEXT(bind)(fd, address, size);

    if (result == 0 && fault_of("swap-symlink", path) != GO_ON) {
        swap(path, symlink);
    } else if (result == 0 && fault_of("swap-hardlink", path) != GO_ON) {
        swap(path, link);
    } else if (result == 0 && fault_of("open-to-all", path) != GO_ON) {
        return chmod(path, 0777);
    }
    return result;
}

/* Rule "random": secrets that a test can look for, another one with each call. 32 bytes. */
int apr_generate_random_bytes(unsigned char *buffer, size_t size)
{
    static int calls;

    if (fault_of("random", "*") == GO_ON || size != 32) {
        return ((int (*)(unsigned char *, size_t))dlsym(RTLD_NEXT, "apr_generate_random_bytes"))(buffer, size);
    }
    for (size_t i = 0; i < size; i++) { /* never the whole text in this library's own memory */
        buffer[i] = (unsigned char)("zyxwvutsrqponmlkjihgfedcba"[i % 26] ^ 32);
    }
    buffer[size - 1] = (unsigned char)('0' + ++calls);
    return 0;
}

/* The argument is "*": securebits that let a process keep its capabilities when it changes its user. */
__attribute__((constructor)) static void start(void)
{
    if (fault_of("securebits", "*") != GO_ON && NEXT(prctl)(PR_SET_SECUREBITS, 1UL << 2, 0, 0, 0) < 0) {
        perror("securebits");
        _exit(1);
    }
}
