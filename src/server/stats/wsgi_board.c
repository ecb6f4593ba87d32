#include "stats/wsgi_board.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

/* In shared memory. Every field has one writer at a time: the keeper, or for `culprit` and tokens the worker. */
typedef struct {
    _Atomic int state;
    _Atomic int pid;
    _Atomic int status;
    _Atomic int generation;
    _Atomic apr_uint64_t culprit;
    _Atomic apr_int64_t started;
    _Atomic apr_int64_t ended;
} shared_slot_t;

/* What a thread said last of waiting; the two may be of different requests, which does no harm. */
typedef struct {
    _Atomic apr_int64_t accepted;
    _Atomic apr_int64_t waited;
} shared_wait_t;

typedef struct {
    _Atomic int generation_ready;
    _Atomic apr_int64_t fresh;
} shared_head_t;

/* Written by the keepers of two generations at once: whoever makes `version` odd may write, until it is even again. */
typedef struct {
    _Atomic unsigned version;
    _Atomic int generation; /* that ran it last; 0 in `version` means that the entry was never used */
    char text[WSGI_BOARD_TEXT];
} shared_script_t;

/* Of a file, at the place that its number gives as a remainder. */
typedef struct {
    _Atomic apr_uint64_t latest;     /* version that was published last for the first time */
    _Atomic apr_uint64_t superseded; /* loads before this moment are of another version */
} shared_file_t;

/* Versions of files whose numbers give the same remainder. */
typedef struct {
    _Atomic apr_uint64_t stamps[4]; /* 0: none */
    _Atomic unsigned oldest;        /* the entry that the next one takes when all are used, modulo their number */
    unsigned zero;
} shared_bucket_t;

enum {
    CLAIMED = WSGI_WORKER_GONE + 1, /* state of a slot while its new owner fills it in: nobody else looks at it */
    BUCKETS = 256,            /* of published versions */
    STAMPS = sizeof(((shared_bucket_t *)0)->stamps) / sizeof(apr_uint64_t),
    FILES = 256,              /* each at the place that its number gives as a remainder */
    HEAD_BYTES = 64,          /* a cache line of its own, and alignment for what follows */
    UNBORN_LIMIT = 10000000   /* microseconds after which a slot without a process was left by a keeper that died */
};

/* In each process's own memory: sizes and addresses that nothing in the shared part can change. */
struct wsgi_board_t {
    int slots, threads;         /* constant */
    apr_size_t bytes;           /* constant */
    shared_head_t *head;
    shared_script_t *scripts;   /* WSGI_BOARD_SCRIPTS */
    shared_bucket_t *published; /* BUCKETS */
    shared_file_t *files;       /* FILES */
    shared_slot_t *slot;        /* slots */
    _Atomic apr_uint64_t *tokens; /* slots x threads: request each thread has, 0 none; kept when a worker dies */
    shared_wait_t *waits;       /* slots x threads */
};

apr_status_t wsgi_board_parent_create(wsgi_board_t **out, int slots, int threads)
{
    apr_size_t files = HEAD_BYTES + BUCKETS * sizeof(shared_bucket_t);
    apr_size_t scripts = files + FILES * sizeof(shared_file_t);
    apr_size_t head = scripts + WSGI_BOARD_SCRIPTS * sizeof(shared_script_t);
    apr_size_t slot_bytes = (apr_size_t)slots * sizeof(shared_slot_t);
    apr_size_t all_threads = (apr_size_t)slots * (apr_size_t)threads;
    apr_size_t waits = head + slot_bytes + all_threads * sizeof(apr_uint64_t);
    apr_size_t bytes = waits + all_threads * sizeof(shared_wait_t);
    wsgi_board_t *board = calloc(1, sizeof(*board));
    char *memory;

    *out = NULL;
    if (board == NULL) {
        return APR_ENOMEM;
    }
    memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        apr_status_t rv = errno;
        free(board);
        return rv;
    }
    board->slots = slots;
    board->threads = threads;
    board->bytes = bytes;
    board->head = (shared_head_t *)(void *)memory;
    board->published = (shared_bucket_t *)(void *)(memory + HEAD_BYTES);
    board->files = (shared_file_t *)(void *)(memory + files);
    board->scripts = (shared_script_t *)(void *)(memory + scripts);
    board->slot = (shared_slot_t *)(void *)(memory + head);
    board->tokens = (_Atomic apr_uint64_t *)(void *)(memory + head + slot_bytes);
    board->waits = (shared_wait_t *)(void *)(memory + waits);
    *out = board;
    return APR_SUCCESS;
}

void wsgi_board_parent_destroy(wsgi_board_t *board)
{
    if (board != NULL) {
        (void)munmap(board->head, board->bytes);
        free(board);
    }
}

