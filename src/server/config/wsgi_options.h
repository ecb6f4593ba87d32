#ifndef WSGI_OPTIONS_H
#define WSGI_OPTIONS_H

#include "config/wsgi_config.h"

/**
 * Lists of name=value options as tables: what a value looks like, where it goes, and one loop that reads them and
 * says what is wrong in one form of words.
 */
typedef enum {
    WSGI_OPT_TEXT,         /* const char *: anything */
    WSGI_OPT_NAME,         /* const char *: not empty */
    WSGI_OPT_SCOPE,        /* const char *: not empty; %{GLOBAL} is stored as "" */
    WSGI_OPT_PATH,         /* const char *: absolute path */
    WSGI_OPT_FLAG,         /* int: On or Off */
    WSGI_OPT_INT,          /* int: min to max */
    WSGI_OPT_INT64,        /* apr_int64_t: min to max */
    WSGI_OPT_SIZE,         /* apr_size_t, bytes: min to max */
    WSGI_OPT_BUFFER,       /* apr_size_t, bytes: 0 (default), or min to max */
    WSGI_OPT_BUFFER_INT,   /* int, bytes: 0 (default), or min to max */
    WSGI_OPT_OCTAL,        /* int: 0 to max */
    WSGI_OPT_SECONDS,      /* apr_interval_time_t */
    WSGI_OPT_MILLISECONDS, /* apr_interval_time_t */
    WSGI_OPT_REAL,         /* double: above min */
    WSGI_OPT_USER,         /* wsgi_account_t: name or #uid */
    WSGI_OPT_USER_BUT_ROOT,/* the same, but not uid 0 */
    WSGI_OPT_GROUP,        /* wsgi_account_t: name or #gid */
    WSGI_OPT_GROUPS,       /* apr_array_header_t * of gid_t: names or #gids, separated by commas */
    WSGI_OPT_FALLBACK,     /* int: old (1) or none (0) */
    WSGI_OPT_REPLACE,      /* int: stop-first (1) or start-first (0) */
    WSGI_OPT_SPAN          /* wsgi_span_t: N or LOW:HIGH, each min to max */
} wsgi_option_type_t;

#define WSGI_NO_LIMIT APR_INT64_MAX

typedef struct {
    const char *name;
    wsgi_option_type_t type;
    apr_size_t offset; /* of the field in the record */
    apr_int64_t min, max;
} wsgi_option_t;

/**
 * Read a whole list into a record. A repeated option: the last one counts.
 * @param table     ends with a row without name
 * @param directive for messages
 * @param given     receives the options as written; NULL: nobody wants to know
 * @return NULL, or the error for Apache to print
 */
const char *wsgi_options_read(void *record, apr_table_t *given, const wsgi_option_t *table, const char *line,
                              const char *directive, apr_pool_t *pconf);

extern const wsgi_option_t wsgi_options_group[];   /* record: wsgi_definition_t */
extern const wsgi_option_t wsgi_options_alias[];   /* record: wsgi_binding_t */
extern const wsgi_option_t wsgi_options_handler[]; /* record: wsgi_binding_t */
extern const wsgi_option_t wsgi_options_import[];  /* record: wsgi_import_t */
extern const wsgi_option_t wsgi_options_callout[]; /* record: wsgi_callout_script_t */

#endif
