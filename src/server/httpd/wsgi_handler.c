#include "httpd/wsgi_handler.h"

#include <httpd.h>

#include <apr_strings.h>
#include <http_config.h>
#include <http_core.h>
#include <http_protocol.h>
#include <string.h>

#include "base/wsgi_httprules.h"
#include "config/wsgi_groups.h"
#include "httpd/wsgi_callback.h"
#include "httpd/wsgi_hostlog.h"
#include "httpd/wsgi_local.h"
#include "httpd/wsgi_ownership.h"
#include "httpd/wsgi_remote.h"
#include "httpd/wsgi_resolve.h"
#include "httpd/wsgi_respond.h"
#include "httpd/wsgi_startup.h"
#include "httpd/wsgi_translate.h"
#include "httpd/wsgi_vars.h"

/* Log why a request is refused, and yield the status. */
#define REFUSE(r, status, ...) wsgi_hostlog_refuse(r, status, WSGI_HERE, 0, __VA_ARGS__)

/* @param handler receives the handler script bound to the request's handler name, NULL for an ordinary script */
static int is_ours(const wsgi_handler_script_t **handler, const request_rec *r)
{
    const wsgi_dir_config_t *config = wsgi_dir_config(r);

    *handler = NULL;
    if (r->handler == NULL) {
        return 0;
    }
    if (strcmp(r->handler, "wsgi-script") == 0 || strcmp(r->handler, "application/x-httpd-wsgi") == 0) {
        return 1;
    }
    if (config->handler_scripts != NULL) {
        *handler = apr_hash_get(config->handler_scripts, r->handler, APR_HASH_KEY_STRING);
    }
    return *handler != NULL;
}

static int is_script_aliased(const request_rec *r)
{
    const char *forced = apr_table_get(r->notes, "alias-forced-type");

    return forced != NULL && strcasecmp(forced, "wsgi-script") == 0;
}

/* The file that Apache found for the request has to be a script that may be run. */
static int check_script(request_rec *r)
{
    if (!(ap_allow_options(r) & OPT_EXECCGI) && !is_script_aliased(r)) {
        return REFUSE(r, HTTP_FORBIDDEN, WSGI_LOGNO(0134) "Options ExecCGI is off in this directory.");
    }
    if (r->finfo.filetype == APR_NOFILE) {
        return REFUSE(r, HTTP_NOT_FOUND, WSGI_LOGNO(0135) "The script is not found or cannot be examined.");
    }
    if (r->finfo.filetype == APR_DIR) {
        return REFUSE(r, HTTP_FORBIDDEN, WSGI_LOGNO(0136) "A directory cannot be run as a script.");
    }
    return OK;
}

static int check_path_info(request_rec *r)
{
    if (r->used_path_info == AP_REQ_REJECT_PATH_INFO && r->path_info != NULL && *r->path_info != '\0') {
        return REFUSE(r, HTTP_NOT_FOUND, WSGI_LOGNO(0137) "AcceptPathInfo Off forbids a path behind the script.");
    }
    return OK;
}

/*
 * Ways to frame a request body that cannot be passed on, or that are used to smuggle requests (RFC 9112 section 6.3).
 * @param has_body receives whether there may be a body
 */
