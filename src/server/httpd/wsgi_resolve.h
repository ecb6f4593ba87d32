#ifndef WSGI_RESOLVE_H
#define WSGI_RESOLVE_H

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

/** The options that override directives for this request, NULL when it came by no alias and no handler script. */
const wsgi_binding_t *wsgi_resolve_binding(const request_rec *r, const wsgi_handler_script_t *handler);

#endif
