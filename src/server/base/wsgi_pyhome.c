#include "base/wsgi_pyhome.h"

#include <apr_strings.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/wsgi_loader.h"

#define PLACE_ELSEWHERE "or put it below a folder that every account can enter, such as /srv or /opt"

/* A Python release as it is written in the names of folders and programs: "python3.11", "python3.13t". */
typedef struct {
    const char *name;   /* NULL: not known */
    const char *folder; /* its library below lib or lib64, NULL: none there */
} release_t;

static const wsgi_pyhome_t good = { WSGI_PYHOME_GOOD, "", "" };

static const char *const library_folders[] = { "lib", "lib64" };
enum { LIBRARY_FOLDERS = sizeof(library_folders) / sizeof(library_folders[0]) };

static int is_there(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0;
}

static const char *parent_of(const char *path, apr_pool_t *pool)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL || slash == path ? "/" : apr_pstrmemdup(pool, path, (apr_size_t)(slash - path));
}

static const char *without_slashes(const char *path, apr_pool_t *pool)
{
    apr_size_t len = strlen(path);

    while (len > 1 && path[len - 1] == '/') {
        len--;
    }
    return apr_pstrmemdup(pool, path, len);
}

/* ---- the way to a file ---- */

/*
 * The first thing on the way to an absolute path that cannot be looked at, the path itself included, with errno; NULL
 * when all can. EACCES: it is the folder in which it lies that is closed.
 */
static const char *first_obstacle(const char *path, apr_pool_t *pool)
{
    struct stat info;
    const char *end = path;

    do {
        const char *part;
        end = strchr(end + 1, '/');
        part = end != NULL ? apr_pstrmemdup(pool, path, (apr_size_t)(end - path)) : path;
        if (stat(part, &info) != 0) {
            return part;
        }
    } while (end != NULL);
    return NULL;
}

static wsgi_pyhome_t closed(const char *what, const char *folder, apr_pool_t *pool)
{
    return (wsgi_pyhome_t){ WSGI_PYHOME_CLOSED,
                            apr_psprintf(pool, "%s, because the permissions of '%s' do not allow it", what, folder),
                            apr_psprintf(pool, "Open '%s' to that account (chmod o+rx, or chgrp and chmod g+rx), "
                                         PLACE_ELSEWHERE, folder) };
}

/* Whether somebody can get to `path`. `what` completes the sentence when permissions are in the way. */
static wsgi_pyhome_t follow(const char *path, const char *what, wsgi_pyhome_fault_t missing, apr_pool_t *pool)
{
    const char *obstacle = first_obstacle(path, pool);
    const char *remedy = missing == WSGI_PYHOME_NO_BASE
                             ? "Install that Python again, or make the environment anew with one that there is"
                             : "Correct the path, or make the environment there: python3 -m venv";
    int error = errno;
    char reason[128];

    if (obstacle == NULL) {
        return good;
    }
    if (error == EACCES) {
        return closed(what, parent_of(obstacle, pool), pool);
    }
    if (missing == WSGI_PYHOME_NO_BASE) {
        return (wsgi_pyhome_t){ missing, apr_psprintf(pool, "is an environment of a Python that is gone: '%s', which "
                                                      "pyvenv.cfg names as home, does not exist", path), remedy };
    }
    return (wsgi_pyhome_t){ missing, apr_psprintf(pool, "does not exist: '%s': %s", obstacle,
                                                  apr_strerror(error, reason, sizeof(reason))), remedy };
}

/* ---- what it is a part of ---- */

static int is_part_name(const char *name)
{
    static const char *const names[] = { "bin", "lib", "lib64", "include", "site-packages", "dist-packages", "mod_wsgi",
                                         "pyvenv.cfg" };

    for (apr_size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0) {
            return 1;
        }
    }
    return strncmp(name, "python", 6) == 0 && (name[6] == '\0' || (name[6] >= '2' && name[6] <= '9'));
}

static int is_root_of_python(const char *folder, apr_pool_t *pool)
{
    int major, minor, free_threaded;

    return is_there(apr_pstrcat(pool, folder, "/pyvenv.cfg", NULL))
           || wsgi_loader_version(&major, &minor, &free_threaded, folder, pool);
}

/* The installation or environment that `path` is a folder or the program of, NULL: none. */
static const char *root_above(const char *path, apr_pool_t *pool)
{
    const char *slash = strrchr(path, '/');

    while (slash != NULL && slash[1] != '\0' && is_part_name(slash + 1)) {
        path = parent_of(path, pool);
        if (is_root_of_python(path, pool)) {
            return path;
        }
        slash = strrchr(path, '/');
    }
    return NULL;
}