int wsgi_board_lies_in(const wsgi_board_t *board, const void *start, const void *end)
{
    const char *at = (const char *)board->head;

    return at >= (const char *)start && at < (const char *)end;
}

int wsgi_board_slots(const wsgi_board_t *board)
{
    return board->slots;
}

int wsgi_board_threads(const wsgi_board_t *board)
{
    return board->threads;
}

static int is_slot(const wsgi_board_t *board, int slot)
{
    return slot >= 0 && slot < board->slots;
}

static _Atomic apr_uint64_t *token_of(const wsgi_board_t *board, int slot, int thread)
{
    return &board->tokens[(apr_size_t)slot * (apr_size_t)board->threads + (apr_size_t)thread];
}

static void clear_tokens(wsgi_board_t *board, int slot)
{
    for (int i = 0; i < board->threads; i++) {
        atomic_store(token_of(board, slot, i), 0);
    }
}

/*
 * Two keepers, of an old and a new generation, may look at the same time: whoever moves the state first has the slot.
 */
static int claim(wsgi_board_t *board, int slot)
{
    int state = atomic_load(&board->slot[slot].state);

    return (state == WSGI_WORKER_NONE || state == WSGI_WORKER_GONE)
           && atomic_compare_exchange_strong(&board->slot[slot].state, &state, CLAIMED);
}

/* Free slots first, then the one whose worker ended longest ago. */
static int candidate(const wsgi_board_t *board)
{
    apr_int64_t oldest = APR_INT64_MAX;
    int found = -1;

    for (int i = 0; i < board->slots; i++) {
        int state = atomic_load(&board->slot[i].state);
        if (state == WSGI_WORKER_NONE) {
            return i;
        }
        if (state == WSGI_WORKER_GONE && atomic_load(&board->slot[i].ended) < oldest) {
            oldest = atomic_load(&board->slot[i].ended);
            found = i;
        }
    }
    return found;
}

int wsgi_board_keeper_take(wsgi_board_t *board, int generation)
{
    int slot;

    while ((slot = candidate(board)) >= 0) {
        if (claim(board, slot)) {
            atomic_store(&board->slot[slot].pid, 0);
            atomic_store(&board->slot[slot].status, 0);
            atomic_store(&board->slot[slot].culprit, 0);
            atomic_store(&board->slot[slot].ended, 0);
            atomic_store(&board->slot[slot].generation, generation);
            atomic_store(&board->slot[slot].started, apr_time_now());
            clear_tokens(board, slot);
            atomic_store(&board->slot[slot].state, WSGI_WORKER_STARTING);
            return slot;
        }
    }
    return -1;
}

void wsgi_board_keeper_started(wsgi_board_t *board, int slot, pid_t pid)
{
    if (is_slot(board, slot)) {
        atomic_store(&board->slot[slot].pid, (int)pid);
    }
}

void wsgi_board_keeper_state(wsgi_board_t *board, int slot, wsgi_worker_state_t state)
{
    if (is_slot(board, slot)) {
        atomic_store(&board->slot[slot].state, (int)state);
    }
}

void wsgi_board_keeper_ended(wsgi_board_t *board, int slot, int status)
{
    if (is_slot(board, slot)) {
        atomic_store(&board->slot[slot].status, status);
        atomic_store(&board->slot[slot].ended, apr_time_now());
        atomic_store(&board->slot[slot].state, WSGI_WORKER_GONE); /* last: it says that the rest is there */
    }
}

void wsgi_board_keeper_generation_ready(wsgi_board_t *board, int generation)
{
    if (atomic_load(&board->head->generation_ready) < generation) {
        atomic_store(&board->head->generation_ready, generation);
    }
}

int wsgi_board_read_generation_ready(const wsgi_board_t *board)
{
    return atomic_load(&board->head->generation_ready);
}

void wsgi_board_keeper_fresh(wsgi_board_t *board, apr_time_t since)
{
    apr_int64_t seen = atomic_load(&board->head->fresh);

    while (seen < since && !atomic_compare_exchange_weak(&board->head->fresh, &seen, since)) {
    }
}

apr_time_t wsgi_board_read_fresh(const wsgi_board_t *board)
{
    return atomic_load(&board->head->fresh);
}

static int is_alive(const wsgi_worker_snapshot_t *worker)
{
    return worker->state != WSGI_WORKER_NONE && worker->state != WSGI_WORKER_GONE;
}

static int was_abandoned(const wsgi_worker_snapshot_t *worker)
{
    if (worker->pid > 0) {
        return kill(worker->pid, 0) < 0 && errno == ESRCH;
    }
    return apr_time_now() - worker->started > UNBORN_LIMIT; /* its keeper died between taking the slot and the fork */
}

