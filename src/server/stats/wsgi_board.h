#ifndef WSGI_BOARD_H
#define WSGI_BOARD_H

#include <apr_errno.h>
#include <apr_time.h>
#include <sys/types.h>

/**
 * The board of one process group: anonymous shared memory made by the Apache parent together with the group's
 * listener and kept as long as that, across graceful restarts. Says which worker runs which request, and what
 * became of workers that are gone. One writer per field, no locks; readers take snapshots.
 *
 * Everything a daemon can write here is untrusted input to Apache: indexes are checked against the sizes the
 * reader's own process knows (constant copies outside the shared memory), never against what the memory says.
 *
 * Who may call: wsgi_board_parent_* Apache's parent; wsgi_board_keeper_* the group's keeper;
 * wsgi_board_slot_* the worker that owns the slot; wsgi_board_read_* anybody.
 */
typedef struct wsgi_board_t wsgi_board_t;

typedef enum {
    WSGI_WORKER_NONE = 0, /* slot is free */
    WSGI_WORKER_STARTING, /* forked, loading */
    WSGI_WORKER_READY,    /* accepts requests */
    WSGI_WORKER_RETIRING, /* accepts nothing more, finishes what it has */
    WSGI_WORKER_GONE      /* reaped; `status` says how it ended; reused last */
} wsgi_worker_state_t;

typedef struct {
    wsgi_worker_state_t state;
    pid_t pid;
    int status;             /* as of waitpid, once state is GONE */
    apr_uint64_t culprit;   /* token of the request whose thread a fatal signal hit, 0: none or unknown */
    int generation;         /* Apache configuration generation it belongs to */
    apr_time_t started;     /* microseconds since the epoch */
    apr_time_t ended;
} wsgi_worker_snapshot_t;

/** `slots` worker slots (at least twice the processes, so that a dead worker's record outlives its successor). */
apr_status_t wsgi_board_parent_create(wsgi_board_t **out, int slots, int threads);
void wsgi_board_parent_destroy(wsgi_board_t *board); /* unmaps; other processes keep theirs */

/** Whether its shared memory begins in that range of addresses. */
int wsgi_board_lies_in(const wsgi_board_t *board, const void *start, const void *end);

int wsgi_board_slots(const wsgi_board_t *board);
int wsgi_board_threads(const wsgi_board_t *board);

/** Take the free or longest-gone slot for a worker about to be forked. @return its index, -1 when all are alive */
int wsgi_board_keeper_take(wsgi_board_t *board, int generation);
void wsgi_board_keeper_started(wsgi_board_t *board, int slot, pid_t pid);
void wsgi_board_keeper_state(wsgi_board_t *board, int slot, wsgi_worker_state_t state);
void wsgi_board_keeper_ended(wsgi_board_t *board, int slot, int status);
/** The first worker of this generation is ready: older generations may retire. */
void wsgi_board_keeper_generation_ready(wsgi_board_t *board, int generation);

/**
 * A worker is ready that loaded the scripts as they were at `since` (monotonic) or later: workers born before that
 * are about to be retired and must not serve a script that they find changed.
 */
void wsgi_board_keeper_fresh(wsgi_board_t *board, apr_time_t since);
apr_time_t wsgi_board_read_fresh(const wsgi_board_t *board);

/** Forget workers that ended unseen, because their keeper was killed. */
void wsgi_board_keeper_sweep(wsgi_board_t *board);

enum {
    WSGI_BOARD_SCRIPTS = 16,    /* remembered per group */
    WSGI_BOARD_TEXT = 1024      /* longest application group and script together with their NULs, bytes */
};

/** What a worker ran, so that the workers of the next configuration can load it before they serve. */
typedef struct {
    char text[WSGI_BOARD_TEXT]; /* application group, NUL, script, NUL */
} wsgi_board_script_t;

/** A worker of `generation` ran a script. Nothing happens when the texts are too long or there is no more room. */
void wsgi_board_keeper_remember(wsgi_board_t *board, int generation, const char *application_group,
                                const char *script);

/**
 * What the last generation before `generation` that ran anything has run. May hold what a daemon wrote there: two
 * texts that end within their bounds, nothing else is certain.
 * @param out room for WSGI_BOARD_SCRIPTS
 * @return how many were filled in
 */
int wsgi_board_keeper_recall(const wsgi_board_t *board, int generation, wsgi_board_script_t *out);

/** The script of a remembered one, behind its application group. */
const char *wsgi_board_script_path(const wsgi_board_script_t *remembered);

/**
 * Whether a worker of a generation before `generation` is alive.
 * @param serving_only count those that start or accept requests, not those that finish
 */
int wsgi_board_read_older(const wsgi_board_t *board, int generation, int serving_only);

/**
 * A worker is about to answer with the code of a file, for which `stamp` stands (any number but 0 that differs from
 * version to version): others that have loaded another version know by it that theirs is not to be served any more.
 */
void wsgi_board_slot_publish(wsgi_board_t *board, apr_uint64_t stamp);
/** Whether that was published. Of very many, some may be forgotten. */
int wsgi_board_read_published(const wsgi_board_t *board, apr_uint64_t stamp);

/**
 * The same, where the version follows another one of the file that `file` (any number) stands for: from now on nobody
 * is to serve what was loaded before `when` (monotonic microseconds), whatever the file has become meanwhile. Two files
 * may share a place; then a worker may be replaced for nothing once its own file has changed.
 */
void wsgi_board_slot_publish_load(wsgi_board_t *board, apr_uint64_t file, apr_uint64_t stamp, apr_uint64_t when);
/** @return that moment, 0 when no version of the file has followed another */
apr_uint64_t wsgi_board_read_superseded(const wsgi_board_t *board, apr_uint64_t file);

/** A thread of the worker took the request `token` (never 0), or is done with it. */
void wsgi_board_slot_begin(wsgi_board_t *board, int slot, int thread, apr_uint64_t token);
void wsgi_board_slot_end(wsgi_board_t *board, int slot, int thread);

/** A fatal signal hit this thread: the request that it has is to blame. May be called in a signal handler. */
void wsgi_board_slot_crashed(wsgi_board_t *board, int slot, int thread);

/** The request that a thread has taken at `accepted` (microseconds since the epoch) had waited so long before. */
void wsgi_board_slot_waited(wsgi_board_t *board, int slot, int thread, apr_time_t accepted, apr_interval_time_t waited);

typedef struct {
    int busy;                   /* threads that have a request */
    apr_interval_time_t waited; /* the longest that a request taken since then had waited, microseconds */
} wsgi_load_t;

/** What the threads of a worker do, and what was seen of waiting since `since` (microseconds since the epoch). */
wsgi_load_t wsgi_board_read_load(const wsgi_board_t *board, int slot, apr_time_t since);

/**
 * Find the worker that took a request, also after its death.
 * @return 1 and a snapshot; 0 when no slot knows the token
 */
int wsgi_board_read_taker(const wsgi_board_t *board, apr_uint64_t token, wsgi_worker_snapshot_t *out);
int wsgi_board_read_worker(const wsgi_board_t *board, int slot, wsgi_worker_snapshot_t *out);
int wsgi_board_read_generation_ready(const wsgi_board_t *board);

#endif