static int check_body(int *has_body, request_rec *r)
{
    const char *encoding = apr_table_get(r->headers_in, "Transfer-Encoding");
    const char *length = apr_table_get(r->headers_in, "Content-Length");
    apr_off_t bytes = 0, limit = ap_get_limit_req_body(r);

    *has_body = 0;
    if (encoding != NULL && strcasecmp(encoding, "chunked") != 0) {
        return REFUSE(r, HTTP_NOT_IMPLEMENTED, WSGI_LOGNO(0138) "Unknown Transfer-Encoding: %s", encoding);
    }
    if (encoding != NULL && wsgi_dir_config(r)->chunked_request != WSGI_ON) {
        return REFUSE(r, HTTP_LENGTH_REQUIRED,
                      WSGI_LOGNO(0139) "Bodies of unknown length are not accepted here; see WSGIChunkedRequest.");
    }
    if (encoding != NULL && length != NULL) {
        return REFUSE(r, HTTP_BAD_REQUEST,
                      WSGI_LOGNO(0140) "Content-Length and Transfer-Encoding contradict each other.");
    }
    if (length != NULL && !wsgi_http_parse_length(&bytes, length, strlen(length))) {
        return REFUSE(r, HTTP_BAD_REQUEST, WSGI_LOGNO(0141) "Invalid Content-Length: %s", length);
    }
    if (limit > 0 && bytes > limit) {
        int status = ap_discard_request_body(r); /* Apache's input filter refuses it and logs why */
        return status != OK ? status : HTTP_REQUEST_ENTITY_TOO_LARGE;
    }
    *has_body = bytes > 0 || encoding != NULL;
    return OK;
}

/* WSGIRestrictProcess. */
static int check_restriction(request_rec *r, const char *process_group)
{
    const apr_array_header_t *allowed = wsgi_dir_config(r)->restrict_process;

    if (allowed == NULL) {
        return OK;
    }
    for (int i = 0; i < allowed->nelts; i++) {
        if (strcasecmp(APR_ARRAY_IDX(allowed, i, const char *), process_group) == 0) {
            return OK;
        }
    }
    return REFUSE(r, HTTP_INTERNAL_SERVER_ERROR,
                  WSGI_LOGNO(0149) "Daemon process group '%s' is not among those that WSGIRestrictProcess allows here.",
                  process_group);
}

static int find_group(const wsgi_definition_t **out, request_rec *r, const char *name)
{
    const wsgi_setup_t *setup = wsgi_server_config(r->server)->setup;
    const wsgi_definition_t *definition = wsgi_groups_find(setup, name);

    *out = definition;
    if (setup->definitions->nelts == 0) {
        return REFUSE(r, HTTP_INTERNAL_SERVER_ERROR,
                      WSGI_LOGNO(0150) "Daemon process group '%s' is wanted, but none are configured.", name);
    }
    if (definition == NULL) {
        return REFUSE(r, HTTP_INTERNAL_SERVER_ERROR, WSGI_LOGNO(0151) "There is no daemon process group '%s'.", name);
    }
    if (!wsgi_groups_is_accessible(definition, r->server)) {
        return REFUSE(r, HTTP_INTERNAL_SERVER_ERROR,
                      WSGI_LOGNO(0152) "Daemon process group '%s' belongs to another virtual host (%s).", name,
                      definition->group.defined_at);
    }
    return wsgi_ownership_check(r, &definition->group);
}

/* A request on its way to where it runs. */
typedef struct {
    request_rec *r;
    wsgi_route_t route;
    wsgi_fields_t variables;
    int is_https;
    int has_body;
} job_t;

static int run_remote(job_t *job)
{
    request_rec *r = job->r;
    const wsgi_definition_t *definition;
    const wsgi_endpoint_t *endpoint;
    wsgi_call_t call;
    int status = find_group(&definition, r, job->route.process_group);

    if (status != OK) {
        return status;
    }
    endpoint = wsgi_startup_endpoint(definition);
    if (endpoint == NULL) {
        return REFUSE(r, HTTP_SERVICE_UNAVAILABLE,
                      WSGI_LOGNO(0280) "Daemon process group '%s' could not be started; see the messages of Apache's "
                                       "start.",
                      job->route.process_group);
    }
    memset(&call, 0, sizeof(call));
    call.route = job->route;
    call.variables = job->variables;
    call.request_start = r->request_time;
    call.is_https = job->is_https;
    call.origin = (wsgi_origin_t){ .generation = wsgi_startup_generation(),
                                   .server_index = wsgi_server_config(r->server)->index,
                                   .client_port = r->useragent_addr != NULL ? r->useragent_addr->port : 0,
                                   .client = wsgi_fields_get(&job->variables, "REMOTE_ADDR"),
                                   .request_id = r->log_id,
                                   .connection_id = r->connection->log_id,
                                   .resource = r->filename };
    return wsgi_remote_run(r, endpoint, &call, job->has_body);
}

