#ifndef WSGI_SCOPES_H
#define WSGI_SCOPES_H

#include "base/wsgi_model.h"

/**
 * Which of the settings that are made for some interpreters only apply to one of them. Pure.
 *
 * A scope is as specific as the number of its selectors, 0 to 2; the base is below all. Each setting is looked up
 * by itself: the most specific scope that matches and sets it wins, of equals the later one. Names are compared
 * literally.
 */

/** Who set a value: the base, a scope for all interpreters of the process, or one for this interpreter. */
typedef enum { WSGI_SET_BY_BASE, WSGI_SET_FOR_PROCESS, WSGI_SET_FOR_INTERPRETER } wsgi_set_by_t;

/** What applies to one interpreter. */
typedef struct {
    int per_interpreter_gil;
    int restrict_stdin, restrict_stdout, restrict_signal;
    double switch_interval; /* seconds; 0: nobody set it */
    wsgi_set_by_t switch_interval_by;
} wsgi_interp_options_t;

void wsgi_scopes_resolve(wsgi_interp_options_t *out, const wsgi_runtime_settings_t *settings,
                         const char *application_group);

/** Whether the process is to run without GIL: scopes for one interpreter have no say in that. */
int wsgi_scopes_free_threading(const wsgi_runtime_settings_t *settings);

/**
 * The lists of directories for sys.path, to be applied one after the other: the base first, the most specific last.
 * @param layer 0, 1, ...
 * @return NULL when there are no more
 */
const char *wsgi_scopes_python_path(const wsgi_runtime_settings_t *settings, const char *application_group, int layer);

/** Whether interpreters of a process group may get a GIL of their own, going by its settings. */
int wsgi_scopes_may_own_gil(const wsgi_runtime_settings_t *settings);

#endif
