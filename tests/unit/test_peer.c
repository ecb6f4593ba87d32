/* sources: daemon/wsgi_peer.c daemon/wsgi_inprogress.c wire/wsgi_channel.c wire/wsgi_passedfd.c */
/* sources: wire/wsgi_codec.c wire/wsgi_socket.c stats/wsgi_board.c */
/* sources: base/wsgi_clock.c base/wsgi_fields.c base/wsgi_httprules.c base/wsgi_log.c */
#include "daemon/wsgi_peer.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire/wsgi_channel.h"
#include "wire/wsgi_socket.h"
#include "wsgi_tap.h"

/*
 * A worker's end of the conversation with a made-up bridge behind it. The test is the Apache child: it writes to
 * `child` what that would say, calls serve(), and reads the answer. What fits a socket's buffer needs no second thread.
 */

enum { LONG = 20 * 1000000, SHORT = 30000 /* microseconds */ };

static const unsigned char secret[WSGI_SECRET_BYTES] = "0123456789abcdefghijklmnopqrstu";

/* ---- the other side ---- */

static struct {
    int worker, child;         /* the two ends of the connection */
    wsgi_channel_t answer;     /* what the child reads */
    wsgi_group_t group;
    wsgi_endpoint_t endpoint;
    wsgi_peer_t peer;
    int may_keep;
    char log[4096];            /* server scope */
    char request_log[4096];
    wsgi_outcome_t (*application)(const wsgi_request_t *request, wsgi_exchange_t *x);
    int runs;
    apr_uint64_t token_on_board;
    int activity, loading, answering;
    int was_request, kept;
} world;

static void note(char *log, const wsgi_record_t *record)
{
    snprintf(log + strlen(log), sizeof(world.log) - strlen(log), "%d %s\n", record->level, record->text);
}

static void write_log(void *context, const wsgi_record_t *record)
{
    (void)context;
    note(world.log, record);
}

static int is_log_enabled(void *context, wsgi_log_level_t level)
{
    (void)context;
    (void)level;
    return 1;
}

static void write_request_log(void *context, const wsgi_origin_t *origin, const wsgi_record_t *record)
{
    (void)context;
    CHECK_STR(origin->client, "192.0.2.1");
    note(world.request_log, record);
}

static int is_request_log_enabled(void *context, const wsgi_origin_t *origin, wsgi_log_level_t level)
{
    (void)context;
    (void)origin;
    (void)level;
    return 1;
}

static wsgi_outcome_t execute(wsgi_runtime_t *runtime, const wsgi_request_t *request, wsgi_exchange_t *x)
{
    wsgi_worker_snapshot_t taker;

    CHECK(runtime == (wsgi_runtime_t *)&world);
    world.runs++;
    CHECK(wsgi_board_read_taker(world.endpoint.board, 77, &taker) == 1);
    return world.application(request, x);
}

static const wsgi_bridge_t bridge = { .execute = execute };

static wsgi_change_t script_changed(void *context, const char *script, const char *application_group)
{
    (void)context;
    CHECK_STR(script, "/srv/app.wsgi");
    CHECK_STR(application_group, "group");
    return WSGI_CHANGE_REJECT;
}

static void note_activity(void *context)
{
    (void)context;
    world.activity++;
}

static void note_loading(void *context, const char *script, const char *application_group)
{
    (void)context;
    CHECK_STR(script, "/srv/app.wsgi");
    CHECK_STR(application_group, "group");
    world.loading++;
}

static void note_answering(void *context, const char *script, const char *application_group)
{
    (void)context;
    CHECK_STR(script, "/srv/app.wsgi");
    CHECK_STR(application_group, "group");
    world.answering++;
}

static void note_keep(void *context, int thread)
{
    (void)context;
    CHECK_INT(thread, 2);
    world.kept++;
}

static int begin(wsgi_outcome_t (*application)(const wsgi_request_t *request, wsgi_exchange_t *x))
{
    int fds[2];

    memset(&world, 0, sizeof(world));
    if (!CHECK(wsgi_socket_pair(fds) == 0) || !CHECK(wsgi_board_parent_create(&world.endpoint.board, 2, 3) == 0)) {
        return 0;
    }
    world.worker = fds[0];
    world.child = fds[1];
    wsgi_channel_init(&world.answer, world.child, 0, LONG, tap.pool);
    world.application = application;
    world.group.name = "app";
    world.endpoint.group = &world.group;
    memcpy(world.endpoint.secret, secret, sizeof(secret));
    world.group.request_buffer_size = 65536;
    world.peer = (wsgi_peer_t){ .endpoint = &world.endpoint,
                                .bridge = &bridge,
                                .runtime = (wsgi_runtime_t *)&world,
                                .socket_timeout = LONG,
                                .log = { write_log, is_log_enabled, NULL },
                                .request_log = { write_request_log, is_request_log_enabled, NULL },
                                .progress = wsgi_inprogress_create(3, tap.pool),
                                .slot = 1,
                                .script_changed = script_changed,
                                .loading = note_loading,
                                .answering = note_answering,
                                .keep = note_keep,
                                .activity = note_activity };
    return 1;
}

static void serve(void)
{
    wsgi_visit_t visit = { .fd = world.worker,
                           .may_keep = world.may_keep,
                           .thread = 2,
                           .accepted = 1000000,
                           .taken = 70100000 };

    world.kept = 0;
    world.was_request = wsgi_peer_serve(&world.peer, &visit, tap.pool);
    if (!world.kept) {
        close(world.worker);
    }
}

