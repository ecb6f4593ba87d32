#include "bridge/wsgi_execute.h"

#include <apr_strings.h>
#include <apr_time.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/wsgi_environ.h"
#include "bridge/wsgi_events.h"
#include "bridge/wsgi_forked.h"
#include "bridge/wsgi_input.h"
#include "bridge/wsgi_interp.h"
#include "bridge/wsgi_pyerror.h"
#include "bridge/wsgi_pylog.h"
#include "bridge/wsgi_response.h"

/*
 * A response up to this size is copied, so that everything Python can be let go before it is sent and the GIL is
 * not needed again afterwards: copying takes microseconds, waiting for the GIL can take milliseconds.
 */
#define PACKET_SIZE 65536

/* What is sent once Python is let go: the whole response or the rest of it. The head is in memory of the thread. */
typedef struct {
    wsgi_head_t head;
    struct iovec blocks[2]; /* of a list, copied behind the head; what was held */
    int count;
    char *held;             /* malloc'ed */
} packet_t;

/* What one request needs on its way; on the stack of its thread. */
typedef struct {
    wsgi_runtime_t *runtime;
    const wsgi_request_t *request;
    wsgi_exchange_t *exchange;
    wsgi_thread_t *thread;
    wsgi_interp_t *interp;
    wsgi_script_t *script;
    apr_time_t on_disk;  /* -1: changes of the script do not matter */
    int was_current;     /* seen without asking Python */
    PyObject *stale;     /* module to be replaced, NULL if none */
    wsgi_outcome_t outcome;
    int complete;        /* the response went out with WSGI_SEND_LAST */
    int packed;          /* something is in `packet` */
    int head_sent;       /* before the packet */
    apr_status_t failed; /* what was held could not be sent */
    packet_t packet;
} run_t;

/* ---- before Python ---- */

static void log_request(const run_t *run, wsgi_log_level_t level, apr_status_t status, const char *text)
{
    wsgi_record_t record = { .level = level, .file = __FILE__, .line = __LINE__, .status = status, .text = text };

    if (run->exchange->ops->log_enabled(run->exchange, level)) {
        run->exchange->ops->log(run->exchange, &record);
    }
}

static void log_loss(const run_t *run, apr_status_t rv)
{
    log_request(run, WSGI_LOG_TRACE1, rv, "The response could not be written: the client closed the connection.");
}

static void report_unavailable(const run_t *run)
{
    char text[512];

    apr_snprintf(text, sizeof(text), WSGI_LOGNO(0087) "The interpreter '%s' is not available %s.",
                 run->request->route->application_group, run->runtime->process);
    log_request(run, WSGI_LOG_ERR, APR_SUCCESS, text);
}

/*
 * What Apache has found out about the file on its way here need not be asked again, if it agrees with what is loaded; a
 * request that has waited may know less than we do.
 */
static void look_at_file(run_t *run)
{
    const wsgi_route_t *route = run->request->route;

    if (!route->script_reloading) {
        run->on_disk = -1;
    } else if (route->script_mtime > 0 && wsgi_script_is_current(run->script, route->script_mtime)) {
        run->on_disk = route->script_mtime;
    } else {
        run->on_disk = wsgi_script_on_disk(run->script);
    }
    run->was_current = wsgi_script_is_current(run->script, run->on_disk);
}

static int find_place(run_t *run)
{
    const wsgi_route_t *route = run->request->route;

    run->thread = wsgi_thread_current(run->runtime);
    run->interp = run->thread != NULL ? wsgi_interp_acquire(run->thread, route->application_group) : NULL;
    run->script = run->interp != NULL ? wsgi_script_find(&run->interp->scripts, route->script) : NULL;
    if (run->script == NULL) {
        report_unavailable(run);
        return -1;
    }
    look_at_file(run);
    return 0;
}