void wsgi_board_keeper_sweep(wsgi_board_t *board)
{
    wsgi_worker_snapshot_t worker;

    for (int slot = 0; slot < board->slots; slot++) {
        if (wsgi_board_read_worker(board, slot, &worker) && is_alive(&worker) && was_abandoned(&worker)) {
            wsgi_board_keeper_ended(board, slot, 0);
        }
    }
}

int wsgi_board_read_older(const wsgi_board_t *board, int generation, int serving_only)
{
    wsgi_worker_snapshot_t worker;

    for (int slot = 0; slot < board->slots; slot++) {
        if (wsgi_board_read_worker(board, slot, &worker) && is_alive(&worker) && worker.generation < generation
            && (!serving_only || worker.state != WSGI_WORKER_RETIRING)) {
            return 1;
        }
    }
    return 0;
}

/* ---- scripts ---- */

/* The oldest of its bucket goes: workers that still have to hear of a version hear of one that is among the last. */
void wsgi_board_slot_publish(wsgi_board_t *board, apr_uint64_t stamp)
{
    shared_bucket_t *bucket = &board->published[stamp % BUCKETS];

    for (int i = 0; i < STAMPS; i++) {
        apr_uint64_t seen = 0;
        if (atomic_compare_exchange_strong(&bucket->stamps[i], &seen, stamp) || seen == stamp) {
            return;
        }
    }
    atomic_store(&bucket->stamps[atomic_fetch_add(&bucket->oldest, 1) % STAMPS], stamp);
}

static void raise_to(_Atomic apr_uint64_t *moment, apr_uint64_t when)
{
    apr_uint64_t known = atomic_load(moment);

    while (known < when && !atomic_compare_exchange_weak(moment, &known, when)) {
    }
}

void wsgi_board_slot_publish_load(wsgi_board_t *board, apr_uint64_t file, apr_uint64_t stamp, apr_uint64_t when)
{
    shared_file_t *entry = &board->files[file % FILES];
    apr_uint64_t before = wsgi_board_read_published(board, stamp) ? stamp : atomic_exchange(&entry->latest, stamp);

    if (before != 0 && before != stamp) {
        raise_to(&entry->superseded, when);
    }
    wsgi_board_slot_publish(board, stamp);
}

apr_uint64_t wsgi_board_read_superseded(const wsgi_board_t *board, apr_uint64_t file)
{
    return atomic_load(&board->files[file % FILES].superseded);
}

int wsgi_board_read_published(const wsgi_board_t *board, apr_uint64_t stamp)
{
    const shared_bucket_t *bucket = &board->published[stamp % BUCKETS];

    for (int i = 0; i < STAMPS && stamp != 0; i++) {
        if (atomic_load(&bucket->stamps[i]) == stamp) {
            return 1;
        }
    }
    return 0;
}

/* @return its version, which is even, and a copy; 0 when it was never used or is being written */
static unsigned copy_script(const shared_script_t *entry, wsgi_board_script_t *out, int *generation)
{
    unsigned version = atomic_load(&entry->version);

    if (version % 2 != 0) {
        return 0;
    }
    *generation = atomic_load(&entry->generation);
    memcpy(out->text, entry->text, sizeof(out->text));
    atomic_thread_fence(memory_order_acquire);
    if (atomic_load_explicit(&entry->version, memory_order_relaxed) != version) {
        return 0;
    }
    out->text[sizeof(out->text) - 1] = '\0';
    out->text[sizeof(out->text) - 2] = '\0'; /* a second text, though empty, whatever the memory holds */
    return version;
}

static int is_same_script(const wsgi_board_script_t *remembered, const char *application_group, const char *script)
{
    return strcmp(remembered->text, application_group) == 0 && strcmp(wsgi_board_script_path(remembered), script) == 0;
}

/* @return whether nobody else was faster */
static int write_script(shared_script_t *entry, unsigned version, int generation, const char *application_group,
                        const char *script)
{
    size_t group_size = strlen(application_group) + 1;

    if (!atomic_compare_exchange_strong(&entry->version, &version, version + 1)) {
        return 0;
    }
    memcpy(entry->text, application_group, group_size);
    memcpy(entry->text + group_size, script, strlen(script) + 1);
    atomic_store(&entry->generation, generation);
    atomic_store(&entry->version, version + 2);
    return 1;
}

const char *wsgi_board_script_path(const wsgi_board_script_t *remembered)
{
    return remembered->text + strlen(remembered->text) + 1;
}