static void *serve_in_thread(void *context)
{
    (void)context;
    serve();
    return NULL;
}

static void hang_up(void)
{
    close(world.child);
    world.child = -1;
}

static void end(void)
{
    wsgi_worker_snapshot_t taker;

    CHECK_INT(wsgi_board_read_taker(world.endpoint.board, 77, &taker), 0); /* forgotten once it is done */
    wsgi_channel_done(&world.answer);
    if (world.child >= 0) {
        close(world.child);
    }
    wsgi_board_parent_destroy(world.endpoint.board);
}

/* ---- what an Apache child says ---- */

static void say(const void *bytes, size_t len)
{
    CHECK_INT(send(world.child, bytes, len, MSG_NOSIGNAL), len);
}

static void say_frame(wsgi_frame_type_t type, const char *payload)
{
    wsgi_frame_t frame = wsgi_codec_frame(type, 0, strlen(payload));

    say(&frame, sizeof(frame));
    if (*payload) {
        say(payload, strlen(payload));
    }
}

static wsgi_call_t sample_call(void)
{
    wsgi_call_t call = { .secret = secret,
                         .token = 77,
                         .route = { .process_group = "app",
                                    .application_group = "group",
                                    .callable_object = "application",
                                    .script = "/srv/app.wsgi",
                                    .resource = "/srv/app.wsgi",
                                    .handler = "wsgi-script" },
                         .request_start = 400000,
                         .queue_start = 900000,
                         .queued = 70000000,
                         .is_https = 1,
                         .daemon_connects = 2,
                         .daemon_restarts = 1,
                         .origin = { .client = "192.0.2.1" } };

    wsgi_fields_init(&call.variables, 4, tap.pool);
    wsgi_fields_add(&call.variables, "SCRIPT_FILENAME", "/srv/app.wsgi");
    wsgi_fields_add(&call.variables, "DOCUMENT_ROOT", "/srv/htdocs");
    return call;
}

static void say_call(const wsgi_call_t *call, int body)
{
    apr_size_t len;
    char *block = wsgi_codec_encode_request(&len, call, body, tap.pool);

    say(block, len);
}

static void say_request(int body)
{
    wsgi_call_t call = sample_call();

    say_call(&call, body);
}

/* ---- what it hears ---- */

static int hear(wsgi_frame_t *frame)
{
    return CHECK_INT(wsgi_channel_next(&world.answer, frame), APR_SUCCESS);
}

static void hear_head(int status)
{
    wsgi_frame_t frame;
    wsgi_head_t head;
    char *payload;

    if (hear(&frame) && CHECK_INT(frame.type, WSGI_FRAME_HEAD)
        && CHECK_INT(wsgi_channel_payload(&world.answer, &payload), APR_SUCCESS)
        && CHECK_INT(wsgi_codec_decode_head(&head, payload, frame.length, tap.pool), APR_SUCCESS)) {
        CHECK_INT(head.status, status);
    }
}

static void hear_data(const char *text)
{
    wsgi_frame_t frame;
    char *payload;

    if (hear(&frame) && CHECK_INT(frame.type, WSGI_FRAME_DATA)
        && CHECK_INT(wsgi_channel_payload(&world.answer, &payload), APR_SUCCESS)) {
        CHECK_BYTES(payload, frame.length, text, strlen(text));
    }
}

static void hear_end(wsgi_outcome_t outcome)
{
    wsgi_frame_t frame;

    if (hear(&frame) && CHECK_INT(frame.type, WSGI_FRAME_END)) {
        CHECK_INT(frame.flags, outcome);
    }
    CHECK_INT(wsgi_channel_next(&world.answer, &frame), APR_EOF);
}

/* The end of a response after which the worker is ready for another request. */
static void hear_kept_end(wsgi_outcome_t outcome)
{
    wsgi_frame_t frame;
    int is_kept = 0;

    if (hear(&frame) && CHECK_INT(frame.type, WSGI_FRAME_END)) {
        CHECK_INT(wsgi_codec_end(&frame, &is_kept), outcome);
        CHECK(is_kept);
    }
    CHECK(world.was_request);
    CHECK_INT(world.kept, 1);
    CHECK(!wsgi_channel_has_input(&world.answer));
}

static void hear_go(void)
{
    wsgi_frame_t frame;

    if (hear(&frame)) {
        CHECK_INT(frame.type, WSGI_FRAME_GO);
    }
}

static void hear_nothing(void)
{
    wsgi_frame_t frame;

    CHECK_INT(wsgi_channel_next(&world.answer, &frame), APR_EOF);
}

/* ---- applications ---- */

static const wsgi_head_t ok = { 200, "OK", NULL, 0 };

static wsgi_outcome_t reply_hello(const wsgi_request_t *request, wsgi_exchange_t *x)
{
    struct iovec blocks[2] = { { "Hello ", 6 }, { "World!", 6 } };

    (void)request;
    x->ops->proceed(x);
    CHECK_INT(x->ops->send(x, &ok, blocks, 2, WSGI_SEND_LAST), APR_SUCCESS);
    CHECK(!x->ops->aborted(x));
    return WSGI_DONE;
}