/* The host hears of waiting only where the next request would wait as well: for the same GIL. */
static int enter_and_tell(const run_t *run)
{
    int rc;

    if (run->runtime->free_threaded || atomic_load(&run->runtime->own_gils) > 0) {
        return wsgi_interp_enter_in_turn(run->thread, run->interp);
    }
    run->exchange->ops->waiting(run->exchange, 1);
    rc = wsgi_interp_enter_in_turn(run->thread, run->interp);
    run->exchange->ops->waiting(run->exchange, 0);
    return rc;
}

static int enter(const run_t *run)
{
    if (enter_and_tell(run) < 0) {
        report_unavailable(run);
        return -1;
    }
    return 0;
}

/* ---- changed scripts ---- */

/* Ask the host, without the GIL. `stale` stays set only if the script is to be loaded again. */
static wsgi_change_t ask_host(run_t *run)
{
    PyThreadState *tstate = PyEval_SaveThread();
    wsgi_change_t change = run->exchange->ops->script_changed(run->exchange);

    PyEval_RestoreThread(tstate);
    if (change != WSGI_CHANGE_RELOAD) {
        Py_CLEAR(run->stale);
    }
    return change;
}

/* GIL held. Sets `stale`. */
static void examine(run_t *run)
{
    PyObject *module = NULL;

    if (run->on_disk < 0) {
        return;
    }
    if (wsgi_script_module(run->interp, run->script, &module) == 1 &&
        wsgi_script_is_stale(run->interp, run->script, module, run->on_disk, run->request->route->resource)) {
        run->stale = Py_NewRef(module);
    }
    PyErr_Clear(); /* a failure shows again, and is logged, when the module is loaded */
    Py_XDECREF(module);
}

/*
 * Take the GIL with the decision made that the request runs here. Normally the file is as it was loaded, which
 * shows without Python; then this is the only time that the request asks for the GIL.
 * @return 0 with the GIL held; -1 without, outcome set
 */
static int admit(run_t *run)
{
    PyThreadState *tstate;

    if (run->was_current) {
        run->exchange->ops->proceed(run->exchange);
        return enter(run);
    }
    if (enter(run) < 0) {
        return -1;
    }
    examine(run);
    if (run->stale != NULL && ask_host(run) == WSGI_CHANGE_REJECT) {
        wsgi_interp_leave_in_turn(run->thread);
        run->outcome = WSGI_REJECTED;
        return -1;
    }
    tstate = PyEval_SaveThread();
    run->exchange->ops->proceed(run->exchange);
    PyEval_RestoreThread(tstate);
    return 0;
}

/*
 * The application may have set __mtime__ itself, which only shows with the GIL. Too late to send the request
 * elsewhere: where the host wants that, this one is served by what is loaded and the next one finds it out in time.
 */
static PyObject *load(run_t *run, wsgi_call_t *call)
{
    PyObject *module = NULL;
    int found = run->stale == NULL ? wsgi_script_module(run->interp, run->script, &module) : 0;

    if (found == 1 && run->was_current && run->on_disk >= 0) {
        wsgi_script_review(call->state, run->script, module);
        if (!wsgi_script_is_current(run->script, -1)) {
            run->stale = module;
            module = NULL;
            (void)ask_host(run);
            found = run->stale == NULL ? wsgi_script_module(run->interp, run->script, &module) : 0;
        }
    }
    if (found == 1) {
        return module;
    }
    PyErr_Clear();
    module = wsgi_script_load(run->interp, call, run->script, run->stale);
    Py_CLEAR(run->stale);
    return module;
}

/* ---- the application ---- */

/* From now on the thread may be interrupted in another interpreter, or in none. */
static void move_inside(wsgi_thread_t *thread, wsgi_interp_t *interp, int is_end)
{
    pthread_mutex_lock(&thread->interrupting);
    atomic_store(&thread->inside, interp);
    /* An interruption that came too late must not hit the next request. */
    if (is_end && thread->injected) {
        PyThreadState_SetAsyncExc(atomic_load(&thread->ident), NULL);
        thread->injected = 0;
    }
    pthread_mutex_unlock(&thread->interrupting);
}

