#include "config/wsgi_sections.h"

#include <apr_strings.h>
#include <http_core.h>
#include <string.h>
#include <strings.h>

#include "base/wsgi_parse.h"

/* What may stand in the section. */
static const char *const permitted[] = {
    "WSGIPerInterpreterGIL", "WSGIFreeThreading",  "WSGISwitchInterval", "WSGIPythonPath",
    "WSGIRestrictStdin",     "WSGIRestrictStdout", "WSGIRestrictSignal",
};
enum { PERMITTED = sizeof(permitted) / sizeof(permitted[0]) };

static wsgi_setup_t *setup_of(const cmd_parms *cmd)
{
    return wsgi_server_config(cmd->server)->setup;
}

/* ---- directives in the section or at top level ---- */

static void *field_of(const cmd_parms *cmd)
{
    wsgi_setup_t *setup = setup_of(cmd);
    wsgi_scope_t *scope = setup->open_scope != NULL ? setup->open_scope : &setup->python.base;

    return (char *)scope + (apr_size_t)cmd->info;
}

const char *wsgi_sections_flag(cmd_parms *cmd, void *dir, int flag)
{
    const char *error = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    (void)dir;
    if (error == NULL) {
        *(int *)field_of(cmd) = flag;
    }
    return error;
}

const char *wsgi_sections_text(cmd_parms *cmd, void *dir, const char *text)
{
    const char *error = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    (void)dir;
    if (error == NULL) {
        *(const char **)field_of(cmd) = text;
    }
    return error;
}

const char *wsgi_sections_seconds(cmd_parms *cmd, void *dir, const char *word)
{
    const char *error = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    (void)dir;
    if (error == NULL && !wsgi_parse_real(field_of(cmd), word, 0)) {
        error = apr_psprintf(cmd->pool, "%s cannot be '%s': a number of seconds greater than 0 is expected",
                             cmd->cmd->name, word);
    }
    return error;
}

/* ---- the section ---- */

static const char *select_one(const cmd_parms *cmd, wsgi_scope_t *scope, const char *key, const char *value)
{
    const char **selector = strcasecmp(key, "process-group") == 0       ? &scope->process_group
                            : strcasecmp(key, "application-group") == 0 ? &scope->application_group
                                                                        : NULL;

    if (selector == NULL) {
        return apr_psprintf(cmd->pool, "%s>: there is no key '%s' that could be '%s'; known are: process-group, "
                                       "application-group",
                            cmd->cmd->name, key, value);
    }
    if (*selector != NULL) {
        return apr_psprintf(cmd->pool, "%s>: key '%s' is given twice, the second time as '%s'; once is allowed",
                            cmd->cmd->name, key, value);
    }
    *selector = strcmp(value, "%{GLOBAL}") == 0 ? "" : value;
    return NULL;
}

static const char *select_all(const cmd_parms *cmd, wsgi_scope_t *scope, const char *line)
{
    const char *key, *value, *error;
    int taken;

    while ((taken = wsgi_parse_option(&key, &value, &line, cmd->pool)) == 1) {
        error = select_one(cmd, scope, key, value);
        if (error != NULL) {
            return error;
        }
    }
    if (taken < 0) {
        return apr_psprintf(cmd->pool, "%s>: '%s' is not of the form key=value; allowed are process-group=NAME and "
                                       "application-group=NAME",
                            cmd->cmd->name, key);
    }
    return NULL;
}

static int is_permitted(const char *directive)
{
    for (int i = 0; i < PERMITTED; i++) {
        if (strcasecmp(directive, permitted[i]) == 0) {
            return 1;
        }
    }
    return 0;
}

static const char *list_permitted(apr_pool_t *pool)
{
    const char *list = permitted[0];

    for (int i = 1; i < PERMITTED; i++) {
        list = apr_pstrcat(pool, list, ", ", permitted[i], NULL);
    }
    return list;
}

/* Apache would let anything be used here that may be used at top level. */
static const char *check_content(const cmd_parms *cmd)
{
    const ap_directive_t *inner;

    for (inner = cmd->directive->first_child; inner != NULL; inner = inner->next) {
        if (!is_permitted(inner->directive)) {
            return apr_psprintf(cmd->pool, "%s%s at %s:%d cannot be used in %s>; allowed are: %s", inner->directive,
                                inner->directive[0] == '<' ? ">" : "", inner->filename, inner->line_num,
                                cmd->cmd->name, list_permitted(cmd->pool));
        }
    }
    return NULL;
}

/* The text before the closing bracket. @return NULL when there is none, or something behind it */
static const char *without_bracket(const char *arguments, apr_pool_t *pool)
{
    const char *end = strrchr(arguments, '>');

    return end != NULL && end[1] == '\0' ? apr_pstrmemdup(pool, arguments, (apr_size_t)(end - arguments)) : NULL;
}

const char *wsgi_sections_read(cmd_parms *cmd, void *dir, const char *arguments)
{
    wsgi_setup_t *setup = setup_of(cmd);
    const char *error = ap_check_cmd_context(cmd, GLOBAL_ONLY), *selectors = without_bracket(arguments, cmd->pool);
    wsgi_scope_t scope = { .per_interpreter_gil = WSGI_INHERIT,
                           .free_threading = WSGI_INHERIT,
                           .restrict_stdin = WSGI_INHERIT,
                           .restrict_stdout = WSGI_INHERIT,
                           .restrict_signal = WSGI_INHERIT };

    (void)dir;
    if (error == NULL && selectors == NULL) {
        error = apr_psprintf(cmd->pool, "%s %s: the line does not end with '>'", cmd->cmd->name, arguments);
    }
    if (error == NULL) {
        error = select_all(cmd, &scope, selectors);
    }
    if (error == NULL) {
        error = check_content(cmd);
    }
    if (error == NULL) {
        scope.defined_at = apr_psprintf(cmd->pool, "%s:%d", cmd->directive->filename, cmd->directive->line_num);
        setup->open_scope = &scope;
        error = ap_walk_config(cmd->directive->first_child, cmd, cmd->context);
        setup->open_scope = NULL;
    }
    if (error == NULL) {
        /* ours while we read */
        APR_ARRAY_PUSH((apr_array_header_t *)setup->python.scopes, wsgi_scope_t) = scope;
    }
    return error;
}
