#include "httpd/wsgi_reviewhomes.h"

#include <apr_strings.h>
#include <http_log.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <unixd.h>

#include "base/wsgi_loader.h"
#include "base/wsgi_log.h"
#include "daemon/wsgi_homecheck.h"

APLOG_USE_MODULE(wsgi);

enum { USERS_NAMED = 8 }; /* in one message */

/* A home, and the first of those who use it with the same rights. */
typedef struct {
    const char *home;
    const wsgi_group_t *group;
    const char *users; /* in words */
    int count;
    int is_variable;   /* it comes from PYTHONHOME, so the default bridge has to do */
} usage_t;

static const char *const numbers[WSGI_PYHOME_FAULTS] = {
    [WSGI_PYHOME_GOOD] = "",
    [WSGI_PYHOME_MISSING] = WSGI_LOGNO(0297),
    [WSGI_PYHOME_NO_FOLDER] = WSGI_LOGNO(0298),
    [WSGI_PYHOME_CLOSED] = WSGI_LOGNO(0299),
    [WSGI_PYHOME_INSIDE] = WSGI_LOGNO(0300),
    [WSGI_PYHOME_NO_BRIDGE] = WSGI_LOGNO(0301),
    [WSGI_PYHOME_NO_BASE] = WSGI_LOGNO(0302),
    [WSGI_PYHOME_NO_PYTHON] = WSGI_LOGNO(0303),
    [WSGI_PYHOME_FORM] = WSGI_LOGNO(0304),
};

/* ---- who uses which home ---- */

static int is_same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static int is_same_identity(const wsgi_group_t *a, const wsgi_group_t *b)
{
    return a->uid == b->uid && a->gid == b->gid && is_same_text(a->chroot, b->chroot)
           && a->supplementary_count == b->supplementary_count
           && (a->supplementary_count == 0
               || memcmp(a->supplementary, b->supplementary, (size_t)a->supplementary_count * sizeof(gid_t)) == 0);
}

static usage_t *find_usage(const apr_array_header_t *usages, const char *home, const wsgi_group_t *group)
{
    for (int i = 0; i < usages->nelts; i++) {
        usage_t *usage = &APR_ARRAY_IDX(usages, i, usage_t);
        if (strcmp(usage->home, home) == 0 && is_same_identity(usage->group, group)) {
            return usage;
        }
    }
    return NULL;
}

/* The value that counts, in words where it comes from; NULL when Python looks for its home by itself. */
static const char *effective_home(const char **source, const wsgi_setup_t *setup, const wsgi_group_t *group,
                                  apr_pool_t *ptemp)
{
    const char *variable = getenv("PYTHONHOME");

    if (group->python_home != NULL) {
        *source = apr_psprintf(ptemp, "python-home= of WSGIDaemonProcess at %s", group->defined_at);
        return group->python_home;
    }
    if (setup->python.python_home != NULL) {
        *source = apr_psprintf(ptemp, "WSGIPythonHome at %s", setup->python_home_place);
        return setup->python.python_home;
    }
    *source = "PYTHONHOME in Apache's environment";
    return variable != NULL && *variable != '\0' ? variable : NULL;
}

static void add_user(apr_array_header_t *usages, const wsgi_setup_t *setup, const wsgi_group_t *group)
{
    apr_pool_t *ptemp = usages->pool;
    const char *source, *home = effective_home(&source, setup, group, ptemp);
    usage_t *usage;

    if (home == NULL) {
        return;
    }
    usage = find_usage(usages, home, group);
    if (usage == NULL) {
        usage = apr_array_push(usages);
        *usage = (usage_t){ .home = home, .group = group, .users = "",
                            .is_variable = group->python_home == NULL && setup->python.python_home == NULL };
    }
    if (usage->count++ >= USERS_NAMED) {
        return;
    }
    usage->users = apr_pstrcat(ptemp, usage->users, *usage->users != '\0' ? ", " : "",
                               *group->name != '\0' ? apr_psprintf(ptemp, "process group '%s'", group->name)
                                                    : "embedded mode", " (", source, ")", NULL);
}