/* Count the request and make it known: request_data(), active_requests, interruption. */
static int begin(run_t *run, wsgi_call_t *call)
{
    const char *id = wsgi_fields_get(run->request->variables, "mod_wsgi.request_id");
    wsgi_pystate_t *state = call->state;

    run->thread->requests++;
    atomic_fetch_add_explicit(&run->runtime->total_requests, 1, memory_order_relaxed);
    call->outer = run->thread->call;
    run->thread->call = call;
    move_inside(run->thread, run->interp, 0);
    call->script = run->script;
    if (id == NULL) {
        return 0;
    }
    call->request_id = PyUnicode_DecodeLatin1(id, (Py_ssize_t)strlen(id), NULL);
    return call->request_id != NULL ? PyDict_SetItem(state->active_requests, call->request_id, call->data) : -1;
}

/* The reverse; `outer` is the request during which this one was made, mostly none. */
static void end(run_t *run, wsgi_call_t *call, wsgi_call_t *outer)
{
    wsgi_pystate_t *state = call->state;

    if (call->request_id != NULL && PyDict_DelItem(state->active_requests, call->request_id) < 0) {
        PyErr_Clear();
    }
    run->thread->call = outer;
    run->thread->streams = outer;
    move_inside(run->thread, outer != NULL ? outer->state->interp : NULL, 1);
}

static PyObject *find_application(run_t *run, wsgi_call_t *call, PyObject *module)
{
    const char *name = run->request->route->callable_object;
    PyObject *key = PyUnicode_FromString(name);
    PyObject *application = NULL;

    if (key == NULL || wsgi_compat_dict_get(PyModule_GetDict(module), key, &application) < 0) {
        Py_XDECREF(wsgi_pyerror_take(run->interp, call, run->script->path));
    } else if (application == NULL) {
        wsgi_pylog_call(call, WSGI_HERE, WSGI_LOG_ERR, APR_SUCCESS,
                        WSGI_LOGNO(0089) "The script '%s' has no global '%s' to call.", run->script->path, name);
        run->outcome = WSGI_NO_CALLABLE;
    }
    Py_XDECREF(key);
    return application;
}

/* Whether the exception that is set only says that the client has left: then it is cleared, and one line tells. */
static int take_loss(wsgi_call_t *call)
{
    PyObject *exception = call->client_left ? wsgi_compat_take_exception() : NULL;

    if (exception == NULL) {
        return 0;
    }
    if (!wsgi_input_is_loss(call, exception)) {
        wsgi_compat_set_exception(exception);
        return 0;
    }
    Py_DECREF(exception);
    wsgi_pylog_call(call, WSGI_HERE, WSGI_LOG_INFO, APR_SUCCESS,
                    "The application stopped because the client did not send its request body to the end.");
    return 1;
}

/* An exception reached us. GIL held. */
static wsgi_outcome_t take_exception(run_t *run, wsgi_call_t *call)
{
    PyObject *exception;

    if (take_loss(call)) {
        return call->committed ? WSGI_TRUNCATED : WSGI_FAILED;
    }
    if (PyErr_ExceptionMatches(call->state->request_timeout)) {
        PyErr_Clear();
        wsgi_pylog_call(call, WSGI_HERE, WSGI_LOG_INFO, APR_SUCCESS, "The request was interrupted by RequestTimeout%s.",
                        call->committed ? "; its response is truncated" : "");
        return call->committed ? WSGI_TRUNCATED : WSGI_TIMED_OUT;
    }
    exception = wsgi_pyerror_take(run->interp, call, run->script->path);
    if (exception != NULL && call->timed) {
        wsgi_events_request_exception(call, exception);
    }
    Py_XDECREF(exception);
    return call->committed ? WSGI_TRUNCATED : WSGI_FAILED;
}