static int run_here(job_t *job)
{
    request_rec *r = job->r;
    wsgi_runtime_t *runtime;
    const wsgi_bridge_t *bridge = wsgi_startup_python(&runtime);
    wsgi_request_t request = { .route = &job->route,
                               .variables = &job->variables,
                               .moments.request_start = r->request_time,
                               .url_scheme = job->is_https ? "https" : "http",
                               .apache_request = job->route.pass_apache_request ? r : NULL };
    wsgi_local_t local;
    wsgi_outcome_t outcome;

    if (wsgi_server_config(r->server)->setup->restrict_embedded) {
        return REFUSE(r, HTTP_INTERNAL_SERVER_ERROR,
                      WSGI_LOGNO(0143) "Applications may not run in Apache's own processes (WSGIRestrictEmbedded), and "
                                       "no daemon process group is set for this one.");
    }
    if (bridge == NULL) {
        return REFUSE(r, HTTP_INTERNAL_SERVER_ERROR,
                      WSGI_LOGNO(0210) "Python is not available in this process; see the messages of its start.");
    }
    wsgi_local_init(&local, r, job->route.enable_sendfile);
    wsgi_startup_enter_request();
    outcome = bridge->execute(runtime, &request, &local.base);
    wsgi_startup_leave_request();
    return local.is_head_sent || r->connection->aborted ? OK : wsgi_respond_outcome(r, outcome, 0);
}

/* WSGIDispatchScript. */
static int dispatch(job_t *job, const char *script_name)
{
    const wsgi_callout_script_t *script = wsgi_dir_config(job->r)->dispatch_script;
    wsgi_question_t question = { .kind = WSGI_ASK_DISPATCH, .variables = &job->variables };

    if (script == NULL) {
        return OK;
    }
    switch (wsgi_callback_ask(&question, job->r, script)) {
    case WSGI_ANSWER_ERROR:
    case WSGI_ANSWER_UNAVAILABLE:
        return HTTP_INTERNAL_SERVER_ERROR;
    case WSGI_ANSWER_NO_SCRIPT:
        return OK; /* logged; the directives still say where to go */
    default:
        wsgi_resolve_dispatch(&job->route, job->r, question.texts, script_name);
        return OK;
    }
}

static int passes_authorization(const request_rec *r, const wsgi_binding_t *binding)
{
    if (binding != NULL && binding->pass_authorization != WSGI_UNSET) {
        return binding->pass_authorization;
    }
    return wsgi_dir_config(r)->pass_authorization == WSGI_ON;
}

static int handle(request_rec *r)
{
    const wsgi_handler_script_t *handler;
    job_t job = { .r = r };
    wsgi_paths_t paths;
    int status = OK;

    if (!is_ours(&handler, r)) {
        return DECLINED;
    }
    if (handler == NULL) {
        status = check_script(r);
    }
    if (status == OK) {
        status = check_path_info(r);
    }
    if (status == OK) {
        status = check_body(&job.has_body, r);
    }
    if (status != OK) {
        return status;
    }
    paths = wsgi_vars_paths(r);
    wsgi_resolve_route(&job.route, r, handler, paths.script_name);
    wsgi_vars_build(&job.variables, &job.is_https, r, &paths, job.route.resource,
                    passes_authorization(r, wsgi_resolve_binding(r, handler)));
    status = dispatch(&job, paths.script_name);
    if (status == OK) {
        status = check_restriction(r, job.route.process_group);
    }
    if (status != OK) {
        return status;
    }
    return *job.route.process_group != '\0' ? run_remote(&job) : run_here(&job);
}

void wsgi_handler_register(void)
{
    ap_hook_handler(handle, NULL, NULL, APR_HOOK_MIDDLE);
}
