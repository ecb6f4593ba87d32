#ifndef WSGI_SCRIPT_H
#define WSGI_SCRIPT_H

#include <apr_time.h>
#include <pthread.h>
#include <stdatomic.h>

#include "bridge/wsgi_pystate.h"

/**
 * Script files as modules of one interpreter. Records are found without any lock, also without the GIL, and live as
 * long as the interpreter; the module itself lives in sys.modules. One lock per script is held while it is loaded,
 * so that other scripts are not kept waiting.
 */
typedef struct wsgi_script_t {
    struct wsgi_script_t *next; /* constant once published */
    char *path;                 /* constant */
    _Atomic(PyObject *) module_name;      /* interned str, NULL until first needed; GIL */
    pthread_mutex_t loading;    /* taken without the GIL only */
    atomic_int loaded;          /* executed to its end; while it executes, sys.modules has an unfinished module */
    _Atomic apr_time_t mtime;   /* __mtime__ of the loaded module; 0: ask the module */
    atomic_int asks;            /* the module has reload_required() */
    atomic_int hop_by_hop;      /* a dropped response header was reported */
} wsgi_script_t;

#define WSGI_SCRIPT_BUCKETS 64

typedef struct {
    const wsgi_runtime_t *runtime; /* constant */
    pthread_mutex_t adding;        /* one writer; nothing else is taken while it is held */
    _Atomic(wsgi_script_t *) buckets[WSGI_SCRIPT_BUCKETS];
} wsgi_scripts_t;

int wsgi_scripts_init(wsgi_scripts_t *scripts, const wsgi_runtime_t *runtime);

/** Let Python objects go; GIL held. The records stay. */
void wsgi_scripts_clear(wsgi_scripts_t *scripts);
void wsgi_scripts_destroy(wsgi_scripts_t *scripts);

/** The record of a path, made on first use. GIL: either. @return NULL when out of memory */
wsgi_script_t *wsgi_script_find(wsgi_scripts_t *scripts, const char *path);

/** Modification time of the file in microseconds since the epoch, 0 if it cannot be examined. GIL: not held. */
apr_time_t wsgi_script_on_disk(const wsgi_script_t *script);

/**
 * Whether the script is loaded and can be seen to be unchanged without asking Python. GIL: either.
 * @param on_disk  as above; -1 when changes do not matter
 */
int wsgi_script_is_current(const wsgi_script_t *script, apr_time_t on_disk);

/** The loaded module. GIL: held. @return 1 and a new reference; 0 not loaded; -1 with an exception */
int wsgi_script_module(wsgi_interp_t *interp, wsgi_script_t *script, PyObject **module);

/**
 * Whether a loaded module is out of date: __mtime__ is missing or differs, or its reload_required(resource) says so.
 * GIL: held. Exceptions of reload_required are logged and count as unchanged.
 * @param resource  NULL: reload_required is not asked
 */
int wsgi_script_is_stale(wsgi_interp_t *interp, wsgi_script_t *script, PyObject *module, apr_time_t on_disk,
                         const char *resource);

/**
 * The script's module, loaded if it is not yet, or if what is loaded is the module `stale`. GIL: held; given away
 * while another thread loads the same script.
 * @return new reference; NULL after logging why
 */
PyObject *wsgi_script_load(wsgi_interp_t *interp, wsgi_call_t *call, wsgi_script_t *script, PyObject *stale);

/** True once per script: whether to report a response header that is not passed on. */
int wsgi_script_first_hop_by_hop(wsgi_script_t *script);

/** At the end of a request: have the next one look at __mtime__ if the application has changed it. GIL: held. */
void wsgi_script_review(wsgi_pystate_t *state, wsgi_script_t *script, PyObject *module);

#endif