static wsgi_outcome_t judge(run_t *run, wsgi_call_t *call, wsgi_ran_t ran)
{
    if (ran == WSGI_RAISED) {
        return take_exception(run, call);
    }
    if (call->cut) {
        wsgi_pylog_call(call, WSGI_HERE, WSGI_LOG_INFO, APR_SUCCESS,
                        "The application produced more than its Content-Length of %lld bytes; the rest was cut.",
                        (long long)call->reply.declared);
    }
    if (ran == WSGI_RAN && wsgi_response_is_short(call)) {
        wsgi_pylog_call(call, WSGI_HERE, WSGI_LOG_INFO, APR_SUCCESS,
                        "The application produced %lld bytes and declared a Content-Length of %lld.",
                        (long long)call->produced, (long long)call->reply.declared);
        return WSGI_TRUNCATED;
    }
    return ran == WSGI_RAN ? WSGI_DONE : WSGI_TRUNCATED;
}

/* ---- small responses ---- */

static char *copy_text(char **to, const char *text, apr_uint32_t length)
{
    char *start = *to;

    memcpy(start, text, length);
    start[length] = '\0';
    *to += length + 1;
    return start;
}

static size_t head_size(const wsgi_head_t *head)
{
    size_t size = head->header_count * sizeof(wsgi_field_t) + strlen(head->reason) + 1;
    apr_uint32_t i;

    for (i = 0; i < head->header_count; i++) {
        size += (size_t)head->headers[i].name_len + head->headers[i].value_len + 2;
    }
    return size;
}

static void copy_head(wsgi_head_t *to, const wsgi_head_t *from, char **memory)
{
    wsgi_field_t *fields = (wsgi_field_t *)(void *)*memory; /* start of malloc'ed memory: aligned */
    apr_uint32_t i;

    *memory += from->header_count * sizeof(*fields);
    for (i = 0; i < from->header_count; i++) {
        fields[i] = from->headers[i];
        fields[i].name = copy_text(memory, from->headers[i].name, from->headers[i].name_len);
        fields[i].value = copy_text(memory, from->headers[i].value, from->headers[i].value_len);
    }
    to->status = from->status;
    to->reason = copy_text(memory, from->reason, (apr_uint32_t)strlen(from->reason));
    to->headers = fields;
    to->header_count = from->header_count;
}

/* @return 0, or -1 when there is no memory for it */
static int pack(run_t *run, const wsgi_call_t *call, PyObject *items, apr_off_t limit)
{
    size_t left = (size_t)limit;
    Py_ssize_t i;
    char *memory;

    if (wsgi_thread_reserve(run->thread, head_size(&call->head) + left) < 0) {
        return -1;
    }
    memory = run->thread->buffer;
    copy_head(&run->packet.head, &call->head, &memory);
    run->packet.blocks[0] = (struct iovec){ memory, left };
    run->packet.count = left > 0;
    for (i = 0; left > 0; i++) {
        PyObject *item = PyTuple_GET_ITEM(items, i);
        size_t length = (size_t)PyBytes_GET_SIZE(item) < left ? (size_t)PyBytes_GET_SIZE(item) : left;
        memcpy(memory, PyBytes_AS_STRING(item), length);
        memory += length;
        left -= length;
    }
    run->packed = 1;
    return 0;
}

/* There is no memory for a copy of the head. The call is over, so the exchange is ours. GIL held, given away. */
static void send_held(run_t *run, const wsgi_call_t *call)
{
    const wsgi_outbox_t *outbox = &call->outbox;
    struct iovec block = { outbox->data, outbox->length };
    PyThreadState *tstate = PyEval_SaveThread();

    run->failed = run->exchange->ops->send(run->exchange, &call->head, &block, block.iov_len > 0, WSGI_SEND_FLUSH);
    run->head_sent = 1;
    PyEval_RestoreThread(tstate);
}

