#include "httpd/wsgi_callback.h"

#include <http_ssl.h>

#include "httpd/wsgi_hostlog.h"
#include "httpd/wsgi_local.h"
#include "httpd/wsgi_resolve.h"
#include "httpd/wsgi_startup.h"
#include "httpd/wsgi_vars.h"

#define NO_INTERPRETER "The interpreter '%s' is not available in this process for '%s', the script of "

/* Formats for the name of the interpreter and the path of the script. */
static const char *const unavailable[WSGI_ASK_COUNT] = {
    [WSGI_ASK_ACCESS] = WSGI_LOGNO(0054) NO_INTERPRETER "WSGIAccessScript.",
    [WSGI_ASK_PASSWORD] = WSGI_LOGNO(0042) NO_INTERPRETER "WSGIAuthUserScript.",
    [WSGI_ASK_HASH] = WSGI_LOGNO(0045) NO_INTERPRETER "WSGIAuthUserScript.",
    [WSGI_ASK_GROUPS] = WSGI_LOGNO(0048) NO_INTERPRETER "WSGIAuthGroupScript.",
    [WSGI_ASK_DISPATCH] = WSGI_LOGNO(0086) NO_INTERPRETER "WSGIDispatchScript.",
};

static const char *look_up_tls(void *context, const char *name)
{
    request_rec *r = context;

    return ap_ssl_var_lookup(r->pool, r->server, r->connection, r, name);
}

wsgi_answer_t wsgi_callback_ask(wsgi_question_t *question, request_rec *r, const wsgi_callout_script_t *script)
{
    const wsgi_dir_config_t *config = wsgi_dir_config(r);
    const wsgi_tls_t tls = { ap_ssl_conn_is_ssl(r->connection), look_up_tls, r };
    wsgi_answer_t answer = WSGI_ANSWER_UNAVAILABLE;
    wsgi_runtime_t *runtime;
    const wsgi_bridge_t *bridge = wsgi_startup_python(&runtime);
    wsgi_fields_t variables;
    wsgi_local_t local;

    question->script = script->script;
    question->application_group = wsgi_resolve_callout_group(r, script->application_group);
    question->script_reloading = config->script_reloading != WSGI_OFF;
    question->apache_request = config->pass_apache_request == WSGI_ON ? r : NULL;
    question->preq = r->pool;
    if (question->variables == NULL) {
        wsgi_vars_build_early(&variables, r);
        question->variables = &variables;
        question->tls = &tls;
    }
    if (bridge != NULL) {
        wsgi_local_init(&local, r, 0);
        wsgi_startup_enter_request();
        answer = bridge->ask(runtime, question, &local.base);
        wsgi_startup_leave_request();
    }
    if (answer == WSGI_ANSWER_UNAVAILABLE) {
        wsgi_hostlog_say(r, WSGI_HERE, WSGI_LOG_ERR, 0, unavailable[question->kind], question->application_group,
                         question->script);
    }
    return answer;
}
