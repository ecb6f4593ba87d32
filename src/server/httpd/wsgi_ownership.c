#include "httpd/wsgi_ownership.h"

#include <apr_strings.h>
#include <apr_user.h>
#include <string.h>

#include "httpd/wsgi_hostlog.h"

#define REFUSE(r, rv, ...) wsgi_hostlog_refuse(r, HTTP_FORBIDDEN, WSGI_HERE, rv, __VA_ARGS__)

static apr_status_t examine_folder(apr_finfo_t *info, const char **folder, request_rec *r)
{
    const char *slash = strrchr(r->filename, '/');

    *folder = slash == NULL || slash == r->filename
                  ? "/"
                  : apr_pstrmemdup(r->pool, r->filename, (apr_size_t)(slash - r->filename));
    return apr_stat(info, *folder, APR_FINFO_USER | APR_FINFO_GROUP | APR_FINFO_PROT, r->pool);
}

static int check_group_of_file(request_rec *r, const char *wanted)
{
    const apr_finfo_t *info = &r->finfo;
    char *name;
    apr_status_t rv;

    if (!(info->valid & APR_FINFO_GROUP)) {
        return REFUSE(r, 0, WSGI_LOGNO(0153) "The group of the script is not known.");
    }
    rv = apr_gid_name_get(&name, info->group, r->pool);
    if (rv != APR_SUCCESS) {
        return REFUSE(r, rv, WSGI_LOGNO(0154) "Group id %ld of the script has no name.", (long)info->group);
    }
    if (strcmp(name, wanted) != 0) {
        return REFUSE(r, 0, WSGI_LOGNO(0155) "The script belongs to group '%s', not to '%s' as script-group demands.",
                      name, wanted);
    }
    if (!(info->valid & APR_FINFO_WPROT)) {
        return REFUSE(r, 0, WSGI_LOGNO(0156) "Whether everybody may write to the script is not known.");
    }
    if (info->protection & APR_FPROT_WWRITE) {
        return REFUSE(r, 0, WSGI_LOGNO(0157) "Everybody may write to the script, which script-group forbids.");
    }
    return OK;
}

static int check_group_of_folder(request_rec *r, const char *wanted)
{
    apr_finfo_t info;
    const char *folder;
    char *name;
    apr_status_t rv = examine_folder(&info, &folder, r);

    if (rv != APR_SUCCESS) {
        return REFUSE(r, rv, WSGI_LOGNO(0158) "The folder '%s' of the script cannot be examined.", folder);
    }
    rv = apr_gid_name_get(&name, info.group, r->pool);
    if (rv != APR_SUCCESS) {
        return REFUSE(r, rv, WSGI_LOGNO(0159) "Group id %ld of folder '%s' has no name.", (long)info.group, folder);
    }
    if (strcmp(name, wanted) != 0) {
        return REFUSE(r, 0,
                      WSGI_LOGNO(0160) "Folder '%s' belongs to group '%s', not to '%s' as script-group demands.",
                      folder, name, wanted);
    }
    if (info.protection & APR_FPROT_WWRITE) {
        return REFUSE(r, 0, WSGI_LOGNO(0161) "Everybody may write to folder '%s', which script-group forbids.", folder);
    }
    return OK;
}

static int check_user_of_file(request_rec *r, const char *wanted)
{
    const apr_finfo_t *info = &r->finfo;
    char *name;
    apr_status_t rv;

    if (!(info->valid & APR_FINFO_USER)) {
        return REFUSE(r, 0, WSGI_LOGNO(0162) "The owner of the script is not known.");
    }
    rv = apr_uid_name_get(&name, info->user, r->pool);
    if (rv != APR_SUCCESS) {
        return REFUSE(r, rv, WSGI_LOGNO(0163) "User id %ld of the script has no name.", (long)info->user);
    }
    if (strcmp(name, wanted) != 0) {
        return REFUSE(r, 0, WSGI_LOGNO(0164) "The script belongs to '%s', not to '%s' as script-user demands.", name,
                      wanted);
    }
    if (!(info->valid & APR_FINFO_GPROT)) {
        return REFUSE(r, 0, WSGI_LOGNO(0165) "Whether its group may write to the script is not known.");
    }
    if (info->protection & APR_FPROT_GWRITE) {
        return REFUSE(r, 0, WSGI_LOGNO(0166) "Its group may write to the script, which script-user forbids.");
    }
    if (!(info->valid & APR_FINFO_WPROT)) {
        return REFUSE(r, 0, WSGI_LOGNO(0167) "Whether everybody may write to the script is not known.");
    }
    if (info->protection & APR_FPROT_WWRITE) {
        return REFUSE(r, 0, WSGI_LOGNO(0168) "Everybody may write to the script, which script-user forbids.");
    }
    return OK;
}

static int check_user_of_folder(request_rec *r, const char *wanted)
{
    apr_finfo_t info;
    const char *folder;
    char *name;
    apr_status_t rv = examine_folder(&info, &folder, r);

    if (rv != APR_SUCCESS) {
        return REFUSE(r, rv, WSGI_LOGNO(0169) "The folder '%s' of the script cannot be examined.", folder);
    }
    rv = apr_uid_name_get(&name, info.user, r->pool);
    if (rv != APR_SUCCESS) {
        return REFUSE(r, rv, WSGI_LOGNO(0170) "User id %ld of folder '%s' has no name.", (long)info.user, folder);
    }
    if (strcmp(name, wanted) != 0) {
        return REFUSE(r, 0, WSGI_LOGNO(0171) "Folder '%s' belongs to '%s', not to '%s' as script-user demands.", folder,
                      name, wanted);
    }
    if (info.protection & APR_FPROT_WWRITE) {
        return REFUSE(r, 0, WSGI_LOGNO(0172) "Everybody may write to folder '%s', which script-user forbids.", folder);
    }
    if (info.protection & APR_FPROT_GWRITE) {
        return REFUSE(r, 0, WSGI_LOGNO(0173) "Its group may write to folder '%s', which script-user forbids.", folder);
    }
    return OK;
}

int wsgi_ownership_check(request_rec *r, const wsgi_group_t *group)
{
    int status = OK;

    if (group->script_group != NULL) {
        status = check_group_of_file(r, group->script_group);
        return status == OK ? check_group_of_folder(r, group->script_group) : status;
    }
    if (group->script_user != NULL) {
        status = check_user_of_file(r, group->script_user);
        return status == OK ? check_user_of_folder(r, group->script_user) : status;
    }
    return status;
}