static wsgi_outcome_t never(const wsgi_request_t *request, wsgi_exchange_t *x)
{
    (void)request;
    (void)x;
    CHECK(!"the request is not to be run");
    return WSGI_DONE;
}

/* Read the body to its end, or to its failure. @return what reading ended with */
static apr_status_t read_body(wsgi_exchange_t *x, char *body, size_t capacity)
{
    size_t done = 0;
    apr_status_t rv;
    apr_size_t len;

    do {
        len = capacity - done - 1;
        rv = x->ops->read(x, body + done, &len);
        done += len;
    } while (rv == APR_SUCCESS && len > 0);
    body[done] = '\0';
    return rv;
}

static apr_status_t body_status;

static wsgi_outcome_t echo(const wsgi_request_t *request, wsgi_exchange_t *x)
{
    char body[4096];
    struct iovec block;

    (void)request;
    x->ops->proceed(x);
    body_status = read_body(x, body, sizeof(body));
    if (body_status != APR_SUCCESS) {
        char more[4];
        apr_size_t len = sizeof(more);
        CHECK_INT(x->ops->read(x, more, &len), body_status); /* it does not heal */
        CHECK_INT(len, 0);
        return WSGI_FAILED;
    }
    block = (struct iovec){ body, strlen(body) };
    CHECK_INT(x->ops->send(x, &ok, &block, 1, WSGI_SEND_LAST), APR_SUCCESS);
    return WSGI_DONE;
}

/* ---- tests: requests as they should be ---- */

static void a_small_response_comes_in_one_piece(void)
{
    CHECK_OR_RETURN(begin(reply_hello));
    say_request(WSGI_BODY_NONE);
    serve();
    CHECK(world.was_request);
    hear_head(200);
    CHECK(wsgi_channel_has_input(&world.answer)); /* all came with one read */
    hear_data("Hello World!");
    hear_end(WSGI_DONE);
    CHECK_INT(world.runs, 1);
    CHECK_INT(world.loading, 1);
    CHECK_INT(world.answering, 1);
    CHECK_STR(world.log, "");
    end();
}

static wsgi_outcome_t look_at_request(const wsgi_request_t *request, wsgi_exchange_t *x)
{
    CHECK_TIME(request->moments.request_start, 400000);
    CHECK_TIME(request->moments.queue_start, 900000);
    CHECK_TIME(request->moments.daemon_start, 1000000);
    CHECK_STR(request->url_scheme, "https");
    CHECK_INT(request->daemon_connects, 2);
    CHECK_INT(request->daemon_restarts, 1);
    CHECK(request->apache_request == NULL);
    CHECK_STR(request->route->script, "/srv/app.wsgi");
    CHECK_STR(wsgi_fields_get(request->variables, "SCRIPT_FILENAME"), "/srv/app.wsgi");
    CHECK_STR(wsgi_fields_get(request->variables, "DOCUMENT_ROOT"), "/srv/htdocs");
    return reply_hello(request, x);
}

static void the_bridge_sees_what_the_child_said(void)
{
    CHECK_OR_RETURN(begin(look_at_request));
    say_request(WSGI_BODY_NONE);
    serve();
    hear_head(200);
    hear_data("Hello World!");
    hear_end(WSGI_DONE);
    end();
}

static void a_collected_body_is_read_from_the_same_connection(void)
{
    CHECK_OR_RETURN(begin(echo));
    say_request(WSGI_BODY_FOLLOWS);
    say_frame(WSGI_FRAME_BODY, "one two");
    say_frame(WSGI_FRAME_BODY_END, "");
    serve();
    hear_head(200); /* and no GO before it */
    hear_data("one two");
    hear_end(WSGI_DONE);
    end();
}

static void a_deferred_body_is_asked_for(void)
{
    pthread_t thread;
    wsgi_frame_t frame;

    CHECK_OR_RETURN(begin(echo));
    say_request(WSGI_BODY_DEFERRED);
    CHECK_OR_RETURN(pthread_create(&thread, NULL, serve_in_thread, NULL) == 0);
    if (hear(&frame) && CHECK_INT(frame.type, WSGI_FRAME_GO)) {
        say_frame(WSGI_FRAME_BODY, "later");
        say_frame(WSGI_FRAME_BODY_END, "");
        hear_head(200);
        hear_data("later");
        hear_end(WSGI_DONE);
    }
    pthread_join(thread, NULL);
    end();
}

static void a_body_may_stay_unread(void)
{
    CHECK_OR_RETURN(begin(reply_hello));
    say_request(WSGI_BODY_FOLLOWS);
    say_frame(WSGI_FRAME_BODY, "nobody wants this");
    say_frame(WSGI_FRAME_BODY_END, "");
    serve();
    hear_head(200);
    hear_data("Hello World!");
    hear_end(WSGI_DONE);
    end();
}

static wsgi_outcome_t send_in_steps(const wsgi_request_t *request, wsgi_exchange_t *x)
{
    struct iovec block = { "a", 1 };

    (void)request;
    x->ops->proceed(x);
    CHECK_INT(x->ops->send(x, &ok, NULL, 0, WSGI_SEND_FLUSH), APR_SUCCESS);
    CHECK_INT(x->ops->send(x, NULL, &block, 1, WSGI_SEND_FLUSH), APR_SUCCESS);
    CHECK_INT(x->ops->send(x, NULL, &block, 1, WSGI_SEND_FLUSH), APR_SUCCESS);
    CHECK_INT(x->ops->finish(x, WSGI_DONE), APR_SUCCESS);
    return WSGI_DONE;
}

