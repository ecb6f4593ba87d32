#include "stats/wsgi_board.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

/* In shared memory. Every field has one writer at a time: the keeper, or for `tokens` the worker of the slot. */
typedef struct {
    _Atomic int state;
    _Atomic int pid;
    _Atomic int status;
    _Atomic int generation;
    _Atomic apr_int64_t started;
    _Atomic apr_int64_t ended;
} shared_slot_t;

typedef struct {
    _Atomic int generation_ready;
    _Atomic apr_int64_t fresh;
} shared_head_t;

/* In each process's own memory: sizes and addresses that nothing in the shared part can change. */
struct wsgi_board_t {
    int slots, threads;         /* constant */
    apr_size_t bytes;           /* constant */
    shared_head_t *head;
    shared_slot_t *slot;        /* slots */
    _Atomic apr_uint64_t *tokens; /* slots x threads: request each thread has, 0 none; kept when a worker dies */
};

apr_status_t wsgi_board_parent_create(wsgi_board_t **out, int slots, int threads)
{
    apr_size_t head = 64; /* a cache line of its own, and alignment for what follows */
    apr_size_t slot_bytes = (apr_size_t)slots * sizeof(shared_slot_t);
    apr_size_t bytes = head + slot_bytes + (apr_size_t)slots * (apr_size_t)threads * sizeof(apr_uint64_t);
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
    board->slot = (shared_slot_t *)(void *)(memory + head);
    board->tokens = (_Atomic apr_uint64_t *)(void *)(memory + head + slot_bytes);
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
           && atomic_compare_exchange_strong(&board->slot[slot].state, &state, WSGI_WORKER_STARTING);
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
            atomic_store(&board->slot[slot].ended, 0);
            atomic_store(&board->slot[slot].generation, generation);
            atomic_store(&board->slot[slot].started, apr_time_now());
            clear_tokens(board, slot);
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

void wsgi_board_keeper_fresh(wsgi_board_t *board, apr_time_t birth)
{
    apr_int64_t seen = atomic_load(&board->head->fresh);

    while (seen < birth && !atomic_compare_exchange_weak(&board->head->fresh, &seen, birth)) {
    }
}

apr_time_t wsgi_board_read_fresh(const wsgi_board_t *board)
{
    return atomic_load(&board->head->fresh);
}

void wsgi_board_keeper_sweep(wsgi_board_t *board)
{
    wsgi_worker_snapshot_t worker;

    for (int slot = 0; slot < board->slots; slot++) {
        if (wsgi_board_read_worker(board, slot, &worker) && worker.state != WSGI_WORKER_NONE
            && worker.state != WSGI_WORKER_GONE && worker.pid > 0 && kill(worker.pid, 0) < 0 && errno == ESRCH) {
            wsgi_board_keeper_ended(board, slot, 0);
        }
    }
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

int wsgi_board_read_worker(const wsgi_board_t *board, int slot, wsgi_worker_snapshot_t *out)
{
    int state;

    if (!is_slot(board, slot)) {
        return 0;
    }
    state = atomic_load(&board->slot[slot].state);
    if (state < WSGI_WORKER_NONE || state > WSGI_WORKER_GONE) {
        return 0; /* a daemon wrote nonsense */
    }
    out->state = (wsgi_worker_state_t)state;
    out->pid = atomic_load(&board->slot[slot].pid);
    out->status = atomic_load(&board->slot[slot].status);
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