/* What the call still holds leaves together with the end of the response. GIL held; the call is over. */
static void pack_held(run_t *run, wsgi_call_t *call)
{
    wsgi_outbox_t *outbox = &call->outbox;
    packet_t *packet = &run->packet;
    char *memory;

    run->failed = outbox->failed;
    if (!outbox->is_waiting || run->failed != APR_SUCCESS) {
        return;
    }
    if (!run->packed && !run->head_sent) {
        if (wsgi_thread_reserve(run->thread, head_size(&call->head)) < 0) {
            send_held(run, call);
            return;
        }
        memory = run->thread->buffer;
        copy_head(&packet->head, &call->head, &memory);
    }
    if (outbox->length > 0) {
        packet->blocks[packet->count++] = (struct iovec){ outbox->data, outbox->length };
        packet->held = outbox->data;
        outbox->data = NULL;
    }
    run->packed = 1;
}

/* GIL not held, and nothing of Python left. */
static void send_packet(run_t *run)
{
    wsgi_exchange_t *exchange = run->exchange;
    const wsgi_head_t *head = run->head_sent ? NULL : &run->packet.head;
    int last = run->outcome == WSGI_DONE;
    apr_status_t rv;

    rv = exchange->ops->send(exchange, head, run->packet.blocks, run->packet.count,
                             WSGI_SEND_FLUSH | (last ? WSGI_SEND_LAST : 0));
    free(run->packet.held);
    run->complete = last;
    if (rv != APR_SUCCESS) {
        log_loss(run, rv);
    } else if (run->runtime->host->activity != NULL && !run->request->route->ignore_activity) {
        run->runtime->host->activity(run->runtime->host->context);
    }
}

/* ---- the response ---- */

static wsgi_ran_t respond(run_t *run, wsgi_call_t *call, PyObject *result)
{
    int untouched = !call->committed;
    PyObject *items;
    apr_off_t size, limit;
    wsgi_ran_t ran = WSGI_RAN;
    int gathered = wsgi_response_gather(call, result, &items, &size);

    if (gathered <= 0) {
        return gathered < 0 ? WSGI_RAISED : wsgi_response_run(call, result);
    }
    limit = wsgi_response_admit(call, size);
    if (!untouched || call->timed || limit > PACKET_SIZE || pack(run, call, items, limit) < 0) {
        int last = !wsgi_response_is_short(call);
        ran = wsgi_response_send_items(call, items, limit, last);
    }
    Py_DECREF(items);
    return ran;
}

static void close_result(run_t *run, wsgi_call_t *call, PyObject *result)
{
    PyObject *exception;

    if (wsgi_response_close(call, result) == 0) {
        return;
    }
    if (PyErr_ExceptionMatches(call->state->request_timeout)) {
        PyErr_Clear(); /* the response is out already, there is nothing left to interrupt */
        return;
    }
    exception = wsgi_pyerror_take(run->interp, call, run->script->path);
    if (exception != NULL && call->timed) {
        wsgi_events_request_exception(call, exception);
    }
    Py_XDECREF(exception);
}

static void start_timing(wsgi_call_t *call)
{
    call->timed = 1;
    wsgi_events_thread_cpu(&call->tally.cpu_user, &call->tally.cpu_system);
}

