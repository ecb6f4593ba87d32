#include "base/wsgi_loader.h"

#include <apr_file_info.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <apr_tables.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#ifndef WSGI_DEFAULT_SOABI
#define WSGI_DEFAULT_SOABI "" /* built without a Python: take the only bridge there is */
#endif

#define BRIDGE_PREFIX "wsgi_bridge."
#define BRIDGE_SUFFIX ".so"
#define SOABI_PREFIX "cpython-"

/* A Python release as it appears in file names. major 0: not known. */
typedef struct {
    int major, minor;
    int free_threaded;
} version_t;

/* Where installations keep their library; lib64 on 64-bit Fedora, RHEL and SUSE. */
static const char *const library_folders[] = { "lib", "lib64" };
enum { LIBRARY_FOLDERS = sizeof(library_folders) / sizeof(library_folders[0]) };

/* One to three digits. @return behind them, NULL when they are not that */
static const char *parse_part(int *part, const char *text)
{
    const char *at;

    for (*part = 0, at = text; apr_isdigit(*at); at++) {
        if (at - text == 3) {
            return NULL;
        }
        *part = *part * 10 + (*at - '0');
    }
    return at > text ? at : NULL;
}

/* Read "3.11", "3.11.2", "3.13t" from `text`. @return behind the minor number and flag, NULL if it is no version */
static const char *parse_version(version_t *version, const char *text)
{
    version_t seen = { 0, 0, 0 };
    const char *at = parse_part(&seen.major, text);

    version->major = 0;
    if (at == NULL || *at != '.' || seen.major == 0 || (at = parse_part(&seen.minor, at + 1)) == NULL) {
        return NULL;
    }
    seen.free_threaded = *at == 't';
    *version = seen;
    return at + seen.free_threaded;
}

/* The version that an SOABI names: cpython-311-x86_64-linux-gnu, cpython-313t-darwin. Its first digit is the major. */
static int parse_soabi(version_t *version, const char *soabi)
{
    apr_size_t prefix = strlen(SOABI_PREFIX);
    const char *at;

    version->major = 0;
    if (strncmp(soabi, SOABI_PREFIX, prefix) != 0 || !apr_isdigit(soabi[prefix])) {
        return 0;
    }
    at = parse_part(&version->minor, soabi + prefix + 1);
    if (at == NULL) {
        return 0;
    }
    version->major = soabi[prefix] - '0';
    version->free_threaded = *at == 't';
    return 1;
}

static int is_bridge(const char *file)
{
    apr_size_t len = strlen(file), prefix = strlen(BRIDGE_PREFIX), suffix = strlen(BRIDGE_SUFFIX);

    return len > prefix + suffix && strncmp(file, BRIDGE_PREFIX, prefix) == 0
           && strcmp(file + len - suffix, BRIDGE_SUFFIX) == 0;
}

int wsgi_loader_fits(const char *file, int major, int minor, int free_threaded)
{
    char want[64];
    const char *rest;

    if (!is_bridge(file)) {
        return 0;
    }
    if (major == 0) {
        return 1;
    }
    apr_snprintf(want, sizeof(want), BRIDGE_PREFIX SOABI_PREFIX "%d%d%s", major, minor, free_threaded ? "t" : "");
    if (strncmp(file, want, strlen(want)) != 0) {
        return 0;
    }
    rest = file + strlen(want);
    rest += *rest == 'd'; /* a debug build */
    return *rest == '-' || *rest == '.';
}

/* The value of the key `version` (written by venv) or `version_info` (virtualenv), NULL in other lines. */
static const char *version_value(const char *line)
{
    apr_size_t len;

    line += strspn(line, " \t");
    len = strcspn(line, " \t=");
    if (!(len == 7 && strncasecmp(line, "version", len) == 0)
        && !(len == 12 && strncasecmp(line, "version_info", len) == 0)) {
        return NULL;
    }
    line += len;
    line += strspn(line, " \t");
    if (*line != '=') {
        return NULL;
    }
    return line + 1 + strspn(line + 1, " \t");
}

static int is_folder(const char *path, apr_pool_t *pool)
{
    apr_finfo_t info;

    return apr_stat(&info, path, APR_FINFO_TYPE, pool) == APR_SUCCESS && info.filetype == APR_DIR;
}

/* pyvenv.cfg does not say "t"; the folder of a free-threaded environment's library does. */
static int has_free_threaded_library(const char *home, const version_t *version, apr_pool_t *pool)
{
    for (int i = 0; i < LIBRARY_FOLDERS; i++) {
        if (is_folder(apr_psprintf(pool, "%s/%s/python%d.%dt", home, library_folders[i], version->major,
                                   version->minor), pool)) {
            return 1;
        }
    }
    return 0;
}