static void an_answer_in_steps_arrives_in_steps(void)
{
    CHECK_OR_RETURN(begin(send_in_steps));
    say_request(WSGI_BODY_NONE);
    serve();
    hear_head(200);
    hear_data("a");
    hear_data("a");
    hear_end(WSGI_DONE);
    CHECK_INT(world.activity, 5); /* the start counts, too */
    end();
}

enum { MANY = 100 };

static wsgi_outcome_t send_many_blocks(const wsgi_request_t *request, wsgi_exchange_t *x)
{
    struct iovec blocks[MANY];

    (void)request;
    for (int i = 0; i < MANY; i++) {
        blocks[i] = (struct iovec){ "x", 1 };
    }
    CHECK_INT(x->ops->send(x, &ok, blocks, MANY, WSGI_SEND_LAST), APR_SUCCESS);
    return WSGI_DONE;
}

static void a_list_of_blocks_is_one_frame(void)
{
    char text[MANY + 1];

    memset(text, 'x', MANY);
    text[MANY] = '\0';
    CHECK_OR_RETURN(begin(send_many_blocks));
    say_request(WSGI_BODY_NONE);
    serve();
    hear_head(200);
    hear_data(text);
    hear_end(WSGI_DONE);
    end();
}

static wsgi_outcome_t send_file(const wsgi_request_t *request, wsgi_exchange_t *x)
{
    int fds[2];

    (void)request;
    CHECK(pipe(fds) == 0);
    CHECK_INT(x->ops->send_file(x, &ok, fds[1], 3, 4), APR_SUCCESS);
    CHECK_INT(x->ops->finish(x, WSGI_DONE), APR_SUCCESS);
    CHECK_INT(close(fds[0]), 0);
    CHECK_INT(close(fds[1]), 0); /* it was only borrowed */
    return WSGI_DONE;
}

static void a_file_travels_as_its_descriptor(void)
{
    wsgi_frame_t frame;
    wsgi_file_piece_t piece;
    char *payload;
    int fd = -1;

    CHECK_OR_RETURN(begin(send_file));
    say_request(WSGI_BODY_NONE);
    serve();
    hear_head(200);
    if (hear(&frame) && CHECK_INT(frame.type, WSGI_FRAME_FILE)
        && CHECK_INT(wsgi_channel_payload(&world.answer, &payload), APR_SUCCESS)) {
        memcpy(&piece, payload, sizeof(piece));
        CHECK_INT(piece.offset, 3);
        CHECK_INT(piece.length, 4);
        fd = wsgi_channel_take_fd(&world.answer);
        CHECK(fd >= 0);
        close(fd);
    }
    hear_end(WSGI_DONE);
    end();
}

/* ---- tests: outcomes ---- */

static wsgi_outcome_t fail(const wsgi_request_t *request, wsgi_exchange_t *x)
{
    (void)request;
    (void)x;
    return WSGI_FAILED; /* without finish: the peer says it for the bridge */
}

static wsgi_outcome_t truncate_body(const wsgi_request_t *request, wsgi_exchange_t *x)
{
    struct iovec block = { "half", 4 };

    (void)request;
    CHECK_INT(x->ops->send(x, &ok, &block, 1, WSGI_SEND_FLUSH), APR_SUCCESS);
    CHECK_INT(x->ops->finish(x, WSGI_TRUNCATED), APR_SUCCESS);
    return WSGI_TRUNCATED;
}

static wsgi_outcome_t reject(const wsgi_request_t *request, wsgi_exchange_t *x)
{
    (void)request;
    return x->ops->script_changed(x) == WSGI_CHANGE_REJECT ? WSGI_REJECTED : WSGI_FAILED;
}

static void outcomes_reach_the_child(void)
{
    CHECK_OR_RETURN(begin(fail));
    say_request(WSGI_BODY_NONE);
    serve();
    CHECK_INT(world.answering, 0);
    hear_end(WSGI_FAILED);
    end();

    CHECK_OR_RETURN(begin(truncate_body));
    say_request(WSGI_BODY_NONE);
    serve();
    hear_head(200);
    hear_data("half");
    hear_end(WSGI_TRUNCATED);
    end();

    CHECK_OR_RETURN(begin(reject));
    say_request(WSGI_BODY_DEFERRED);
    serve();
    hear_end(WSGI_REJECTED); /* and no GO: the body stays with the child */
    end();
}

static void a_request_that_waited_too_long_is_not_run(void)
{
    CHECK_OR_RETURN(begin(never));
    world.group.queue_timeout = 500000;
    say_request(WSGI_BODY_NONE);
    serve();
    hear_end(WSGI_EXPIRED);
    CHECK_CONTAINS(world.request_log, "3 WSGI0084: ");
    CHECK_CONTAINS(world.request_log, "'app'");
    end();

    CHECK_OR_RETURN(begin(reply_hello));
    world.group.queue_timeout = 600000; /* it waited exactly so long */
    say_request(WSGI_BODY_NONE);
    serve();
    CHECK_INT(world.runs, 1);
    end();
}

