#ifndef WSGI_RESOLVE_H
#define WSGI_RESOLVE_H

#include "base/wsgi_question.h"
#include "config/wsgi_config.h"

/**
 * Where a request goes: directives, alias options and handler options with their variables (%{GLOBAL}, %{SERVER},
 * %{HOST}, %{RESOURCE}, %{ENV:name}) put in.
 * @param route       filled in; texts live as long as the request
 * @param handler     the handler script of the request, NULL for an ordinary one
 * @param script_name of the request, slashes collapsed
 */
void wsgi_resolve_route(wsgi_route_t *route, request_rec *r, const wsgi_handler_script_t *handler,
                        const char *script_name);

/**
 * The interpreter of a script that Apache's own process calls. Only %{GLOBAL}, %{SERVER} and %{HOST} are variables:
 * the environment of the request is not settled when such scripts run.
 * @param text as written, NULL: not given
 */
const char *wsgi_resolve_callout_group(request_rec *r, const char *text);

/** Put in the variables of what a dispatch script returned; NULL leaves the route as it is. */
void wsgi_resolve_dispatch(wsgi_route_t *route, request_rec *r, const char *const texts[WSGI_ANSWER_TEXTS],
                           const char *script_name);

/** The options that override directives for this request, NULL when it came by no alias and no handler script. */
const wsgi_binding_t *wsgi_resolve_binding(const request_rec *r, const wsgi_handler_script_t *handler);

#endif
