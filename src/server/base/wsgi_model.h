#ifndef WSGI_MODEL_H
#define WSGI_MODEL_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <apr_time.h>
#include <sys/types.h>

#include "base/wsgi_fields.h"

/**
 * The nouns of the module as plain structs: where a request goes, what a group of processes is like, how Python is
 * to be set up. Read-only once made. Durations are microseconds, 0 meaning off, unless a field says otherwise.
 */

#define WSGI_MAIN_INTERPRETER "" /* name of the application group that is Python's main interpreter */
#define WSGI_EMBEDDED ""         /* name of the process group that means: in the Apache child */

/** Where one request goes and with which rules; all texts NUL terminated, never NULL unless said. */
typedef struct {
    const char *process_group;     /* expanded; "" = embedded */
    const char *application_group; /* expanded; "" = main interpreter */
    const char *callable_object;
    const char *script;            /* path of the file that is executed */
    const char *resource;          /* path Apache mapped the request to; the script itself unless a handler script */
    const char *handler;           /* Apache handler name, e.g. wsgi-script */
    int is_handler_script;         /* script was bound by WSGIHandlerScript */
    int script_reloading;
    /*
     * Of the script as Apache saw it for this request, microseconds; 0: not known. In embedded mode only: until a
     * worker takes the request others may have answered with newer code, which must not be followed by old code.
     */
    apr_time_t script_mtime;
    int ignore_activity;
    int enable_sendfile;
    int error_override;            /* used by the Apache child only */
    int pass_apache_request;       /* used in embedded mode only */
} wsgi_route_t;

/** A script to load when a process starts, before it serves. */
typedef struct {
    const char *script;
    const char *process_group;
    const char *application_group;
} wsgi_import_t;

/** A daemon process group as the administrator defined it (WSGIDaemonProcess). Absent numbers hold the default. */
typedef struct {
    const char *name;
    int id;                     /* 1-based position of the definition in the configuration */
    int server_index;           /* position of its virtual host in Apache's list of servers; 0 = main */
    const char *server_hostname;/* ServerName of that host, NULL if none or main */
    const char *defined_at;     /* "file:line" for messages */

    /* identity */
    uid_t uid;
    gid_t gid;
    const char *user;           /* login name of uid, NULL if it has none */
    const gid_t *supplementary; /* NULL: those of the user */
    int supplementary_count;
    int umask;                  /* -1: inherited */
    const char *chroot;         /* NULL: none */
    const char *home;           /* working directory; NULL: see user_home */
    int change_to_user_home;    /* uid differs from Apache's user and no home= was given */
    const char *script_user;    /* required owner of scripts, NULL: any */
    const char *script_group;

    /* size */
    int processes;              /* most there are at once, but for those that replace others */
    int minimum_processes;      /* fewest; less than `processes`: their number follows the load */
    int processes_given;        /* their number was written, even as 1: wsgi.multiprocess */
    int threads;                /* 0: service mode */
    apr_size_t stack_size;      /* bytes, 0: system default */
    int cpu_priority;           /* 0: unchanged */
    apr_int64_t memory_limit, virtual_memory_limit; /* bytes, 0: off */

    /* environment of Python */
    const char *lang, *locale;
    const char *python_home, *python_path, *python_eggs; /* NULL: none */
    double switch_interval;     /* seconds, 0: Python's */
    const char *display_name;   /* expanded; NULL: unchanged */

    /* listener */
    int listen_backlog;
    uid_t socket_uid;           /* owner of the socket file */
    int send_buffer_size, receive_buffer_size; /* bytes, 0: system */
    apr_interval_time_t connect_timeout;
    apr_interval_time_t socket_timeout; /* 0: Apache's Timeout */
    apr_interval_time_t queue_timeout;

    /* relay */
    apr_size_t header_buffer_size;      /* longest response header accepted, bytes */
    apr_size_t response_buffer_size;    /* flush after so many bytes */
    apr_size_t request_buffer_size;     /* bodies up to this are collected before the hand-over; 0: relay at once */
    apr_interval_time_t response_flush_delay;
    apr_interval_time_t response_socket_timeout; /* 0: socket_timeout */

    /* life */
    apr_int64_t maximum_requests, maximum_requests_jitter;
    apr_int64_t maximum_rss;    /* bytes of resident memory from which a process is replaced, 0: off */
    apr_interval_time_t restart_interval_jitter;
    apr_interval_time_t restart_interval, inactivity_timeout, request_timeout, interrupt_timeout;
    apr_interval_time_t deadlock_timeout, startup_timeout, graceful_timeout, eviction_timeout, shutdown_timeout;
    apr_interval_time_t cpu_time_limit;
    int reload_fallback_old;    /* a changed script that cannot be loaded: the code loaded before goes on */
    int stop_first;             /* planned replacement: the old process ends before the new one starts */
    int preload;                /* workers are forked from a template that has loaded the scripts */
    int server_metrics;
} wsgi_group_t;

/** Value of a flag of wsgi_scope_t that nobody set. */
#define WSGI_INHERIT (-1)

/**
 * What may be set for some interpreters only: by <WSGIInterpreterOptions>, or at top level for all of them.
 * wsgi_scopes.h tells what applies to which.
 */
typedef struct {
    const char *process_group;     /* "" = embedded; NULL: any */
    const char *application_group; /* "" = main interpreter; NULL: any */
    const char *defined_at;        /* "file:line"; NULL at top level */
    const char *python_path;       /* dir[:dir...]; NULL: not set */
    double switch_interval;        /* seconds; 0: not set */
    int per_interpreter_gil;       /* flags: 0, 1, WSGI_INHERIT */
    int free_threading;
    int restrict_stdin, restrict_stdout, restrict_signal;
} wsgi_scope_t;

/** How Python is set up in one process. Made by the host from its configuration; see wsgi_bridge.h. */
typedef struct {
    const char *process_group;  /* "" in an Apache child */
    const char *python_home;    /* NULL: Python decides; PREFIX or PREFIX:EXEC_PREFIX */
    const char *python_eggs;    /* NULL: none */
    const char *home;           /* first on sys.path; NULL in an Apache child */
    int set_user_environment;   /* HOME, USER ... in os.environ; daemons only */
    int optimize;               /* 0, 1, 2 */
    int dont_write_bytecode;
    const apr_array_header_t *warnings; /* const char *, -W syntax */
    int hash_seed_given;
    unsigned long hash_seed;    /* used if given; else random */
    wsgi_scope_t base;          /* without selectors, every flag set: what applies unless `scopes` say otherwise */
    const apr_array_header_t *scopes; /* wsgi_scope_t, in the order of the configuration; NULL: none */
    int destroy_interpreter;
    apr_interval_time_t join_timeout; /* stop(): wait so long for threads that are no daemons; 0: for ever */
    int case_sensitive;
    int is_service;             /* threads=0 daemon */
    int is_single_process;      /* Apache runs as one process (httpd -X): leave stdin and stdout alone */

    int multithread, multiprocess, run_once; /* wsgi.* */
    int maximum_processes, threads_per_process;
    int mpm_processes, mpm_threads;          /* attributes of module apache */
    int apache_version[3];
    const char *apache_description, *apache_build_date, *mpm_name;
} wsgi_runtime_settings_t;

#endif
