#include "base/wsgi_loader.h"

#include <apr_file_info.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef WSGI_DEFAULT_SOABI
#define WSGI_DEFAULT_SOABI "" /* built without a Python: take the only bridge there is */
#endif

#define BRIDGE_PREFIX "wsgi_bridge."

/* A Python release as it appears in file names. major 0: not known. */
typedef struct {
    int major, minor;
    int free_threaded;
} version_t;

/* Read "3.11", "3.11.2", "3.13t" from `text`. @return behind the minor number and flag, NULL if it is no version */
static const char *parse_version(version_t *version, const char *text)
{
    char *end;

    version->major = (int)strtol(text, &end, 10);
    if (end == text || *end != '.' || !apr_isdigit(end[1])) {
        version->major = 0;
        return NULL;
    }
    version->minor = (int)strtol(end + 1, &end, 10);
    version->free_threaded = *end == 't';
    return end + version->free_threaded;
}

int wsgi_loader_fits(const char *file, int major, int minor, int free_threaded)
{
    char want[64];
    apr_size_t len = strlen(BRIDGE_PREFIX);
    apr_size_t end = strlen(file);

    if (strncmp(file, BRIDGE_PREFIX, len) != 0 || end < len + 3 || strcmp(file + end - 3, ".so") != 0) {
        return 0;
    }
    if (major == 0) {
        return 1;
    }
    apr_snprintf(want, sizeof(want), "cpython-%d%d%s", major, minor, free_threaded ? "t" : "");
    end = strlen(want);
    return strncmp(file + len, want, end) == 0 && (file[len + end] == '-' || file[len + end] == '.');
}

/* The version that pyvenv.cfg of a virtual environment names: `version` (venv) or `version_info` (virtualenv). */
static int read_pyvenv(version_t *version, const char *home, apr_pool_t *pool)
{
    FILE *file = fopen(apr_pstrcat(pool, home, "/pyvenv.cfg", NULL), "r");
    char line[1024], *value;

    version->major = 0;
    if (file == NULL) {
        return 0;
    }
    while (version->major == 0 && fgets(line, sizeof(line), file) != NULL) {
        value = strchr(line, '=');
        if (strncmp(line, "version", 7) != 0 || value == NULL) {
            continue;
        }
        for (value++; apr_isspace(*value); value++) {
        }
        parse_version(version, value);
    }
    fclose(file);
    return version->major != 0;
}

static int is_default(const version_t *version)
{
    char file[128];

    if (*WSGI_DEFAULT_SOABI == '\0') {
        return 0;
    }
    apr_snprintf(file, sizeof(file), BRIDGE_PREFIX "%s.so", WSGI_DEFAULT_SOABI);
    return wsgi_loader_fits(file, version->major, version->minor, version->free_threaded);
}

static int is_later(const version_t *a, const version_t *b)
{
    return a->major != b->major ? a->major > b->major : a->minor > b->minor;
}

/* The version of an installation prefix, from its lib/pythonX.Y: the default if it is there, else the highest. */
static int read_installation(version_t *best, const char *home, apr_pool_t *pool)
{
    apr_dir_t *dir;
    apr_finfo_t entry;
    version_t seen;
    const char *rest;

    best->major = 0;
    if (apr_dir_open(&dir, apr_pstrcat(pool, home, "/lib", NULL), pool) != APR_SUCCESS) {
        return 0;
    }
    while (apr_dir_read(&entry, APR_FINFO_NAME, dir) == APR_SUCCESS) {
        if (strncmp(entry.name, "python", 6) != 0 || (rest = parse_version(&seen, entry.name + 6)) == NULL || *rest) {
            continue;
        }
        if (is_default(&seen)) {
            *best = seen;
            break;
        }
        if (best->major == 0 || is_later(&seen, best)) {
            *best = seen;
        }
    }
    apr_dir_close(dir);
    return best->major != 0;
}

