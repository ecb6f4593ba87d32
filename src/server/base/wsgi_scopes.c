#include "base/wsgi_scopes.h"

#include <stddef.h>
#include <string.h>

enum { MOST_SPECIFIC = 2 };

static int count_scopes(const wsgi_runtime_settings_t *settings)
{
    return settings->scopes != NULL ? settings->scopes->nelts : 0;
}

static const wsgi_scope_t *scope_at(const wsgi_runtime_settings_t *settings, int index)
{
    return &APR_ARRAY_IDX(settings->scopes, index, const wsgi_scope_t);
}

static int specificity(const wsgi_scope_t *scope)
{
    return (scope->process_group != NULL) + (scope->application_group != NULL);
}

static int selects(const char *selector, const char *name)
{
    return selector == NULL || strcmp(selector, name) == 0;
}

/* application_group NULL: only scopes that do not ask for one. */
static int matches(const wsgi_scope_t *scope, const char *process_group, const char *application_group)
{
    return selects(scope->process_group, process_group)
           && (application_group != NULL ? selects(scope->application_group, application_group)
                                         : scope->application_group == NULL);
}

static int flag_of(const wsgi_scope_t *scope, size_t field)
{
    return *(const int *)(const void *)((const char *)scope + field);
}

static int resolve_flag(const wsgi_runtime_settings_t *settings, const char *application_group, size_t field)
{
    int value = flag_of(&settings->base, field), best = -1;

    for (int i = 0; i < count_scopes(settings); i++) {
        const wsgi_scope_t *scope = scope_at(settings, i);
        if (flag_of(scope, field) != WSGI_INHERIT && specificity(scope) >= best
            && matches(scope, settings->process_group, application_group)) {
            value = flag_of(scope, field);
            best = specificity(scope);
        }
    }
    return value;
}

static void resolve_switch_interval(wsgi_interp_options_t *out, const wsgi_runtime_settings_t *settings,
                                    const char *application_group)
{
    int best = -1;

    out->switch_interval = settings->base.switch_interval;
    out->switch_interval_by = WSGI_SET_BY_BASE;
    for (int i = 0; i < count_scopes(settings); i++) {
        const wsgi_scope_t *scope = scope_at(settings, i);
        if (scope->switch_interval > 0 && specificity(scope) >= best
            && matches(scope, settings->process_group, application_group)) {
            out->switch_interval = scope->switch_interval;
            out->switch_interval_by = scope->application_group != NULL ? WSGI_SET_FOR_INTERPRETER
                                                                       : WSGI_SET_FOR_PROCESS;
            best = specificity(scope);
        }
    }
}

void wsgi_scopes_resolve(wsgi_interp_options_t *out, const wsgi_runtime_settings_t *settings,
                         const char *application_group)
{
#define RESOLVE(flag) out->flag = resolve_flag(settings, application_group, offsetof(wsgi_scope_t, flag))
    RESOLVE(per_interpreter_gil);
    RESOLVE(restrict_stdin);
    RESOLVE(restrict_stdout);
    RESOLVE(restrict_signal);
#undef RESOLVE
    resolve_switch_interval(out, settings, application_group);
}

int wsgi_scopes_free_threading(const wsgi_runtime_settings_t *settings)
{
    return resolve_flag(settings, NULL, offsetof(wsgi_scope_t, free_threading));
}

const char *wsgi_scopes_python_path(const wsgi_runtime_settings_t *settings, const char *application_group, int layer)
{
    if (settings->base.python_path != NULL && layer-- == 0) {
        return settings->base.python_path;
    }
    for (int level = 0; level <= MOST_SPECIFIC; level++) {
        for (int i = 0; i < count_scopes(settings); i++) {
            const wsgi_scope_t *scope = scope_at(settings, i);
            if (scope->python_path != NULL && specificity(scope) == level
                && matches(scope, settings->process_group, application_group) && layer-- == 0) {
                return scope->python_path;
            }
        }
    }
    return NULL;
}

int wsgi_scopes_may_own_gil(const wsgi_runtime_settings_t *settings)
{
    int may = settings->base.per_interpreter_gil;

    for (int i = 0; !may && i < count_scopes(settings); i++) {
        const wsgi_scope_t *scope = scope_at(settings, i);
        int is_main = scope->application_group != NULL && strcmp(scope->application_group, WSGI_MAIN_INTERPRETER) == 0;
        may = scope->per_interpreter_gil == 1 && !is_main && selects(scope->process_group, settings->process_group);
    }
    return may;
}
