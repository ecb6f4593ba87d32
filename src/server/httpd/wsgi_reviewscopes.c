#include "httpd/wsgi_reviewscopes.h"

#include <apr_strings.h>
#include <http_log.h>

#include "base/wsgi_loader.h"
#include "base/wsgi_log.h"
#include "base/wsgi_scopes.h"
#include "config/wsgi_groups.h"

APLOG_USE_MODULE(wsgi);

enum { OWN_GIL_SINCE = 12 }; /* of Python 3 */

/* ---- the sections themselves ---- */

static void review_section(const wsgi_setup_t *setup, const wsgi_scope_t *scope, server_rec *s)
{
    if (scope->application_group != NULL && scope->free_threading != WSGI_INHERIT) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     WSGI_LOGNO(0201) "WSGIFreeThreading in <WSGIInterpreterOptions> at %s has no effect: it is a "
                                      "setting of whole processes, and the section has application-group=.",
                     scope->defined_at);
    }
    if (scope->process_group != NULL && *scope->process_group != '\0'
        && wsgi_groups_find(setup, scope->process_group) == NULL) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     WSGI_LOGNO(0214) "<WSGIInterpreterOptions> at %s applies to nothing: no WSGIDaemonProcess defines "
                                      "process group '%s'.",
                     scope->defined_at, scope->process_group);
    }
}

/* ---- what a Python cannot do ---- */

/* Places where a setting is made for nothing, in words; "" none. */
typedef struct {
    const char *own_gil, *free_threading;
} places_t;

static void add_place(const char **places, const char *place, const char *version, apr_pool_t *ptemp)
{
    *places = apr_pstrcat(ptemp, *places, **places != '\0' ? ", " : "", place, " (Python ", version, ")", NULL);
}

/* Python settings of one process group; a Python that is not there has been complained of elsewhere. */
static void review_python(places_t *places, const wsgi_runtime_settings_t *python, const char *place,
                          apr_pool_t *ptemp)
{
    int wants_gil = wsgi_scopes_may_own_gil(python), wants_none = wsgi_scopes_free_threading(python);
    int major, minor, free_threaded;
    const char *version;

    if ((!wants_gil && !wants_none)
        || !wsgi_loader_bridge_version(&major, &minor, &free_threaded, python->python_home, ptemp)) {
        return;
    }
    version = apr_psprintf(ptemp, "%d.%d%s", major, minor, free_threaded ? "t" : "");
    if (wants_gil && major == 3 && minor < OWN_GIL_SINCE) {
        add_place(&places->own_gil, place, version, ptemp);
    }
    if (wants_none && !free_threaded) {
        add_place(&places->free_threading, place, version, ptemp);
    }
}

static places_t review_pythons(const wsgi_setup_t *setup, apr_pool_t *ptemp)
{
    wsgi_runtime_settings_t python = setup->python;
    places_t places = { "", "" };

    if (!setup->restrict_embedded || setup->needs_embedded) {
        review_python(&places, &python, "embedded mode", ptemp);
    }
    for (int i = 0; i < setup->definitions->nelts; i++) {
        const wsgi_group_t *group = &APR_ARRAY_IDX(setup->definitions, i, const wsgi_definition_t *)->group;
        python.process_group = group->name;
        python.python_home = group->python_home != NULL ? group->python_home : setup->python.python_home;
        review_python(&places, &python, apr_psprintf(ptemp, "process group '%s'", group->name), ptemp);
    }
    return places;
}

void wsgi_reviewscopes(const wsgi_setup_t *setup, server_rec *main_server, apr_pool_t *ptemp)
{
    places_t places = review_pythons(setup, ptemp);

    if (*places.own_gil != '\0') {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, main_server,
                     WSGI_LOGNO(0198) "WSGIPerInterpreterGIL has no effect in %s: it needs Python 3.%d or later.",
                     places.own_gil, OWN_GIL_SINCE);
    }
    if (*places.free_threading != '\0') {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, main_server,
                     WSGI_LOGNO(0200) "WSGIFreeThreading has no effect in %s: it needs a free-threaded build of "
                                      "Python, 3.13t or later.",
                     places.free_threading);
    }
    for (int i = 0; i < setup->python.scopes->nelts; i++) {
        review_section(setup, &APR_ARRAY_IDX(setup->python.scopes, i, const wsgi_scope_t), main_server);
    }
}