int wsgi_loader_version(int *major, int *minor, int *free_threaded, const char *home, apr_pool_t *pool)
{
    version_t version = { 0, 0, 0 };
    int known = read_pyvenv(&version, home, pool);

    if (known && !version.free_threaded) {
        /* pyvenv.cfg does not say "t"; the folder of a free-threaded environment's library does. */
        const char *lib = apr_psprintf(pool, "%s/lib/python%d.%dt", home, version.major, version.minor);
        apr_finfo_t info;
        version.free_threaded = apr_stat(&info, lib, APR_FINFO_TYPE, pool) == APR_SUCCESS;
    }
    known = known || read_installation(&version, home, pool);
    *major = version.major;
    *minor = version.minor;
    *free_threaded = version.free_threaded;
    return known;
}

/* Path of the bridge in `folder` that fits, NULL if there is none; `several` says that more than one did. */
static const char *search_folder(int *several, const char *folder, const version_t *version, apr_pool_t *pool)
{
    const char *found = NULL;
    apr_dir_t *dir;
    apr_finfo_t entry;

    *several = 0;
    if (apr_dir_open(&dir, folder, pool) != APR_SUCCESS) {
        return NULL;
    }
    while (apr_dir_read(&entry, APR_FINFO_NAME, dir) == APR_SUCCESS) {
        if (wsgi_loader_fits(entry.name, version->major, version->minor, version->free_threaded)) {
            *several = found != NULL;
            found = apr_pstrcat(pool, folder, "/", entry.name, NULL);
        }
    }
    apr_dir_close(dir);
    return found;
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

/* Without a python_home the Python the core was built for; else the version of that home. */
static apr_status_t wanted(version_t *version, const char **why, const char *home, apr_pool_t *pool)
{
    if (home != NULL) {
        if (!wsgi_loader_version(&version->major, &version->minor, &version->free_threaded, home, pool)) {
            *why = apr_psprintf(pool, "'%s' holds no Python: neither pyvenv.cfg nor lib/pythonX.Y can be read there", home);
            return APR_ENOENT;
        }
        return APR_SUCCESS;
    }
    if (*WSGI_DEFAULT_SOABI != '\0') {
        const char *digits = WSGI_DEFAULT_SOABI;
        digits += strcspn(digits, "0123456789"); /* cpython-311-..., cpython-313t-... */
        version->major = *digits - '0';
        version->minor = (int)strtol(digits + 1, (char **)&digits, 10);
        version->free_threaded = *digits == 't';
    }
    return APR_SUCCESS;
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

apr_status_t wsgi_loader_open(const wsgi_bridge_t **out, const char **why, const char *python_home, apr_pool_t *pool)
{
    version_t version = { 0, 0, 0 };
    const char *colon = python_home ? strchr(python_home, ':') : NULL;
    const char *home = colon ? apr_pstrmemdup(pool, python_home, (apr_size_t)(colon - python_home)) : python_home;
    const char *beside = own_folder(pool), *inside = NULL, *path = NULL, *tag;
    int several = 0;
    apr_status_t rv = wanted(&version, why, home, pool);

    *out = NULL;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    tag = version.free_threaded ? "t" : "";
    if (home != NULL) {
        inside = apr_psprintf(pool, "%s/lib/python%d.%d%s/site-packages/mod_wsgi/server", home, version.major,
                              version.minor, tag);
        path = search_folder(&several, inside, &version, pool);
    }
    if (path == NULL) {
        path = search_folder(&several, beside, &version, pool);
    }
    if (path == NULL) {
        *why = apr_psprintf(pool, "no " BRIDGE_PREFIX "*.so for Python %d.%d%s in %s'%s'", version.major,
                            version.minor, tag, inside ? apr_psprintf(pool, "'%s' or ", inside) : "", beside);
        return APR_ENOENT;
    }
    if (several) {
        *why = apr_psprintf(pool, "several files fit Python %d.%d%s beside '%s'; keep one", version.major,
                            version.minor, tag, path);
        return APR_EGENERAL;
    }
    return open_table(out, why, path, pool);
}
