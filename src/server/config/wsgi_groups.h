#ifndef WSGI_GROUPS_H
#define WSGI_GROUPS_H

#include "config/wsgi_config.h"

/** Daemon process groups as configuration: definition, clones, who may use which, and what is known only at the end. */

/**
 * Define a group, or recognise a clone of one. Tools that copy virtual hosts (for TLS, say) copy definitions too:
 * identical ones are one group, different ones under one name are an error.
 * @param options the rest of the directive
 * @return NULL, or the error for Apache to print
 */
const char *wsgi_groups_define(cmd_parms *cmd, const char *name, const char *options);

/** A group by its exact name, NULL if there is none. */
const wsgi_definition_t *wsgi_groups_find(const wsgi_setup_t *setup, const char *name);

/**
 * Whether requests that `server` handles may use the group: it was defined in the main server, in that virtual host,
 * or in one with the same ServerName.
 */
int wsgi_groups_is_accessible(const wsgi_definition_t *definition, const server_rec *server);

/** The same while the configuration is read, when a ServerName may yet be unknown. @return NULL, or the error */
const char *wsgi_groups_check_import(cmd_parms *cmd, const wsgi_setup_t *setup, const char *name);

/**
 * Fill in what is known once all files are read: identities (Apache's User and Group, where an option names no other)
 * and virtual hosts.
 * @param is_root whether identities can be changed; if not, options about them count for nothing
 */
void wsgi_groups_resolve(wsgi_setup_t *setup, server_rec *main_server, int is_root);

#endif
