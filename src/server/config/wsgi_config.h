#ifndef WSGI_CONFIG_H
#define WSGI_CONFIG_H

#include <httpd.h>

#include <apr_hash.h>
#include <http_config.h>

#include "base/wsgi_model.h"
#include "base/wsgi_proxy.h"

/**
 * What the administrator wrote. Three scopes: wsgi_dir_config_t for everything that can differ from request to
 * request, wsgi_server_config_t for the aliases of a virtual host, wsgi_setup_t for what exists once. All of it is
 * made while Apache reads its files and is read-only after post_config; it lives in pconf (.htaccess: in the request).
 */
extern module AP_MODULE_DECLARE_DATA wsgi_module;

/* Values of a flag nobody set, and of WSGIMapHEADToGET. */
enum { WSGI_UNSET = -1, WSGI_OFF = 0, WSGI_ON = 1, WSGI_AUTO = 2 };

/** Options of an alias or handler that override directives; texts as written, NULL where absent. */
typedef struct {
    const char *process_group;
    const char *application_group;
    const char *callable_object;
    int pass_authorization; /* WSGI_UNSET where absent */
} wsgi_binding_t;

/** WSGIScriptAlias and WSGIScriptAliasMatch. */
typedef struct {
    const char *prefix;      /* URL path; NULL: see pattern */
    const ap_regex_t *pattern;
    const char *target;
    wsgi_binding_t binding;
} wsgi_alias_t;

/** WSGIHandlerScript: a script that serves an Apache handler name. */
typedef struct {
    const char *script;
    wsgi_binding_t binding;
} wsgi_handler_script_t;

/** A script with functions that Apache's own process calls. Its application group as written, NULL: not given. */
typedef struct {
    const char *script;
    const char *application_group;
} wsgi_callout_script_t;

/** Settings of a request; Apache merges main server, virtual host and sections. Texts as written, NULL: not set. */
typedef struct {
    const char *process_group;
    const char *application_group;
    const char *callable_object;
    const apr_array_header_t *restrict_process; /* const char *, %{GLOBAL} as ""; NULL: unrestricted */
    apr_hash_t *handler_scripts;                /* handler name to wsgi_handler_script_t; NULL: none */
    const wsgi_callout_script_t *dispatch_script, *access_script, *auth_user_script, *auth_group_script;
    wsgi_proxy_rules_t *proxy_rules;            /* WSGITrustedProxies*, NULL: none */
    int pass_authorization;
    int pass_apache_request;
    int script_reloading;
    int error_override;
    int chunked_request;
    int map_head_to_get; /* WSGI_ON, WSGI_OFF, WSGI_AUTO */
    int ignore_activity;
    int enable_sendfile;
} wsgi_dir_config_t;

/** A user or group as an option named it. */
typedef struct {
    int is_given;
    unsigned long id;
    const char *name;
} wsgi_account_t;

/** A number, or a range of numbers. 0: not given. */
typedef struct {
    int low, high;
} wsgi_span_t;

/** WSGIDaemonProcess. `group` is complete after wsgi_groups_resolve(). */
typedef struct {
    wsgi_group_t group;
    wsgi_account_t user, user_group, socket_user, script_user, script_group;
    apr_array_header_t *supplementary; /* gid_t, NULL: not given */
    wsgi_span_t processes;             /* processes= */
    int minimum_processes, maximum_processes; /* 0: not given */
    apr_table_t *options;              /* as given, to tell a clone from a contradiction */
    apr_array_header_t *servers;       /* server_rec *: virtual hosts that define it, all alike */
    const char *cloned_at;             /* "file:line" of the latest clone, NULL none */
} wsgi_definition_t;

/** A directive that names a process group, for the check at start. */
typedef struct {
    const char *group; /* NULL: a variable or a dispatch script, any group that may be used there */
    const server_rec *server; /* where the directive stands */
    const char *directive;
    const char *place; /* "file:line" */
} wsgi_mention_t;

/** A directive that is accepted but does nothing. */
typedef struct {
    const char *directive;
    const char *place;
    const char *why; /* completes "... has no effect: " */
    int is_current;  /* still documented; else known from old configuration files only */
} wsgi_relic_t;

enum { WSGI_REPORT_USER_AGENT = 1u }; /* flags of WSGITelemetryOptions */

/** Metrics and telemetry. Times in seconds. */
typedef struct {
    int server_metrics;
    const char *socket;    /* path of the receiver, NULL: no telemetry */
    double interval;
    unsigned options;      /* WSGI_REPORT_* */
    int reports_slow;
    double slow_threshold; /* 0: every request */
} wsgi_reporting_t;

/** What exists once per configuration. */
typedef struct {
    wsgi_runtime_settings_t python; /* of embedded mode; the part that daemons share is copied for each */
    const char *python_home_place;  /* "file:line" of WSGIPythonHome, NULL: not given */
    const char *socket_prefix;      /* absolute, NULL: default */
    int socket_rotation;
    int restrict_embedded;
    apr_array_header_t *definitions; /* wsgi_definition_t *, in configuration order */
    apr_hash_t *definition_by_name;
    apr_array_header_t *imports;     /* wsgi_import_t */
    int needs_embedded;              /* a directive needs Python in Apache's children, even if restricted */
    apr_array_header_t *mentions;    /* wsgi_mention_t */
    apr_array_header_t *relics;      /* wsgi_relic_t */
    apr_array_header_t *pending;     /* const char *: directives whose effect a later release brings */
    wsgi_reporting_t reporting;
    wsgi_scope_t *open_scope;        /* the section that is being read; NULL: none */
} wsgi_setup_t;

/** Settings of a virtual host that are not per request. */
typedef struct {
    wsgi_setup_t *setup;         /* shared by all servers */
    apr_array_header_t *aliases; /* wsgi_alias_t, those of the virtual host first */
    int index;                   /* position in Apache's list of servers; set in post_config */
} wsgi_server_config_t;

/* Module record entries; see wsgi_merge.c and wsgi_directives.c. */
void *wsgi_config_create_dir(apr_pool_t *pconf, char *dir);
void *wsgi_config_merge_dir(apr_pool_t *pool, void *base, void *added);
void *wsgi_config_create_server(apr_pool_t *pconf, server_rec *s);
void *wsgi_config_merge_server(apr_pool_t *pconf, void *base, void *added);
extern const command_rec wsgi_directives[];

static inline wsgi_dir_config_t *wsgi_dir_config(const request_rec *r)
{
    return ap_get_module_config(r->per_dir_config, &wsgi_module);
}

static inline wsgi_server_config_t *wsgi_server_config(const server_rec *s)
{
    return ap_get_module_config(s->module_config, &wsgi_module);
}

#endif
