#include "httpd/wsgi_access.h"

#include <httpd.h>

#include <ap_expr.h>
#include <ap_provider.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_log.h>
#include <http_request.h>
#include <mod_auth.h>
#include <string.h>

#include "httpd/wsgi_callback.h"
#include "httpd/wsgi_hostlog.h"

APLOG_USE_MODULE(wsgi);

/* ---- WSGIAccessScript ---- */

/* Whether somebody may still come in by logging in, so that a refusal is nothing to report yet. */
static int may_log_in(request_rec *r)
{
    return ap_satisfies(r) == SATISFY_ANY && ap_some_auth_required(r);
}

static int check_access(request_rec *r)
{
    const wsgi_callout_script_t *script = wsgi_dir_config(r)->access_script;
    wsgi_question_t question = { .kind = WSGI_ASK_ACCESS };

    if (script == NULL) {
        return DECLINED;
    }
    /* Looked up here if at all, so that the variables know it too. */
    question.arguments[0] = ap_get_useragent_host(r, REMOTE_NAME, NULL);
    switch (wsgi_callback_ask(&question, r, script)) {
    case WSGI_ANSWER_YES:
        return OK;
    case WSGI_ANSWER_NONE:
        return DECLINED;
    default:
        break;
    }
    if (!may_log_in(r)) {
        wsgi_hostlog_say(r, WSGI_HERE, WSGI_LOG_ERR, 0,
                         WSGI_LOGNO(0057) "Access to %s is denied by the configuration of the server "
                                          "(WSGIAccessScript).",
                         r->filename != NULL ? r->filename : r->uri);
    }
    return HTTP_FORBIDDEN;
}

/* ---- WSGIAuthUserScript ---- */

static authn_status ask_about_user(wsgi_question_t *question, request_rec *r, const char *user, const char *secret,
                                   const char *without_script)
{
    const wsgi_callout_script_t *script = wsgi_dir_config(r)->auth_user_script;

    if (script == NULL) {
        wsgi_hostlog_say(r, WSGI_HERE, WSGI_LOG_ERR, 0, "%s", without_script);
        return AUTH_GENERAL_ERROR;
    }
    question->arguments[0] = user;
    question->arguments[1] = secret;
    switch (wsgi_callback_ask(question, r, script)) {
    case WSGI_ANSWER_YES:
        return AUTH_GRANTED;
    case WSGI_ANSWER_NO:
        return AUTH_DENIED;
    case WSGI_ANSWER_NONE:
        return AUTH_USER_NOT_FOUND;
    default:
        return AUTH_GENERAL_ERROR;
    }
}

static authn_status check_password(request_rec *r, const char *user, const char *password)
{
    wsgi_question_t question = { .kind = WSGI_ASK_PASSWORD };
    authn_status status = ask_about_user(&question, r, user, password,
                                         WSGI_LOGNO(0041) "The authentication provider 'wsgi' needs "
                                                          "WSGIAuthUserScript, which is not set here.");

    if (question.texts[0] != NULL) {
        r->user = (char *)question.texts[0];
    }
    return status;
}

static authn_status get_realm_hash(request_rec *r, const char *user, const char *realm, char **hash)
{
    wsgi_question_t question = { .kind = WSGI_ASK_HASH };
    authn_status status = ask_about_user(&question, r, user, realm,
                                         WSGI_LOGNO(0044) "The authentication provider 'wsgi' needs "
                                                          "WSGIAuthUserScript for Digest authentication, which is not "
                                                          "set here.");

    if (status != AUTH_GRANTED) {
        return status;
    }
    *hash = (char *)question.texts[0];
    return AUTH_USER_FOUND;
}

/* ---- WSGIAuthGroupScript ---- */

static const char *parse_groups(cmd_parms *cmd, const char *line, const void **parsed)
{
    const char *error = NULL;

    *parsed = ap_expr_parse_cmd(cmd, line, AP_EXPR_FLAG_STRING_RESULT, &error, NULL);
    return error == NULL ? NULL
                         : apr_pstrcat(cmd->pool, "The groups of 'Require wsgi-group' cannot be parsed: ", error, NULL);
}

static int is_member(const apr_array_header_t *groups, const char *name)
{
    for (int i = 0; i < groups->nelts; i++) {
        if (strcasecmp(APR_ARRAY_IDX(groups, i, const char *), name) == 0) {
            return 1;
        }
    }
    return 0;
}

static int is_in_one_of(const apr_array_header_t *groups, const char *wanted, apr_pool_t *preq)
{
    while (*wanted != '\0') {
        if (is_member(groups, ap_getword_conf(preq, &wanted))) {
            return 1;
        }
    }
    return 0;
}

static authz_status judge_groups(request_rec *r, const apr_array_header_t *groups, const void *parsed)
{
    const char *error = NULL, *wanted = ap_expr_str_exec(r, parsed, &error);

    if (error != NULL) {
        return wsgi_hostlog_refuse(r, AUTHZ_DENIED, WSGI_HERE, 0,
                                   WSGI_LOGNO(0288) "The groups of 'Require wsgi-group' cannot be evaluated: %s.",
                                   error);
    }
    if (groups->nelts == 0) {
        return wsgi_hostlog_refuse(r, AUTHZ_DENIED, WSGI_HERE, 0,
                                   WSGI_LOGNO(0059) "User '%s' is not admitted to %s: the user belongs to no group.",
                                   r->user, r->uri);
    }
    if (!is_in_one_of(groups, wanted, r->pool)) {
        return wsgi_hostlog_refuse(r, AUTHZ_DENIED, WSGI_HERE, 0,
                                   WSGI_LOGNO(0060) "User '%s' is not admitted to %s: the user belongs to none of "
                                                    "the groups that are required.",
                                   r->user, r->uri);
    }
    return AUTHZ_GRANTED;
}

static authz_status check_groups(request_rec *r, const char *line, const void *parsed)
{
    const wsgi_callout_script_t *script = wsgi_dir_config(r)->auth_group_script;
    wsgi_question_t question = { .kind = WSGI_ASK_GROUPS, .arguments[0] = r->user };

    (void)line;
    if (r->user == NULL) {
        return AUTHZ_DENIED_NO_USER;
    }
    if (script == NULL) {
        return wsgi_hostlog_refuse(r, AUTHZ_DENIED, WSGI_HERE, 0,
                                   WSGI_LOGNO(0058) "'Require wsgi-group' needs WSGIAuthGroupScript, which is not set "
                                                    "here.");
    }
    if (wsgi_callback_ask(&question, r, script) != WSGI_ANSWER_YES) {
        return AUTHZ_DENIED;
    }
    return judge_groups(r, question.groups, parsed);
}

void wsgi_access_register(apr_pool_t *pconf)
{
    static const char *const before[] = { "mod_ssl.c", NULL }, *const after[] = { "mod_authz_host.c", NULL };
    static const authn_provider users = { check_password, get_realm_hash };
    static const authz_provider groups = { check_groups, parse_groups };

    ap_hook_check_access(check_access, before, after, APR_HOOK_MIDDLE, AP_AUTH_INTERNAL_PER_CONF);
    ap_register_auth_provider(pconf, AUTHN_PROVIDER_GROUP, "wsgi", AUTHN_PROVIDER_VERSION, &users,
                              AP_AUTH_INTERNAL_PER_CONF);
    ap_register_auth_provider(pconf, AUTHZ_PROVIDER_GROUP, "wsgi-group", AUTHZ_PROVIDER_VERSION, &groups,
                              AP_AUTH_INTERNAL_PER_CONF);
}