static wsgi_pyhome_t inside(const char *root, apr_pool_t *pool)
{
    return (wsgi_pyhome_t){ WSGI_PYHOME_INSIDE,
                            apr_psprintf(pool, "is a part of the Python in '%s', not its root", root),
                            apr_psprintf(pool, "Write '%s'", root) };
}

/* ---- environments ---- */

/* The value of a line `home = ...`, NULL in other lines. */
static const char *home_value(char *line, apr_pool_t *pool)
{
    apr_size_t len;

    line += strspn(line, " \t");
    if (strncasecmp(line, "home", 4) != 0) {
        return NULL;
    }
    line += 4 + strspn(line + 4, " \t");
    if (*line != '=') {
        return NULL;
    }
    line += 1 + strspn(line + 1, " \t");
    len = strcspn(line, "\r\n");
    while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t')) {
        len--;
    }
    return apr_pstrmemdup(pool, line, len);
}

/* @return 0 when the file cannot be read, with errno; *home is NULL when no line names it */
static int read_marker(const char **home, const char *marker, apr_pool_t *pool)
{
    FILE *file = fopen(marker, "r");
    char *line = NULL;
    size_t size = 0;
    int error;

    *home = NULL;
    if (file == NULL) {
        return 0;
    }
    errno = 0;
    while (*home == NULL && getline(&line, &size, file) >= 0) {
        *home = home_value(line, pool);
    }
    error = ferror(file) ? errno : 0;
    free(line);
    fclose(file);
    errno = error;
    return error == 0;
}

static wsgi_pyhome_t bad_marker(const char *why, apr_pool_t *pool)
{
    return (wsgi_pyhome_t){ WSGI_PYHOME_NO_PYTHON,
                            apr_pstrcat(pool, "has a pyvenv.cfg that cannot be used: ", why, NULL),
                            "Make the environment anew: python3 -m venv --clear" };
}

/* Installations differ; one that has neither its program nor its library is none. */
static int has_release(const char *programs, const char *release, apr_pool_t *pool)
{
    if (is_there(apr_pstrcat(pool, programs, "/", release, NULL))) {
        return 1;
    }
    for (int i = 0; i < LIBRARY_FOLDERS; i++) {
        if (is_there(apr_pstrcat(pool, parent_of(programs, pool), "/", library_folders[i], "/", release, "/os.py",
                                 NULL))) {
            return 1;
        }
    }
    return 0;
}

static wsgi_pyhome_t examine_base(const char *base, const char *release, apr_pool_t *pool)
{
    wsgi_pyhome_t found;
    const char *unreachable;

    if (*base != '/') {
        return bad_marker(apr_psprintf(pool, "home = '%s' is no absolute path", base), pool);
    }
    base = without_slashes(base, pool);
    unreachable = apr_psprintf(pool, "is an environment of the Python in '%s', which cannot be reached", base);
    found = follow(base, unreachable, WSGI_PYHOME_NO_BASE, pool);
    if (found.fault != WSGI_PYHOME_GOOD) {
        return found;
    }
    if (access(base, X_OK) != 0) {
        return closed(unreachable, base, pool);
    }
    if (!has_release(base, release, pool)) {
        return (wsgi_pyhome_t){ WSGI_PYHOME_NO_BASE,
                                apr_psprintf(pool, "is an environment of a %s that is gone from '%s'", release, base),
                                "Install that Python again, or make the environment anew with one that there is" };
    }
    return good;
}

static wsgi_pyhome_t examine_marker(const char *marker, const release_t *release, apr_pool_t *pool)
{
    const char *base;
    struct stat info;

    if (stat(marker, &info) == 0 && !S_ISREG(info.st_mode)) {
        return bad_marker("it is no file", pool);
    }
    if (!read_marker(&base, marker, pool)) {
        char reason[128];
        int error = errno;
        return error == EACCES ? closed("cannot be read", marker, pool)
                               : bad_marker(apr_strerror(error, reason, sizeof(reason)), pool);
    }
    if (base == NULL || *base == '\0') {
        return bad_marker("no line 'home = ...' names the Python that it was made with", pool);
    }
    if (release->name == NULL) {
        return bad_marker("neither a line 'version = ...' nor lib/pythonX.Y tells its version", pool);
    }
    return examine_base(base, release->name, pool);
}

/* ---- the home itself ---- */

static release_t find_release(const char *home, apr_pool_t *pool)
{
    release_t release = { NULL, NULL };
    int major, minor, free_threaded;

    if (!wsgi_loader_version(&major, &minor, &free_threaded, home, pool)) {
        return release;
    }
    release.name = apr_psprintf(pool, "python%d.%d%s", major, minor, free_threaded ? "t" : "");
    for (int i = 0; i < LIBRARY_FOLDERS && release.folder == NULL; i++) {
        const char *folder = apr_pstrcat(pool, home, "/", library_folders[i], "/", release.name, NULL);
        if (is_there(folder)) {
            release.folder = folder;
        }
    }
    return release;
}

