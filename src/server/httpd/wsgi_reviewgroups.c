#include "httpd/wsgi_reviewgroups.h"

#include <apr_strings.h>
#include <http_log.h>
#include <string.h>

#include "base/wsgi_log.h"
#include "base/wsgi_nearest.h"
#include "config/wsgi_groups.h"

APLOG_USE_MODULE(wsgi);

/* How a group is used, from worst to best. */
typedef enum { UNUSED, NAMED_ELSEWHERE, USED } use_t;

/* ---- directives that name a group ---- */

/* "; did you mean 'x'?", or "" where no group has a similar name. */
static const char *suggestion(const wsgi_setup_t *setup, const char *name, apr_pool_t *ptemp)
{
    apr_array_header_t *known = apr_array_make(ptemp, setup->definitions->nelts, sizeof(const char *));
    const char *nearest;

    for (int i = 0; i < setup->definitions->nelts; i++) {
        APR_ARRAY_PUSH(known, const char *) =
            APR_ARRAY_IDX(setup->definitions, i, const wsgi_definition_t *)->group.name;
    }
    nearest = wsgi_nearest_name(known, name, ptemp);
    return nearest != NULL ? apr_psprintf(ptemp, " (did you mean '%s'?)", nearest) : "";
}

/* What a directive of the main server names is inherited by the virtual hosts, one of which may use the group. */
static int is_usable(const wsgi_definition_t *definition, const wsgi_mention_t *mention)
{
    return !mention->server->is_virtual || wsgi_groups_is_accessible(definition, mention->server);
}

static void review_mention(const wsgi_setup_t *setup, const wsgi_mention_t *mention, server_rec *s, apr_pool_t *ptemp)
{
    const wsgi_definition_t *definition;

    if (mention->group == NULL || *mention->group == '\0') {
        return;
    }
    definition = wsgi_groups_find(setup, mention->group);
    if (definition == NULL) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     WSGI_LOGNO(0281) "%s at %s names process group '%s', but no WSGIDaemonProcess defines it%s; "
                                      "requests for it will fail.",
                     mention->directive, mention->place, mention->group, suggestion(setup, mention->group, ptemp));
    } else if (!is_usable(definition, mention)) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     WSGI_LOGNO(0294) "%s at %s names process group '%s', which was defined at %s in a virtual host of "
                                      "another ServerName and cannot be used here; requests for it will fail.",
                     mention->directive, mention->place, mention->group, definition->group.defined_at);
    }
}

/* ---- groups ---- */

static int is_imported_into(const wsgi_setup_t *setup, const char *name)
{
    for (int i = 0; i < setup->imports->nelts; i++) {
        if (strcmp(APR_ARRAY_IDX(setup->imports, i, wsgi_import_t).process_group, name) == 0) {
            return 1;
        }
    }
    return 0;
}

static use_t use_of(const wsgi_setup_t *setup, const wsgi_definition_t *definition)
{
    use_t use = is_imported_into(setup, definition->group.name) ? USED : UNUSED;

    for (int i = 0; i < setup->mentions->nelts && use != USED; i++) {
        const wsgi_mention_t *mention = &APR_ARRAY_IDX(setup->mentions, i, wsgi_mention_t);
        int is_named = mention->group != NULL && strcmp(mention->group, definition->group.name) == 0;
        if ((is_named || mention->group == NULL) && is_usable(definition, mention)) {
            use = USED;
        } else if (is_named) {
            use = NAMED_ELSEWHERE;
        }
    }
    return use;
}

static void review_group(const wsgi_setup_t *setup, const wsgi_definition_t *definition, server_rec *s)
{
    switch (use_of(setup, definition)) {
    case UNUSED:
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     WSGI_LOGNO(0293) "Process group '%s', defined at %s, is not used: no WSGIProcessGroup, no option "
                                      "process-group and no import names it. Its processes are started nevertheless.",
                     definition->group.name, definition->group.defined_at);
        break;
    case NAMED_ELSEWHERE:
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     WSGI_LOGNO(0295) "No request can reach process group '%s', defined at %s: it is named in virtual "
                                      "hosts of another ServerName only. Its processes are started nevertheless.",
                     definition->group.name, definition->group.defined_at);
        break;
    case USED:
        break;
    }
}

void wsgi_reviewgroups(const wsgi_setup_t *setup, server_rec *main_server, apr_pool_t *ptemp)
{
    for (int i = 0; i < setup->mentions->nelts; i++) {
        review_mention(setup, &APR_ARRAY_IDX(setup->mentions, i, wsgi_mention_t), main_server, ptemp);
    }
    for (int i = 0; i < setup->definitions->nelts; i++) {
        review_group(setup, APR_ARRAY_IDX(setup->definitions, i, const wsgi_definition_t *), main_server);
    }
}