/* Apache's children, as far as identities go. */
static const wsgi_group_t *embedded(apr_pool_t *ptemp)
{
    wsgi_group_t *group = apr_pcalloc(ptemp, sizeof(*group));
    int is_root = geteuid() == 0;
    const struct passwd *entry;

    group->name = "";
    group->uid = is_root ? ap_unixd_config.user_id : geteuid();
    group->gid = is_root ? ap_unixd_config.group_id : getegid();
    group->chroot = is_root ? ap_unixd_config.chroot_dir : NULL;
    entry = getpwuid(group->uid);
    group->user = entry != NULL ? apr_pstrdup(ptemp, entry->pw_name) : NULL;
    return group;
}

static apr_array_header_t *find_usages(const wsgi_setup_t *setup, apr_pool_t *ptemp)
{
    apr_array_header_t *usages = apr_array_make(ptemp, 4, sizeof(usage_t));

    if (!setup->restrict_embedded || setup->needs_embedded) {
        add_user(usages, setup, embedded(ptemp));
    }
    for (int i = 0; i < setup->definitions->nelts; i++) {
        add_user(usages, setup, &APR_ARRAY_IDX(setup->definitions, i, const wsgi_definition_t *)->group);
    }
    return usages;
}

/* ---- what is wrong with it ---- */

/* PYTHONHOME does not choose the bridge. */
static void compare_versions(wsgi_pyhome_t *found, const char *home, apr_pool_t *ptemp)
{
    int major, minor, free_threaded, default_major, default_minor, default_free_threaded;

    if (wsgi_loader_version(&major, &minor, &free_threaded, home, ptemp)
        && wsgi_loader_bridge_version(&default_major, &default_minor, &default_free_threaded, NULL, ptemp)
        && (major != default_major || minor != default_minor)) {
        *found = (wsgi_pyhome_t){ WSGI_PYHOME_NO_BRIDGE,
                                  apr_psprintf(ptemp, "is of Python %d.%d, while the default of this module is Python "
                                                      "%d.%d", major, minor, default_major, default_minor),
                                  "Remove PYTHONHOME from Apache's environment, and name the Python in WSGIPythonHome "
                                  "or python-home=" };
    }
}

static const char *describe(const wsgi_pyhome_t *found, const usage_t *usage, const char *account, apr_pool_t *ptemp)
{
    return apr_psprintf(ptemp, "As user '%s' finds it, the Python home '%s' %s. It is that of %s%s, which may get no "
                               "Python from it or not find its modules. %s", account, usage->home, found->what,
                        usage->users, usage->count > USERS_NAMED ? " and others" : "", found->remedy);
}

static void review_usage(const usage_t *usage, server_rec *s, apr_pool_t *ptemp)
{
    const wsgi_group_t *group = usage->group;
    const char *account = group->user != NULL ? group->user : apr_psprintf(ptemp, "#%ld", (long)group->uid);
    wsgi_pyhome_t found;
    apr_status_t rv = wsgi_homecheck_run(&found, usage->home, group, ptemp);

    if (rv != APR_SUCCESS) { /* the processes of the group will say whether they get further */
        ap_log_error(APLOG_MARK, APLOG_INFO, rv, s, "The Python home '%s' of %s cannot be examined as user '%s'.",
                     usage->home, usage->users, account);
        return;
    }
    if (found.fault == WSGI_PYHOME_GOOD && usage->is_variable) {
        compare_versions(&found, usage->home, ptemp);
    }
    if (found.fault != WSGI_PYHOME_GOOD) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, "%s%s.", numbers[found.fault],
                     describe(&found, usage, account, ptemp));
    }
}

void wsgi_reviewhomes(const wsgi_setup_t *setup, server_rec *main_server, apr_pool_t *ptemp)
{
    const apr_array_header_t *usages = find_usages(setup, ptemp);

    for (int i = 0; i < usages->nelts; i++) {
        review_usage(&APR_ARRAY_IDX(usages, i, usage_t), main_server, ptemp);
    }
}