static PyObject *invoke(wsgi_call_t *call, PyObject *application, PyObject *environ)
{
    PyObject *arguments[] = { NULL, environ, (PyObject *)call };

    return PyObject_Vectorcall(application, arguments + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
}

/* Call the application and do what it wants. Takes over the reference to `application`. */
static wsgi_outcome_t run_application(run_t *run, wsgi_call_t *call, PyObject *application)
{
    PyObject *environ, *result = NULL;
    wsgi_ran_t ran = WSGI_RAISED;
    wsgi_outcome_t outcome;

    call->tally.started = apr_time_now();
    wsgi_call_activity(call);
    if (wsgi_events_wanted(run->interp)) {
        start_timing(call);
    }
    run->thread->streams = call;
    environ = wsgi_environ_build(call);
    if (environ != NULL && call->timed) {
        Py_SETREF(application, wsgi_events_request_started(call, application, environ));
    }
    if (environ != NULL) {
        result = invoke(call, application, environ);
        wsgi_forked_end();
    }
    if (result != NULL) {
        ran = respond(run, call, result);
    }
    outcome = judge(run, call, ran);
    if (result != NULL) {
        close_result(run, call, result);
        Py_DECREF(result);
    }
    if (call->timed) {
        wsgi_response_settle(call);
        wsgi_events_request_finished(call, outcome == WSGI_TIMED_OUT  ? 504
                                           : outcome == WSGI_FAILED ? 500
                                                                    : call->reply.code);
    }
    Py_XDECREF(environ);
    Py_DECREF(application);
    return outcome;
}

/* GIL held. */
static void run_call(run_t *run, wsgi_call_t *call)
{
    wsgi_call_t *outer = run->thread->call;
    PyObject *module = NULL, *application = NULL;

    run->thread->streams = NULL; /* what a script prints while it is loaded belongs to the process */
    if (begin(run, call) == 0) {
        module = load(run, call);
    } else {
        Py_XDECREF(wsgi_pyerror_take(run->interp, call, run->script->path));
    }
    if (module != NULL) {
        application = find_application(run, call, module);
    }
    if (application != NULL) {
        run->outcome = run_application(run, call, application);
        wsgi_script_review(call->state, run->script, module);
    }
    Py_XDECREF(module);
    wsgi_forked_end(); /* iteration and close() are its code as well */
    end(run, call, outer);
    wsgi_call_finish(call);
    run->head_sent = call->head_sent;
    run->complete = call->last_sent;
    pack_held(run, call);
}

wsgi_outcome_t wsgi_execute(wsgi_runtime_t *runtime, const wsgi_request_t *request, wsgi_exchange_t *exchange)
{
    run_t run = { .runtime = runtime, .request = request, .exchange = exchange, .outcome = WSGI_FAILED };
    wsgi_call_t *call;

    if (wsgi_runtime_begin_request(runtime) == 0 && find_place(&run) == 0 && admit(&run) == 0) {
        call = wsgi_call_new(run.interp->pystate, run.thread, request, exchange);
        if (call != NULL) {
            run_call(&run, call);
            Py_DECREF(call);
        } else {
            Py_XDECREF(wsgi_pyerror_take(run.interp, NULL, run.script->path));
        }
        Py_CLEAR(run.stale);
        wsgi_interp_leave_in_turn(run.thread);
    }
    wsgi_runtime_end_request(runtime);
    if (run.failed != APR_SUCCESS && run.outcome == WSGI_DONE) { /* found out after the application's last block */
        log_loss(&run, run.failed);
        run.outcome = WSGI_TRUNCATED;
    }
    if (run.packed) {
        send_packet(&run);
    }
    if (!run.complete) {
        exchange->ops->finish(exchange, run.outcome);
    }
    return run.outcome;
}

/* @return 0 after logging why the script cannot be had */
static int load_ahead(wsgi_runtime_t *runtime, const char *script_path, const char *application_group)
{
    wsgi_thread_t *thread = wsgi_thread_current(runtime);
    wsgi_interp_t *interp = thread != NULL ? wsgi_interp_acquire(thread, application_group) : NULL;
    wsgi_script_t *script = interp != NULL ? wsgi_script_find(&interp->scripts, script_path) : NULL;
    PyObject *module;

    if (script == NULL || wsgi_interp_enter(thread, interp) < 0) {
        wsgi_log(&runtime->host->log, WSGI_HERE, WSGI_LOG_CRIT, APR_SUCCESS,
                 WSGI_LOGNO(0040) "The interpreter '%s' is not available %s; the script '%s' is not loaded.",
                 application_group, runtime->process, script_path);
        return 0;
    }
    module = wsgi_script_load(interp, NULL, script, NULL);
    Py_XDECREF(module);
    wsgi_interp_leave();
    return module != NULL;
}

wsgi_outcome_t wsgi_execute_preload(wsgi_runtime_t *runtime, const char *script_path, const char *application_group)
{
    int is_loaded = wsgi_runtime_begin_request(runtime) == 0 && load_ahead(runtime, script_path, application_group);

    wsgi_runtime_end_request(runtime);
    return is_loaded ? WSGI_DONE : WSGI_FAILED;
}