static void without_python_every_request_fails(void)
{
    CHECK_OR_RETURN(begin(never));
    world.peer.runtime = NULL;
    say_request(WSGI_BODY_NONE);
    serve();
    hear_end(WSGI_FAILED);
    CHECK_CONTAINS(world.request_log, "WSGI0087: ");
    end();
}

static wsgi_outcome_t log_something(const wsgi_request_t *request, wsgi_exchange_t *x)
{
    wsgi_record_t record = { .level = WSGI_LOG_INFO, .file = "f", .text = "from the application" };

    CHECK(x->ops->log_enabled(x, WSGI_LOG_INFO));
    x->ops->log(x, &record);
    return reply_hello(request, x);
}

static void messages_of_a_request_go_to_its_own_log(void)
{
    CHECK_OR_RETURN(begin(log_something));
    say_request(WSGI_BODY_NONE);
    serve();
    CHECK_STR(world.request_log, "6 from the application\n");
    CHECK_STR(world.log, "");
    end();
}

/* ---- tests: chroot ---- */

static wsgi_outcome_t look_inside_chroot(const wsgi_request_t *request, wsgi_exchange_t *x)
{
    (void)x;
    CHECK_STR(request->route->script, "/app.wsgi");
    CHECK_STR(request->route->resource, "/app.wsgi");
    CHECK_STR(wsgi_fields_get(request->variables, "SCRIPT_FILENAME"), "/app.wsgi");
    CHECK_STR(wsgi_fields_get(request->variables, "DOCUMENT_ROOT"), "/htdocs");
    return WSGI_FAILED;
}

static void paths_are_those_inside_the_chroot(void)
{
    static const char *const roots[] = { "/srv", "/srv/" };

    for (int i = 0; i < 2; i++) {
        CHECK_OR_RETURN(begin(look_inside_chroot));
        world.group.chroot = roots[i];
        say_request(WSGI_BODY_NONE);
        serve();
        CHECK_INT(world.runs, 1);
        end();
    }
}

static void a_script_outside_the_chroot_is_refused(void)
{
    static const char *const roots[] = { "/jail", "/sr", "/srv/app.wsgi/x" };

    for (int i = 0; i < 3; i++) {
        CHECK_OR_RETURN(begin(never));
        world.group.chroot = roots[i];
        say_request(WSGI_BODY_NONE);
        serve();
        CHECK_CONTAINS(world.log, "3 WSGI0081: ");
        hear_nothing();
        end();
    }
}

/* ---- tests: those who are not entitled, or make no sense ---- */

static void a_wrong_secret_is_refused(void)
{
    unsigned char wrong[WSGI_SECRET_BYTES];
    wsgi_call_t call = sample_call();

    for (int i = 0; i < WSGI_SECRET_BYTES; i += 31) {
        CHECK_OR_RETURN(begin(never));
        memcpy(wrong, secret, sizeof(wrong));
        wrong[i] ^= 1;
        call.secret = wrong;
        say_call(&call, WSGI_BODY_NONE);
        serve();
        CHECK_CONTAINS(world.log, "1 WSGI0034: ");
        hear_nothing();
        end();
    }
}

static void a_missing_secret_is_refused(void)
{
    static const unsigned char none[WSGI_SECRET_BYTES];
    wsgi_frame_t frame = wsgi_codec_frame(WSGI_FRAME_REQUEST, 0, WSGI_SECRET_BYTES - 1);
    wsgi_call_t call = sample_call();

    CHECK_OR_RETURN(begin(never));
    call.secret = none;
    say_call(&call, WSGI_BODY_NONE);
    serve();
    CHECK_CONTAINS(world.log, "1 WSGI0033: ");
    hear_nothing();
    end();

    CHECK_OR_RETURN(begin(never));
    say(&frame, sizeof(frame));
    say(secret, WSGI_SECRET_BYTES - 1);
    serve();
    CHECK_CONTAINS(world.log, "1 WSGI0033: ");
    hear_nothing();
    end();
}

static void a_visitor_who_says_nothing_is_no_news(void)
{
    CHECK_OR_RETURN(begin(never));
    hang_up();
    serve();
    CHECK_INT(world.kept, 0);
    CHECK_STR(world.log, "");
    end();
}

static void a_silent_visitor_is_dropped_in_time(void)
{
    CHECK_OR_RETURN(begin(never));
    world.peer.socket_timeout = SHORT;
    serve();
    CHECK_CONTAINS(world.log, "3 WSGI0080: ");
    hear_nothing();
    end();
}

static void nonsense_is_dropped(void)
{
    wsgi_frame_t frames[] = {
        { .length = 0xffffffffu, .type = WSGI_FRAME_REQUEST },
        { .length = WSGI_REQUEST_MAX + 1, .type = WSGI_FRAME_REQUEST },
        { .length = 100, .type = WSGI_FRAME_REQUEST, .flags = 3 },
        { .length = 100, .type = WSGI_FRAME_REQUEST, .zero = 1 },
        { .length = 4, .type = WSGI_FRAME_BODY },
        { .type = WSGI_FRAME_BODY_END },
        { .type = WSGI_FRAME_GO },
        { .type = WSGI_FRAME_END },
        { .length = 0x20544547, .type = ' ' }, /* "GET / HT" */
    };

    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        CHECK_OR_RETURN(begin(never));
        say(&frames[i], sizeof(frames[i]));
        serve();
        CHECK_CONTAINS(world.log, "3 WSGI0080: ");
        hear_nothing();
        end();
    }
}