/* The version that pyvenv.cfg of a virtual environment names. It may be without one (PEP 405 asks for `home` only). */
static int read_environment(version_t *version, const char *home, apr_pool_t *pool)
{
    FILE *file = fopen(apr_pstrcat(pool, home, "/pyvenv.cfg", NULL), "r");
    char *line = NULL;
    size_t size = 0;
    const char *value;

    version->major = 0;
    if (file == NULL) {
        return 0;
    }
    while (version->major == 0 && getline(&line, &size, file) >= 0) {
        value = version_value(line);
        if (value != NULL) {
            parse_version(version, value);
        }
    }
    free(line);
    fclose(file);
    if (version->major != 0 && !version->free_threaded) {
        version->free_threaded = has_free_threaded_library(home, version, pool);
    }
    return version->major != 0;
}

static int is_same(const version_t *a, const version_t *b)
{
    return a->major == b->major && a->minor == b->minor && a->free_threaded == b->free_threaded;
}

/* Whether `a` is to be taken rather than `b`, which may be none. */
static int is_better(const version_t *a, const version_t *b, const version_t *preferred)
{
    if (is_same(a, preferred) || is_same(b, preferred)) {
        return is_same(a, preferred);
    }
    if (a->major != b->major) {
        return a->major > b->major;
    }
    return a->minor != b->minor ? a->minor > b->minor : a->free_threaded < b->free_threaded;
}

/* Look for pythonX.Y folders in `folder`; what is better than *best replaces it. */
static void read_library(version_t *best, const char *folder, const version_t *preferred, apr_pool_t *pool)
{
    apr_dir_t *dir;
    apr_finfo_t entry;
    version_t seen;
    const char *rest;

    if (apr_dir_open(&dir, folder, pool) != APR_SUCCESS) {
        return;
    }
    while (apr_dir_read(&entry, APR_FINFO_NAME, dir) == APR_SUCCESS) {
        if (strncmp(entry.name, "python", 6) != 0) {
            continue;
        }
        rest = parse_version(&seen, entry.name + 6);
        if (rest != NULL && *rest == '\0' && is_better(&seen, best, preferred)) {
            *best = seen;
        }
    }
    apr_dir_close(dir);
}

static int find_version(version_t *version, const char *home, const char *preferred_soabi, apr_pool_t *pool)
{
    version_t preferred;

    if (read_environment(version, home, pool)) {
        return 1;
    }
    if (!parse_soabi(&preferred, preferred_soabi)) {
        preferred = (version_t){ -1, -1, -1 };
    }
    *version = (version_t){ 0, 0, 0 };
    for (int i = 0; i < LIBRARY_FOLDERS; i++) {
        read_library(version, apr_pstrcat(pool, home, "/", library_folders[i], NULL), &preferred, pool);
    }
    return version->major != 0;
}

int wsgi_loader_version(int *major, int *minor, int *free_threaded, const char *home, apr_pool_t *pool)
{
    version_t version;
    int known = find_version(&version, home, WSGI_DEFAULT_SOABI, pool);

    *major = version.major;
    *minor = version.minor;
    *free_threaded = version.free_threaded;
    return known;
}

/* One search: what is wanted, and what was come across on the way, for the message when it fails. */
typedef struct {
    version_t version;           /* major 0: any */
    const char *preferred;       /* file name that wins where several fit */
    const char *path;            /* found */
    const char *places;          /* folders searched */
    apr_array_header_t *fitting; /* const char *: names that fit, in the folder searched last */
    apr_array_header_t *others;  /* const char *: names of bridges that do not */
    apr_pool_t *pool;
} search_t;

static int search_folder(search_t *search, const char *folder)
{
    const version_t *version = &search->version;
    apr_pool_t *pool = search->pool;
    const char *name = NULL;
    apr_dir_t *dir;
    apr_finfo_t entry;

    search->places = apr_pstrcat(pool, search->places ? search->places : "", search->places ? ", '" : "'", folder, "'",
                                 NULL);
    if (apr_dir_open(&dir, folder, pool) != APR_SUCCESS) {
        return 0;
    }
    while (apr_dir_read(&entry, APR_FINFO_NAME, dir) == APR_SUCCESS) {
        if (wsgi_loader_fits(entry.name, version->major, version->minor, version->free_threaded)) {
            const char *fitting = apr_pstrdup(pool, entry.name);
            APR_ARRAY_PUSH(search->fitting, const char *) = fitting;
            if (name == NULL || strcmp(fitting, search->preferred) == 0) {
                name = fitting;
            }
        } else if (is_bridge(entry.name)) {
            APR_ARRAY_PUSH(search->others, const char *) = apr_pstrdup(pool, entry.name);
        }
    }
    apr_dir_close(dir);
    if (name != NULL && (search->fitting->nelts == 1 || strcmp(name, search->preferred) == 0)) {
        search->path = apr_pstrcat(pool, folder, "/", name, NULL);
    }
    return name != NULL;
}

static const char *join(const apr_array_header_t *names, apr_pool_t *pool)
{
    const char *text = "";

    for (int i = 0; i < names->nelts; i++) {
        text = apr_pstrcat(pool, text, i > 0 ? ", " : "", APR_ARRAY_IDX(names, i, const char *), NULL);
    }
    return text;
}

