#include "bridge/wsgi_outbox.h"

#include <stdlib.h>
#include <string.h>

#include "base/wsgi_clock.h"
#include "bridge/wsgi_call.h"
#include "bridge/wsgi_forked.h"

/* Most that is held; as much as a list may have to be copied, see wsgi_execute.c. */
#define LARGEST 65536
#define SMALLEST 4096
#define LARGE_BLOCK 16384 /* copying more than this costs as much as it saves, but for a response of one block */

static wsgi_flusher_t *flusher_of(const wsgi_call_t *call)
{
    return &call->state->runtime->flusher;
}

/* ---- sending; lock held, GIL not ---- */

static apr_status_t note_failure(wsgi_outbox_t *outbox, apr_status_t rv)
{
    outbox->failed = rv;
    return rv;
}

static const wsgi_head_t *take_head(wsgi_call_t *call)
{
    const wsgi_head_t *head = call->head_sent ? NULL : &call->head;

    call->head_sent = 1;
    return head;
}

static apr_status_t pass(wsgi_call_t *call, const wsgi_head_t *head, const struct iovec *blocks, int count,
                         unsigned flags)
{
    wsgi_exchange_t *exchange = call->exchange;
    apr_status_t rv;

    call->last_sent |= (flags & WSGI_SEND_LAST) != 0;
    rv = exchange->ops->send(exchange, head, blocks, count, flags);
    call->outbox.sent = wsgi_clock_now();
    if (rv != APR_SUCCESS) {
        return note_failure(&call->outbox, rv);
    }
    wsgi_call_activity(call);
    return rv;
}

/* What is held is ours to send now. */
static struct iovec take_held(wsgi_call_t *call)
{
    wsgi_outbox_t *outbox = &call->outbox;
    struct iovec held = { outbox->data, outbox->length };

    if (outbox->is_waiting) {
        (void)wsgi_flusher_withdraw(flusher_of(call), &outbox->flush); /* one that is on its way waits for the lock */
        outbox->length = 0;
        outbox->is_waiting = 0;
    }
    return held;
}

static apr_status_t check(wsgi_call_t *call)
{
    wsgi_exchange_t *exchange = call->exchange;

    if (exchange == NULL) {
        return APR_EINVAL;
    }
    if (wsgi_forked()) {
        return APR_ECONNABORTED; /* the exchange is the other process's */
    }
    if (call->outbox.failed == APR_SUCCESS && exchange->ops->aborted(exchange)) {
        return note_failure(&call->outbox, APR_ECONNABORTED);
    }
    return call->outbox.failed;
}

static apr_status_t send_all(wsgi_call_t *call, const struct iovec *blocks, int count, unsigned flags)
{
    struct iovec both[2] = { { 0 } };
    apr_status_t rv = check(call);
    const wsgi_head_t *head;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    head = take_head(call); /* before is_waiting is cleared: one of the two tells that it needs no sending */
    both[0] = take_held(call);
    if (both[0].iov_len == 0) {
        return pass(call, head, blocks, count, flags);
    }
    if (count <= 1) {
        both[1] = count > 0 ? blocks[0] : both[1];
        return pass(call, head, both, count + 1, flags | WSGI_SEND_FLUSH);
    }
    rv = pass(call, head, both, 1, 0);
    return rv == APR_SUCCESS ? pass(call, NULL, blocks, count, flags) : rv;
}

void wsgi_outbox_empty(wsgi_call_t *call)
{
    if (call->outbox.is_waiting) {
        (void)send_all(call, NULL, 0, 0); /* flushes bytes; a failure shows when the next block comes, or the end */
    }
}

/* ---- for the application's threads ---- */

apr_status_t wsgi_outbox_send(wsgi_call_t *call, const struct iovec *blocks, int count, unsigned flags)
{
    apr_status_t rv;

    wsgi_flusher_report(flusher_of(call));
    (void)wsgi_call_lock(call);
    rv = send_all(call, blocks, count, flags);
    wsgi_call_unlock(call);
    return rv;
}

apr_status_t wsgi_outbox_send_file(wsgi_call_t *call, int fd, apr_off_t offset, apr_off_t length)
{
    wsgi_exchange_t *exchange = wsgi_call_lock(call);
    apr_status_t rv = check(call);

    if (rv == APR_SUCCESS) {
        wsgi_outbox_empty(call);
        rv = call->outbox.failed;
    }
    if (rv == APR_SUCCESS) {
        rv = exchange->ops->send_file(exchange, take_head(call), fd, offset, length);
    }
    wsgi_call_unlock(call);
    return rv;
}

