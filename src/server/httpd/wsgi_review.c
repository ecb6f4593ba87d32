#include "httpd/wsgi_review.h"

#include <apr_file_info.h>
#include <apr_strings.h>
#include <http_log.h>
#include <string.h>
#include <unistd.h>
#include <unixd.h>

#include "base/wsgi_log.h"
#include "httpd/wsgi_reviewgroups.h"
#include "httpd/wsgi_reviewhomes.h"
#include "httpd/wsgi_reviewscopes.h"

APLOG_USE_MODULE(wsgi);

static int is_repeated(const apr_array_header_t *relics, int index)
{
    for (int i = 0; i < index; i++) {
        if (strcmp(APR_ARRAY_IDX(relics, i, wsgi_relic_t).directive,
                   APR_ARRAY_IDX(relics, index, wsgi_relic_t).directive) == 0) {
            return 1;
        }
    }
    return 0;
}

static void review_relics(const apr_array_header_t *relics, server_rec *s)
{
    for (int i = 0; i < relics->nelts; i++) {
        const wsgi_relic_t *relic = &APR_ARRAY_IDX(relics, i, wsgi_relic_t);
        if (is_repeated(relics, i)) {
            continue;
        }
        if (relic->is_current) {
            ap_log_error(APLOG_MARK, APLOG_INFO, 0, s, "%s at %s has no effect: %s.", relic->directive, relic->place,
                         relic->why);
        } else {
            ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, WSGI_LOGNO(0282) "%s at %s has no effect any more: %s.",
                         relic->directive, relic->place, relic->why);
        }
    }
}

static void review_pending(const apr_array_header_t *pending, server_rec *s)
{
    if (pending->nelts > 0) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     WSGI_LOGNO(0290) "Accepted, but without effect in this release, which sends no telemetry and "
                                      "tells no server metrics: %s.",
                     apr_array_pstrcat(pending->pool, pending, ' '));
    }
}

static void review_clones(const apr_array_header_t *definitions, server_rec *s)
{
    for (int i = 0; i < definitions->nelts; i++) {
        const wsgi_definition_t *definition = APR_ARRAY_IDX(definitions, i, const wsgi_definition_t *);
        if (definition->cloned_at != NULL) {
            ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s,
                         "Process group '%s' of %s is defined again, with the same options, at %s: it is one group "
                         "that all these virtual hosts share.",
                         definition->group.name, definition->group.defined_at, definition->cloned_at);
        }
    }
}

/* Whether Apache's children may pass through a folder, by its permission bits alone: access() would ask for root. */
static int may_enter(const apr_finfo_t *folder)
{
    if (geteuid() != 0) {
        return 1; /* they are who we are, and we came here */
    }
    if (folder->user == ap_unixd_config.user_id) {
        return (folder->protection & APR_FPROT_UEXECUTE) != 0;
    }
    if (folder->group == ap_unixd_config.group_id) {
        return (folder->protection & APR_FPROT_GEXECUTE) != 0;
    }
    return (folder->protection & APR_FPROT_WEXECUTE) != 0;
}

static const char remedy[] = "Set WSGISocketPrefix to a path in a folder that Apache can write to when it starts and "
                             "its User can pass through, such as /run/apache2/wsgi";

/* @return 0 after logging why the folder, one of those above the sockets, is an obstacle */
static int review_folder(const char *folder, server_rec *s, apr_pool_t *ptemp)
{
    apr_finfo_t info;
    apr_status_t rv = apr_stat(&info, folder, APR_FINFO_OWNER | APR_FINFO_PROT | APR_FINFO_TYPE, ptemp);

    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, rv, s,
                     WSGI_LOGNO(0283) "The folder '%s' for the sockets of daemon processes cannot be used. %s.", folder,
                     remedy);
        return 0;
    }
    if (!may_enter(&info)) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     WSGI_LOGNO(0284) "The folder '%s' lies on the path to the sockets of daemon processes, but its "
                                      "permissions do not let Apache's User '%s' pass through. %s.",
                     folder, ap_unixd_config.user_name, remedy);
        return 0;
    }
    return 1;
}

static void review_socket_folder(const char *socket_prefix, server_rec *s, apr_pool_t *ptemp)
{
    char *path = apr_pstrdup(ptemp, socket_prefix), *slash = strrchr(path, '/');
    const char *folder = path;

    if (slash == NULL) {
        return;
    }
    *slash = '\0';
    for (char *at = path + 1; at < slash && (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        if (!review_folder(path, s, ptemp)) {
            return;
        }
        *at = '/';
    }
    folder = *path != '\0' ? path : "/";
    if (review_folder(folder, s, ptemp) && access(folder, W_OK | X_OK) != 0) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, errno, s,
                     WSGI_LOGNO(0285) "Apache may not make the sockets of daemon processes in folder '%s'. %s.", folder,
                     remedy);
    }
}

void wsgi_review(const wsgi_setup_t *setup, server_rec *main_server, const char *socket_prefix, apr_pool_t *ptemp)
{
    review_relics(setup->relics, main_server);
    review_pending(setup->pending, main_server);
    review_clones(setup->definitions, main_server);
    wsgi_reviewgroups(setup, main_server, ptemp);
    wsgi_reviewscopes(setup, main_server, ptemp);
    wsgi_reviewhomes(setup, main_server, ptemp);
    if (setup->definitions->nelts > 0) {
        review_socket_folder(socket_prefix, main_server, ptemp);
    }
}