static apr_status_t explain(const char **why, const search_t *search)
{
    const version_t *version = &search->version;
    apr_pool_t *pool = search->pool;
    const char *of = version->major == 0 ? ""
                                         : apr_psprintf(pool, " for Python %d.%d%s", version->major, version->minor,
                                                        version->free_threaded ? "t" : "");

    if (search->fitting->nelts > 1) {
        *why = apr_psprintf(pool, "several " BRIDGE_PREFIX "*" BRIDGE_SUFFIX "%s in %s: %s; set a Python home or keep "
                                  "one of them", of, search->places, join(search->fitting, pool));
        return APR_EGENERAL;
    }
    *why = apr_psprintf(pool, "no " BRIDGE_PREFIX "*" BRIDGE_SUFFIX "%s in %s%s%s", of, search->places,
                        search->others->nelts > 0 ? ", which only have " : "", join(search->others, pool));
    return APR_ENOENT;
}

/* Where the package mod_wsgi of the Python in `home` keeps its bridge. @return whether one was there */
static int search_home(search_t *search, const char *home)
{
    const version_t *version = &search->version;

    for (int i = 0; i < LIBRARY_FOLDERS; i++) {
        const char *folder = apr_psprintf(search->pool, "%s/%s/python%d.%d%s/site-packages/mod_wsgi/server", home,
                                          library_folders[i], version->major, version->minor,
                                          version->free_threaded ? "t" : "");
        if ((i == 0 || is_folder(folder, search->pool)) && search_folder(search, folder)) {
            return 1;
        }
    }
    return 0;
}

apr_status_t wsgi_loader_find(const char **path, const char **why, const char *python_home, const char *beside,
                              const char *preferred, apr_pool_t *pool)
{
    search_t search = { .pool = pool, .fitting = apr_array_make(pool, 2, sizeof(const char *)),
                        .others = apr_array_make(pool, 2, sizeof(const char *)) };
    const char *home = python_home;

    *path = NULL;
    *why = NULL;
    search.preferred = apr_pstrcat(pool, BRIDGE_PREFIX, preferred, BRIDGE_SUFFIX, NULL);
    if (home == NULL) {
        parse_soabi(&search.version, preferred);
        search_folder(&search, beside);
    } else {
        home = apr_pstrmemdup(pool, home, strcspn(home, ":"));
        if (!find_version(&search.version, home, preferred, pool)) {
            *why = apr_psprintf(pool, "'%s' holds no Python: neither pyvenv.cfg nor lib/pythonX.Y tells its version",
                                home);
            return APR_ENOENT;
        }
        if (!search_home(&search, home)) {
            search_folder(&search, beside);
        }
    }
    *path = search.path;
    return search.path != NULL ? APR_SUCCESS : explain(why, &search);
}

/* The folder that mod_wsgi.so was loaded from: any address inside it will do. */
static const char *own_folder(apr_pool_t *pool)
{
    static const char inside = 0;
    Dl_info info;
    char *path, *slash;

    if (dladdr(&inside, &info) == 0 || info.dli_fname == NULL) {
        return ".";
    }
    path = apr_pstrdup(pool, info.dli_fname);
    slash = strrchr(path, '/');
    if (slash == NULL) {
        return ".";
    }
    *slash = '\0';
    return path;
}

static apr_status_t open_table(const wsgi_bridge_t **out, const char **why, const char *path, apr_pool_t *pool)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    const wsgi_bridge_t *table;

    if (handle == NULL) {
        *why = apr_psprintf(pool, "'%s' cannot be loaded: %s", path, dlerror());
        return APR_EGENERAL;
    }
    table = dlsym(handle, WSGI_BRIDGE_SYMBOL);
    if (table == NULL || table->abi != WSGI_BRIDGE_ABI || table->size != sizeof(*table)) {
        *why = apr_psprintf(pool, "'%s' belongs to another release of this module; install both anew", path);
        return APR_EGENERAL; /* stays mapped: closing libpython is not safe */
    }
    *out = table;
    return APR_SUCCESS;
}

int wsgi_loader_bridge_version(int *major, int *minor, int *free_threaded, const char *python_home, apr_pool_t *pool)
{
    version_t version;
    const char *path, *why;

    if (wsgi_loader_find(&path, &why, python_home, own_folder(pool), WSGI_DEFAULT_SOABI, pool) != APR_SUCCESS
        || !parse_soabi(&version, strrchr(path, '/') + strlen("/" BRIDGE_PREFIX))) {
        return 0;
    }
    *major = version.major;
    *minor = version.minor;
    *free_threaded = version.free_threaded;
    return 1;
}

int wsgi_loader_has_bridge(const char **why, const char *python_home, apr_pool_t *pool)
{
    const char *path;

    return wsgi_loader_find(&path, why, python_home, own_folder(pool), WSGI_DEFAULT_SOABI, pool) == APR_SUCCESS;
}

apr_status_t wsgi_loader_open(const wsgi_bridge_t **out, const char **why, const char *python_home, apr_pool_t *pool)
{
    const char *path;
    apr_status_t rv;

    *out = NULL;
    rv = wsgi_loader_find(&path, why, python_home, own_folder(pool), WSGI_DEFAULT_SOABI, pool);
    return rv == APR_SUCCESS ? open_table(out, why, path, pool) : rv;
}
