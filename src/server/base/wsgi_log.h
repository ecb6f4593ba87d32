#ifndef WSGI_LOG_H
#define WSGI_LOG_H

#include <apr_errno.h>

/**
 * Where a message goes, seen from code that knows no web server: a level, perhaps a number, and a text are handed
 * to a sink that the host lends. Inside Apache the sink ends in ap_log_error or ap_log_rerror.
 */

/* Same order and values as syslog and Apache's APLOG_*; only those the module uses. */
typedef enum {
    WSGI_LOG_ALERT = 1,
    WSGI_LOG_CRIT = 2,
    WSGI_LOG_ERR = 3,
    WSGI_LOG_WARNING = 4,
    WSGI_LOG_INFO = 6,
    WSGI_LOG_DEBUG = 7,
    WSGI_LOG_TRACE1 = 8
} wsgi_log_level_t;

/**
 * Prefix of a numbered message: WSGI_LOGNO(0116) "Unable to ..." is "WSGI0116: Unable to ...".
 * Warning and above carry one; info and below do not. Numbers are part of the interface.
 */
#define WSGI_LOGNO(number) "WSGI" #number ": "

typedef struct {
    wsgi_log_level_t level;
    const char *file;    /* source file of the caller, never NULL */
    int line;            /* its line */
    apr_status_t status; /* APR_SUCCESS, or the error Apache shows before the text */
    const char *text;    /* UTF-8, one line, NUL terminated */
    int plain;           /* text goes out as it is: no `[script ...]` prefix in request scope */
} wsgi_record_t;

/**
 * A sink. Any thread may call it, without the GIL.
 * write: log one record. enabled: whether a record of that level would be kept, so that texts need not be made.
 */
typedef struct {
    void (*write)(void *context, const wsgi_record_t *record);
    int (*enabled)(void *context, wsgi_log_level_t level);
    void *context;
} wsgi_log_sink_t;

/** The request a daemon's message belongs to, as its Apache child described it. Texts may be NULL. */
typedef struct {
    int generation;            /* of the configuration that server_index counts in */
    int server_index;          /* virtual host, position in Apache's list of servers */
    int client_port;           /* shown behind the address */
    const char *client;        /* address shown as [client ...] */
    const char *request_id;    /* %L */
    const char *connection_id; /* %{c}L */
    const char *resource;      /* mapped file, for the `[script ...]` prefix */
} wsgi_origin_t;

/** A sink for messages of requests whose request_rec lives in another process. Any thread. */
typedef struct {
    void (*write)(void *context, const wsgi_origin_t *origin, const wsgi_record_t *record);
    int (*enabled)(void *context, const wsgi_origin_t *origin, wsgi_log_level_t level);
    void *context;
} wsgi_origin_sink_t;

/* Used as the two position arguments: wsgi_log(sink, WSGI_HERE, WSGI_LOG_INFO, 0, "..."). */
#define WSGI_HERE __FILE__, __LINE__

#if defined(__GNUC__)
#define WSGI_PRINTF(string_index, first) __attribute__((format(printf, string_index, first)))
#else
#define WSGI_PRINTF(string_index, first)
#endif

/**
 * Format a message and hand it to the sink, if the sink wants that level.
 * Text beyond 8191 bytes is cut. Formatting is that of apr_vsnprintf.
 */
void wsgi_log(const wsgi_log_sink_t *sink, const char *file, int line, wsgi_log_level_t level, apr_status_t status,
              const char *format, ...) WSGI_PRINTF(6, 7);

#endif