/* Folders whose entries Python lists. */
static wsgi_pyhome_t examine_folders(const char *home, const release_t *release, apr_pool_t *pool)
{
    const char *folders[] = { apr_pstrcat(pool, home, "/lib", NULL), release->folder,
                              release->folder ? apr_pstrcat(pool, release->folder, "/site-packages", NULL) : NULL };

    for (apr_size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        if (folders[i] != NULL && access(folders[i], R_OK | X_OK) != 0 && errno == EACCES) {
            return closed("cannot be used", folders[i], pool);
        }
    }
    return good;
}

static wsgi_pyhome_t examine_bridge(const char *home, apr_pool_t *pool)
{
    const char *why;

    if (wsgi_loader_has_bridge(&why, home, pool)) {
        return good;
    }
    return (wsgi_pyhome_t){ WSGI_PYHOME_NO_BRIDGE, apr_pstrcat(pool, "cannot be served: ", why, NULL),
                            "Install the package mod_wsgi into it, or build this module with --with-python for that "
                            "Python too" };
}

static wsgi_pyhome_t examine_content(const char *home, apr_pool_t *pool)
{
    const char *marker = apr_pstrcat(pool, home, "/pyvenv.cfg", NULL), *root;
    release_t release = find_release(home, pool);
    wsgi_pyhome_t found = examine_folders(home, &release, pool);

    if (found.fault == WSGI_PYHOME_GOOD && is_there(marker)) {
        found = examine_marker(marker, &release, pool);
    } else if (found.fault == WSGI_PYHOME_GOOD && release.name == NULL) {
        root = root_above(home, pool);
        found = root != NULL ? inside(root, pool)
                             : (wsgi_pyhome_t){ WSGI_PYHOME_NO_PYTHON,
                                                "holds no Python: there is neither pyvenv.cfg nor lib/pythonX.Y",
                                                "Name the root of a virtual environment, or the prefix of an "
                                                "installation, such as /usr" };
    }
    return found;
}

/* One of PREFIX and EXEC_PREFIX: what both must be. */
static wsgi_pyhome_t examine_place(const char *home, apr_pool_t *pool)
{
    wsgi_pyhome_t found;
    struct stat info;
    const char *root;

    if (*home != '/') {
        return (wsgi_pyhome_t){ WSGI_PYHOME_FORM, "is no absolute path: what it means depends on the folder that a "
                                                  "process works in", "Write the path from / on" };
    }
    home = without_slashes(home, pool);
    found = follow(home, "cannot be reached", WSGI_PYHOME_MISSING, pool);
    if (found.fault != WSGI_PYHOME_GOOD) {
        return found;
    }
    if (stat(home, &info) == 0 && !S_ISDIR(info.st_mode)) {
        root = root_above(home, pool);
        return root != NULL ? inside(root, pool)
                            : (wsgi_pyhome_t){ WSGI_PYHOME_NO_FOLDER, "is no folder",
                                               "Name the root of a virtual environment or installation" };
    }
    return access(home, X_OK) == 0 ? good : closed("cannot be entered", home, pool);
}

wsgi_pyhome_t wsgi_pyhome_examine(const char *home, apr_pool_t *pool)
{
    const char *colon = strchr(home, ':');
    const char *prefix = colon != NULL ? apr_pstrmemdup(pool, home, (apr_size_t)(colon - home)) : home;
    wsgi_pyhome_t found;

    if (*prefix == '\0' || (colon != NULL && colon[1] == '\0')) {
        return (wsgi_pyhome_t){ WSGI_PYHOME_FORM, "names nothing before or behind its colon",
                                "Write PREFIX, or PREFIX:EXEC_PREFIX" };
    }
    found = examine_place(prefix, pool);
    if (found.fault == WSGI_PYHOME_GOOD && colon != NULL) {
        found = examine_place(colon + 1, pool);
    }
    if (found.fault == WSGI_PYHOME_GOOD) {
        found = examine_content(without_slashes(prefix, pool), pool);
    }
    return found.fault == WSGI_PYHOME_GOOD ? examine_bridge(home, pool) : found;
}

const char *wsgi_pyhome_explain(const char *home, apr_pool_t *pool)
{
    wsgi_pyhome_t found = home != NULL ? wsgi_pyhome_examine(home, pool) : good;

    return found.fault == WSGI_PYHOME_GOOD ? NULL
                                           : apr_psprintf(pool, "Python home '%s' %s. %s", home, found.what,
                                                          found.remedy);
}