static void a_request_that_does_not_decode_is_dropped(void)
{
    wsgi_frame_t frame = wsgi_codec_frame(WSGI_FRAME_REQUEST, 0, WSGI_SECRET_BYTES + 9);

    CHECK_OR_RETURN(begin(never));
    say(&frame, sizeof(frame));
    say(secret, WSGI_SECRET_BYTES);
    say("too short", 9);
    serve();
    CHECK_CONTAINS(world.log, "3 WSGI0080: ");
    hear_nothing();
    end();
}

/* The child may vanish after any byte of what it has to say. */
static void a_child_may_vanish_at_any_moment(void)
{
    wsgi_call_t call = sample_call();
    wsgi_frame_t body = wsgi_codec_frame(WSGI_FRAME_BODY, 0, 4), last = wsgi_codec_frame(WSGI_FRAME_BODY_END, 0, 0);
    apr_size_t request_len, len;
    char *block = wsgi_codec_encode_request(&request_len, &call, WSGI_BODY_FOLLOWS, tap.pool);
    char *all = apr_palloc(tap.pool, request_len + 100);

    memcpy(all, block, request_len);
    memcpy(all + request_len, &body, sizeof(body));
    memcpy(all + request_len + 8, "body", 4);
    memcpy(all + request_len + 12, &last, sizeof(last));
    len = request_len + 20;
    for (size_t n = 1; n < len; n++) {
        CHECK_OR_RETURN(begin(echo));
        say(all, n);
        hang_up();
        serve();
        CHECK_INT(world.runs, 0); /* never with a part of the body */
        if (n >= sizeof(wsgi_frame_t)) {
            CHECK_CONTAINS(world.log, "3 WSGI0080: ");
        }
        end();
    }
}

static void a_request_byte_by_byte_is_served(void)
{
    wsgi_call_t call = sample_call();
    apr_size_t len;
    char *block = wsgi_codec_encode_request(&len, &call, WSGI_BODY_FOLLOWS, tap.pool);
    pthread_t thread;

    CHECK_OR_RETURN(begin(echo));
    CHECK_OR_RETURN(pthread_create(&thread, NULL, serve_in_thread, NULL) == 0);
    for (apr_size_t i = 0; i < len; i++) {
        say(block + i, 1);
    }
    say_frame(WSGI_FRAME_BODY, "b");
    say_frame(WSGI_FRAME_BODY_END, "");
    hear_head(200);
    hear_data("b");
    hear_end(WSGI_DONE);
    pthread_join(thread, NULL);
    end();
}

static void a_broken_body_is_an_error(void)
{
    static const struct {
        wsgi_frame_type_t type;
        const char *payload;
        apr_status_t status;
    } frames[] = {
        { WSGI_FRAME_BODY_FAILED, "", APR_ECONNABORTED },
        { WSGI_FRAME_REQUEST, "again", APR_EGENERAL },
        { WSGI_FRAME_HEAD, "mine", APR_EGENERAL },
        { WSGI_FRAME_BODY_END, "payload", APR_EGENERAL },
    };

    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        CHECK_OR_RETURN(begin(echo));
        say_request(WSGI_BODY_DEFERRED);
        say_frame(WSGI_FRAME_BODY, "go");
        say_frame(WSGI_FRAME_BODY, "od");
        say_frame(frames[i].type, frames[i].payload);
        serve();
        CHECK_INT(body_status, frames[i].status);
        hear_go();
        hear_end(WSGI_FAILED);
        end();

        CHECK_OR_RETURN(begin(never)); /* where it follows at once nothing has begun when that shows */
        say_request(WSGI_BODY_FOLLOWS);
        say_frame(WSGI_FRAME_BODY, "good");
        say_frame(frames[i].type, frames[i].payload);
        serve();
        CHECK_CONTAINS(world.log, "3 WSGI0080: ");
        hear_nothing();
        end();
    }
}

static void a_collected_body_is_one_block(void)
{
    CHECK_OR_RETURN(begin(never));
    say_request(WSGI_BODY_FOLLOWS);
    say_frame(WSGI_FRAME_BODY, "one ");
    say_frame(WSGI_FRAME_BODY, "two");
    say_frame(WSGI_FRAME_BODY_END, "");
    serve();
    CHECK_CONTAINS(world.log, "3 WSGI0080: ");
    end();

    CHECK_OR_RETURN(begin(never));
    world.group.request_buffer_size = 6;
    say_request(WSGI_BODY_FOLLOWS);
    say_frame(WSGI_FRAME_BODY, "too long");
    say_frame(WSGI_FRAME_BODY_END, "");
    serve();
    CHECK_CONTAINS(world.log, "3 WSGI0080: ");
    end();

    CHECK_OR_RETURN(begin(echo));
    say_request(WSGI_BODY_FOLLOWS); /* its filters left nothing of it */
    say_frame(WSGI_FRAME_BODY_END, "");
    serve();
    CHECK_INT(body_status, APR_SUCCESS);
    hear_head(200);
    hear_end(WSGI_DONE);
    end();
}

