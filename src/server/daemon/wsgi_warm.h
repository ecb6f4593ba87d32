#ifndef WSGI_WARM_H
#define WSGI_WARM_H

#include "daemon/wsgi_control.h"
#include "daemon/wsgi_handover.h"

/**
 * The scripts that workers of a group have answered with: those that come after them load them before they serve. A
 * worker reports each once to its keeper, which keeps the list and remembers it on the board for the keeper of the next
 * generation. One thread uses a list.
 */
enum { WSGI_WARM_SCRIPTS = WSGI_BOARD_SCRIPTS };

typedef struct {
    wsgi_warm_script_t scripts[WSGI_WARM_SCRIPTS];
    int count;
    apr_pool_t *pool; /* of the texts */
} wsgi_warm_t;

/** Which version of a script's file a worker has loaded; `when` 0: none. */
typedef struct {
    apr_uint64_t stamp; /* another for every version */
    apr_uint64_t when;  /* monotonic time of its loading */
} wsgi_version_t;

/** What WSGI_CONTROL_LOADED says. */
typedef struct {
    wsgi_version_t version;
    const char *application_group, *script; /* never NULL */
} wsgi_report_t;

/**
 * The text of a report: version, blank, time (both hexadecimal), NUL, application group, NUL, script.
 * @param text room for WSGI_CONTROL_TEXT bytes
 * @return its length, 0 when it does not fit
 */
int wsgi_warm_encode(char *text, const wsgi_report_t *report);

/** @param report its texts point into the message @return 0 when the message is none, whatever its bytes */
int wsgi_warm_decode(wsgi_report_t *report, const wsgi_control_message_t *message);

/** @return the index of the script, -1 when there is no room for another or it is not an absolute path */
int wsgi_warm_add(wsgi_warm_t *warm, const char *application_group, const char *script);

/** Add what the last generation up to `generation` ran. */
void wsgi_warm_inherit(wsgi_warm_t *warm, const wsgi_board_t *board, int generation);

#endif