void wsgi_board_keeper_remember(wsgi_board_t *board, int generation, const char *application_group,
                                const char *script)
{
    wsgi_board_script_t seen;
    unsigned version, oldest_version = 0;
    shared_script_t *oldest = NULL;
    int when, oldest_when = generation; /* what this generation runs is not forgotten for more of the same */

    if (strlen(application_group) + strlen(script) + 2 > WSGI_BOARD_TEXT - 1) {
        return;
    }
    for (int i = 0; i < WSGI_BOARD_SCRIPTS; i++) {
        shared_script_t *entry = &board->scripts[i];
        version = copy_script(entry, &seen, &when);
        if (version != 0 && is_same_script(&seen, application_group, script)) {
            atomic_store(&entry->generation, generation);
            return;
        }
        if (atomic_load(&entry->version) == 0) {
            oldest = entry;
            oldest_version = 0;
            oldest_when = APR_INT32_MIN;
        } else if (version != 0 && when < oldest_when) {
            oldest = entry;
            oldest_version = version;
            oldest_when = when;
        }
    }
    if (oldest != NULL) {
        (void)write_script(oldest, oldest_version, generation, application_group, script);
    }
}

int wsgi_board_keeper_recall(const wsgi_board_t *board, int generation, wsgi_board_script_t *out)
{
    int count = 0, last = APR_INT32_MIN, when;

    for (int i = 0; i < WSGI_BOARD_SCRIPTS; i++) {
        if (copy_script(&board->scripts[i], &out[count], &when) == 0 || when >= generation || when < last) {
            continue;
        }
        if (when > last) { /* what was collected so far is of a generation before this one */
            out[0] = out[count];
            count = 0;
            last = when;
        }
        count++;
    }
    return count;
}

void wsgi_board_slot_begin(wsgi_board_t *board, int slot, int thread, apr_uint64_t token)
{
    if (is_slot(board, slot) && thread >= 0 && thread < board->threads) {
        atomic_store_explicit(token_of(board, slot, thread), token, memory_order_release);
    }
}

void wsgi_board_slot_end(wsgi_board_t *board, int slot, int thread)
{
    wsgi_board_slot_begin(board, slot, thread, 0);
}

void wsgi_board_slot_crashed(wsgi_board_t *board, int slot, int thread)
{
    if (is_slot(board, slot) && thread >= 0 && thread < board->threads) {
        atomic_store(&board->slot[slot].culprit, atomic_load(token_of(board, slot, thread)));
    }
}

void wsgi_board_slot_waited(wsgi_board_t *board, int slot, int thread, apr_time_t accepted, apr_interval_time_t waited)
{
    if (is_slot(board, slot) && thread >= 0 && thread < board->threads) {
        shared_wait_t *wait = &board->waits[(apr_size_t)slot * (apr_size_t)board->threads + (apr_size_t)thread];
        atomic_store_explicit(&wait->waited, waited, memory_order_relaxed);
        atomic_store_explicit(&wait->accepted, accepted, memory_order_relaxed);
    }
}

wsgi_load_t wsgi_board_read_load(const wsgi_board_t *board, int slot, apr_time_t since)
{
    wsgi_load_t load = { 0, 0 };

    for (int i = 0; is_slot(board, slot) && i < board->threads; i++) {
        const shared_wait_t *wait = &board->waits[(apr_size_t)slot * (apr_size_t)board->threads + (apr_size_t)i];
        apr_int64_t waited = atomic_load_explicit(&wait->waited, memory_order_relaxed);
        load.busy += atomic_load_explicit(token_of(board, slot, i), memory_order_relaxed) != 0;
        if (atomic_load_explicit(&wait->accepted, memory_order_relaxed) >= since && waited > load.waited) {
            load.waited = waited;
        }
    }
    return load;
}

int wsgi_board_read_worker(const wsgi_board_t *board, int slot, wsgi_worker_snapshot_t *out)
{
    int state;

    if (!is_slot(board, slot)) {
        return 0;
    }
    state = atomic_load(&board->slot[slot].state);
    if (state < WSGI_WORKER_NONE || state > WSGI_WORKER_GONE) {
        return 0; /* being claimed, or a daemon wrote nonsense */
    }
    out->state = (wsgi_worker_state_t)state;
    out->pid = atomic_load(&board->slot[slot].pid);
    out->status = atomic_load(&board->slot[slot].status);
    out->culprit = atomic_load(&board->slot[slot].culprit);
    out->generation = atomic_load(&board->slot[slot].generation);
    out->started = atomic_load(&board->slot[slot].started);
    out->ended = atomic_load(&board->slot[slot].ended);
    return 1;
}

int wsgi_board_read_taker(const wsgi_board_t *board, apr_uint64_t token, wsgi_worker_snapshot_t *out)
{
    for (int slot = 0; slot < board->slots; slot++) {
        for (int thread = 0; thread < board->threads; thread++) {
            if (atomic_load_explicit(token_of(board, slot, thread), memory_order_acquire) == token) {
                return wsgi_board_read_worker(board, slot, out);
            }
        }
    }
    return 0;
}