static void a_body_that_stops_coming_is_an_error(void)
{
    CHECK_OR_RETURN(begin(echo));
    world.peer.socket_timeout = SHORT;
    say_request(WSGI_BODY_DEFERRED);
    say_frame(WSGI_FRAME_BODY, "good");
    serve();
    CHECK_INT(body_status, APR_TIMEUP);
    hear_go();
    hear_end(WSGI_FAILED);
    end();

    CHECK_OR_RETURN(begin(never));
    world.peer.socket_timeout = SHORT;
    say_request(WSGI_BODY_FOLLOWS);
    say_frame(WSGI_FRAME_BODY, "good");
    serve();
    CHECK_CONTAINS(world.log, "3 WSGI0080: ");
    hear_nothing();
    end();
}

static void nothing_is_read_where_no_body_was_announced(void)
{
    CHECK_OR_RETURN(begin(echo));
    say_request(WSGI_BODY_NONE);
    say_frame(WSGI_FRAME_BODY, "smuggled");
    serve();
    CHECK_INT(body_status, APR_SUCCESS);
    hear_head(200);
    hear_end(WSGI_DONE);
    end();
}

/* ---- tests: a child that leaves or stalls while it is answered ---- */

static apr_status_t last_status;

static wsgi_outcome_t send_until_aborted(const wsgi_request_t *request, wsgi_exchange_t *x)
{
    char *bytes = apr_pcalloc(tap.pool, 1 << 20);
    struct iovec block = { bytes, 1 << 20 };

    (void)request;
    last_status = x->ops->send(x, &ok, &block, 1, WSGI_SEND_FLUSH);
    for (int i = 0; i < 8 && last_status == APR_SUCCESS; i++) {
        last_status = x->ops->send(x, NULL, &block, 1, WSGI_SEND_FLUSH);
    }
    CHECK(x->ops->aborted(x));
    CHECK_INT(x->ops->send(x, NULL, &block, 1, WSGI_SEND_FLUSH), APR_ECONNABORTED);
    CHECK_INT(x->ops->finish(x, WSGI_DONE), APR_ECONNABORTED);
    return WSGI_DONE;
}

static void a_child_that_left_is_an_abort(void)
{
    CHECK_OR_RETURN(begin(send_until_aborted));
    say_request(WSGI_BODY_NONE);
    hang_up();
    serve();
    CHECK_INT(last_status, APR_ECONNABORTED);
    end();
}

static void a_child_that_does_not_read_is_given_up_in_time(void)
{
    CHECK_OR_RETURN(begin(send_until_aborted));
    world.peer.socket_timeout = SHORT;
    say_request(WSGI_BODY_NONE);
    serve();
    CHECK_INT(last_status, APR_TIMEUP);
    end();
}

/* More than fits an encoded head: the bridge is told, and may still answer with a failure. */
static wsgi_outcome_t send_a_giant_head(const wsgi_request_t *request, wsgi_exchange_t *x)
{
    char *value = apr_palloc(tap.pool, WSGI_HEAD_MAX + 1);
    wsgi_field_t header = { "X-Giant", value, 7, WSGI_HEAD_MAX };
    wsgi_head_t head = { 200, "OK", &header, 1 };

    (void)request;
    memset(value, 'x', WSGI_HEAD_MAX);
    value[WSGI_HEAD_MAX] = '\0';
    CHECK_INT(x->ops->send(x, &head, NULL, 0, WSGI_SEND_LAST), APR_ENOSPC);
    return WSGI_FAILED;
}

static void a_head_too_large_to_send_fails_the_request(void)
{
    CHECK_OR_RETURN(begin(send_a_giant_head));
    say_request(WSGI_BODY_NONE);
    serve();
    hear_end(WSGI_FAILED);
    end();
}

/* ---- tests: connections that are kept ---- */

static int begin_kept(wsgi_outcome_t (*application)(const wsgi_request_t *request, wsgi_exchange_t *x))
{
    int is_begun = begin(application);

    world.may_keep = 1;
    return is_begun;
}

static void end_kept(void)
{
    close(world.worker);
    end();
}

static void one_request_follows_another(void)
{
    CHECK_OR_RETURN(begin_kept(echo));
    for (int i = 0; i < 3; i++) {
        say_request(i == 1 ? WSGI_BODY_FOLLOWS : WSGI_BODY_NONE);
        if (i == 1) {
            say_frame(WSGI_FRAME_BODY, "body");
            say_frame(WSGI_FRAME_BODY_END, "");
        }
        serve();
        hear_head(200);
        if (i == 1) {
            hear_data("body");
        }
        hear_kept_end(WSGI_DONE);
    }
    CHECK_INT(world.runs, 3);
    end_kept();
}

static void a_failure_is_no_reason_to_close(void)
{
    CHECK_OR_RETURN(begin_kept(fail));
    say_request(WSGI_BODY_NONE);
    serve();
    hear_kept_end(WSGI_FAILED);
    end_kept();

    CHECK_OR_RETURN(begin_kept(never));
    world.group.queue_timeout = 1;
    say_request(WSGI_BODY_NONE);
    serve();
    hear_kept_end(WSGI_EXPIRED);
    end_kept();
}

static void a_body_that_was_not_read_leaves_nothing_behind(void)
{
    CHECK_OR_RETURN(begin_kept(reply_hello));
    for (int i = 0; i < 2; i++) {
        say_request(WSGI_BODY_FOLLOWS);
        say_frame(WSGI_FRAME_BODY, "nobody wants this");
        say_frame(WSGI_FRAME_BODY_END, "");
        serve();
        hear_head(200);
        hear_data("Hello World!");
        hear_kept_end(WSGI_DONE);
    }
    end_kept();
}