apr_interval_time_t wsgi_outbox_settle(wsgi_call_t *call)
{
    apr_interval_time_t spent;

    if (wsgi_call_lock(call) != NULL) {
        wsgi_outbox_empty(call);
    }
    spent = call->outbox.spent;
    call->outbox.spent = 0;
    wsgi_call_unlock(call);
    return spent;
}

/* ---- holding; lock held ---- */

/* @return 0 also when there is no memory: then the block goes out without a copy */
static int make_room(wsgi_outbox_t *outbox, size_t size)
{
    size_t capacity = outbox->capacity > 0 ? outbox->capacity : SMALLEST;
    char *larger;

    if (outbox->length + size > LARGEST) {
        return 0;
    }
    while (capacity < outbox->length + size) {
        capacity *= 2;
    }
    if (capacity == outbox->capacity) {
        return 1;
    }
    larger = realloc(outbox->data, capacity);
    if (larger == NULL) {
        return 0;
    }
    outbox->data = larger;
    outbox->capacity = capacity;
    return 1;
}

/*
 * The first block of a response waits, whatever it took: mostly it is the only one. An application that was away for
 * longer than output is held produces a slow stream: it would gain nothing, and cost the flusher's work each time.
 * @return 0 when it is not to wait
 */
static int begin(wsgi_call_t *call)
{
    wsgi_outbox_t *outbox = &call->outbox;
    apr_time_t now = wsgi_clock_now();

    if (outbox->sent != 0 && now - outbox->sent >= WSGI_HOLD_TIME) {
        return 0;
    }
    if (wsgi_flusher_add(flusher_of(call), &outbox->flush, now + WSGI_HOLD_TIME) < 0) {
        return 0;
    }
    outbox->is_flushed = 1;
    outbox->is_waiting = 1;
    return 1;
}

static int hold(wsgi_call_t *call, const char *data, size_t size)
{
    wsgi_outbox_t *outbox = &call->outbox;

    if (check(call) != APR_SUCCESS || (size == 0 && call->head_sent && !outbox->is_waiting)) {
        return 0;
    }
    if (size > LARGE_BLOCK && outbox->sent != 0) {
        return 0;
    }
    if (!make_room(outbox, size) || (!outbox->is_waiting && !begin(call))) {
        return 0;
    }
    if (size > 0) {
        memcpy(outbox->data + outbox->length, data, size);
        outbox->length += size;
    }
    return 1;
}

int wsgi_outbox_hold(wsgi_call_t *call, const char *data, size_t size)
{
    int is_held;

    if (wsgi_forked() || pthread_mutex_trylock(&call->lock) != 0) {
        return 0;
    }
    is_held = hold(call, data, size);
    pthread_mutex_unlock(&call->lock);
    return is_held;
}

/* ---- the flusher's side ---- */

/* On a thread of the flusher. What it was called for may have been sent meanwhile. */
static void send_due(wsgi_flush_t *flush)
{
    wsgi_outbox_t *outbox = (wsgi_outbox_t *)flush;
    wsgi_call_t *call = outbox->call;
    apr_time_t before = wsgi_clock_now();

    if (wsgi_call_lock(call) != NULL) {
        wsgi_outbox_empty(call);
    }
    outbox->spent += wsgi_clock_now() - before;
    wsgi_call_unlock(call);
}

void wsgi_outbox_retire(wsgi_call_t *call)
{
    wsgi_outbox_t *outbox = &call->outbox;
    PyThreadState *tstate;

    if (!outbox->is_flushed || wsgi_flusher_withdraw(flusher_of(call), &outbox->flush)) {
        return;
    }
    tstate = PyEval_SaveThread();
    wsgi_flusher_await(flusher_of(call), &outbox->flush);
    PyEval_RestoreThread(tstate);
}

void wsgi_outbox_init(wsgi_outbox_t *outbox, wsgi_call_t *call)
{
    outbox->flush.send = send_due;
    outbox->call = call;
}

void wsgi_outbox_clear(wsgi_outbox_t *outbox)
{
    free(outbox->data);
    outbox->data = NULL;
}

void wsgi_outbox_forked(wsgi_outbox_t *outbox)
{
    wsgi_call_t *call = outbox->call;

    memset(outbox, 0, sizeof(*outbox)); /* the memory may have been moved just then */
    wsgi_outbox_init(outbox, call);
}
