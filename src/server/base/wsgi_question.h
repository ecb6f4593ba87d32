#ifndef WSGI_QUESTION_H
#define WSGI_QUESTION_H

#include <apr_pools.h>
#include <apr_tables.h>

#include "base/wsgi_fields.h"

/**
 * Questions that Apache's own process puts to functions of a script, outside of WSGI: who may come in, who a user is,
 * which groups a user belongs to, where a request goes.
 */

/** Which functions are called. `environ` is the first argument everywhere. */
typedef enum {
    WSGI_ASK_ACCESS,   /* allow_access(environ, host): a verdict */
    WSGI_ASK_PASSWORD, /* check_password(environ, user, password): a verdict, or texts[0], the name from now on */
    WSGI_ASK_HASH,     /* get_realm_hash(environ, user, realm): texts[0], hexadecimal MD5 of user:realm:password */
    WSGI_ASK_GROUPS,   /* groups_for_user(environ, user): groups */
    WSGI_ASK_DISPATCH, /* process_group(environ), application_group(environ), callable_object(environ): texts */
    WSGI_ASK_COUNT
} wsgi_ask_t;

enum { WSGI_ANSWER_TEXTS = 3 };

typedef enum {
    WSGI_ANSWER_YES,        /* True, or something was found */
    WSGI_ANSWER_NO,         /* False */
    WSGI_ANSWER_NONE,       /* None: no opinion, not known */
    WSGI_ANSWER_ERROR,      /* no function, an exception, a result that is not allowed; logged */
    WSGI_ANSWER_NO_SCRIPT,  /* the script could not be loaded; logged */
    WSGI_ANSWER_UNAVAILABLE /* no Python or no interpreter; the one who asks logs it */
} wsgi_answer_t;

/** What a script may ask in turn about the connection of the client. Valid while the script runs. */
typedef struct {
    int is_https;
    /** A variable of mod_ssl, NULL when there is none. Called without the GIL, by one thread at a time. */
    const char *(*look_up)(void *context, const char *name);
    void *context;
} wsgi_tls_t;

/** One question with its answer. Texts are NUL terminated bytes, which Python sees as Latin-1. */
typedef struct {
    wsgi_ask_t kind;
    const char *script;
    const char *application_group; /* "" = main interpreter */
    int script_reloading;
    const wsgi_fields_t *variables;
    const char *arguments[2];      /* behind environ; NULL from where there are no more */
    void *apache_request;          /* request_rec * for apache.request_rec, NULL: not passed */
    const wsgi_tls_t *tls;         /* for mod_ssl.is_https and mod_ssl.var_lookup, NULL: not passed */
    apr_pool_t *preq;              /* for what comes back; nobody else uses it meanwhile */

    const char *texts[WSGI_ANSWER_TEXTS]; /* by function, NULL where it said nothing */
    const apr_array_header_t *groups;     /* const char * */
} wsgi_question_t;

#endif