static void where_something_may_be_on_its_way_the_connection_ends(void)
{
    CHECK_OR_RETURN(begin_kept(reply_hello));
    say_request(WSGI_BODY_DEFERRED);
    serve();
    hear_go();
    hear_head(200);
    hear_data("Hello World!");
    hear_end(WSGI_DONE);
    end();

    CHECK_OR_RETURN(begin_kept(reply_hello));
    say_request(WSGI_BODY_NONE);
    say_frame(WSGI_FRAME_BODY, "smuggled");
    serve();
    hear_head(200);
    hear_data("Hello World!");
    hear_end(WSGI_DONE);
    end();

    CHECK_OR_RETURN(begin_kept(reject)); /* to another worker */
    say_request(WSGI_BODY_NONE);
    serve();
    hear_end(WSGI_REJECTED);
    end();
}

static void nobody_waits_for_a_request_that_has_not_come(void)
{
    CHECK_OR_RETURN(begin_kept(reply_hello));
    serve();
    CHECK_INT(world.kept, 1);
    CHECK(!world.was_request);
    say_request(WSGI_BODY_NONE);
    serve();
    hear_head(200);
    hear_data("Hello World!");
    hear_kept_end(WSGI_DONE);
    hang_up();
    serve();
    CHECK_INT(world.kept, 0);
    CHECK(!world.was_request);
    CHECK_STR(world.log, "");
    end();
}

static void who_has_left_is_not_waited_for(void)
{
    CHECK_OR_RETURN(begin_kept(send_until_aborted));
    say_request(WSGI_BODY_NONE);
    hang_up();
    serve();
    CHECK_INT(world.kept, 0);
    end();
}

static wsgi_outcome_t look_after_the_end(const wsgi_request_t *request, wsgi_exchange_t *x)
{
    char body[10];
    apr_size_t len = sizeof(body);

    CHECK_INT(reply_hello(request, x), WSGI_DONE);
    CHECK_INT(world.kept, 1); /* though the application goes on */
    say_request(WSGI_BODY_NONE);
    CHECK_INT(x->ops->read(x, body, &len), APR_SUCCESS);
    CHECK_INT(len, 0); /* not of the next request */
    CHECK_INT(x->ops->finish(x, WSGI_DONE), APR_SUCCESS);
    CHECK(!x->ops->aborted(x));
    return WSGI_DONE;
}

static void another_request_may_come_while_the_application_goes_on(void)
{
    CHECK_OR_RETURN(begin_kept(look_after_the_end));
    say_request(WSGI_BODY_NONE);
    serve();
    hear_head(200);
    hear_data("Hello World!");
    hear_kept_end(WSGI_DONE);
    world.application = reply_hello;
    serve();
    hear_head(200);
    hear_data("Hello World!");
    hear_kept_end(WSGI_DONE);
    end_kept();
}

int main(void)
{
    TAP_RUN(a_small_response_comes_in_one_piece);
    TAP_RUN(the_bridge_sees_what_the_child_said);
    TAP_RUN(a_collected_body_is_read_from_the_same_connection);
    TAP_RUN(a_deferred_body_is_asked_for);
    TAP_RUN(a_body_may_stay_unread);
    TAP_RUN(an_answer_in_steps_arrives_in_steps);
    TAP_RUN(a_list_of_blocks_is_one_frame);
    TAP_RUN(a_file_travels_as_its_descriptor);
    TAP_RUN(outcomes_reach_the_child);
    TAP_RUN(a_request_that_waited_too_long_is_not_run);
    TAP_RUN(without_python_every_request_fails);
    TAP_RUN(messages_of_a_request_go_to_its_own_log);
    TAP_RUN(paths_are_those_inside_the_chroot);
    TAP_RUN(a_script_outside_the_chroot_is_refused);
    TAP_RUN(a_wrong_secret_is_refused);
    TAP_RUN(a_missing_secret_is_refused);
    TAP_RUN(a_visitor_who_says_nothing_is_no_news);
    TAP_RUN(a_silent_visitor_is_dropped_in_time);
    TAP_RUN(nonsense_is_dropped);
    TAP_RUN(a_request_that_does_not_decode_is_dropped);
    TAP_RUN(a_child_may_vanish_at_any_moment);
    TAP_RUN(a_request_byte_by_byte_is_served);
    TAP_RUN(a_broken_body_is_an_error);
    TAP_RUN(a_collected_body_is_one_block);
    TAP_RUN(a_body_that_stops_coming_is_an_error);
    TAP_RUN(nothing_is_read_where_no_body_was_announced);
    TAP_RUN(a_child_that_left_is_an_abort);
    TAP_RUN(a_child_that_does_not_read_is_given_up_in_time);
    TAP_RUN(a_head_too_large_to_send_fails_the_request);
    TAP_RUN(one_request_follows_another);
    TAP_RUN(a_failure_is_no_reason_to_close);
    TAP_RUN(a_body_that_was_not_read_leaves_nothing_behind);
    TAP_RUN(where_something_may_be_on_its_way_the_connection_ends);
    TAP_RUN(nobody_waits_for_a_request_that_has_not_come);
    TAP_RUN(who_has_left_is_not_waited_for);
    TAP_RUN(another_request_may_come_while_the_application_goes_on);
    return tap_done();
}
