/* sources: bridge/wsgi_flusher.c base/wsgi_clock.c base/wsgi_log.c */
#include "bridge/wsgi_flusher.h"

#include "base/wsgi_clock.h"
#include "wsgi_tap.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#define MANY 50 /* the thread sanitizer follows 64 locks that one thread holds */

/* Output of an imagined request; `hold` keeps its send from returning. */
typedef struct {
    wsgi_flush_t flush;
    pthread_mutex_t hold;
    atomic_int begun, ended;
    apr_time_t at;
} output_t;

static wsgi_flusher_t flusher;
static atomic_int sends;
static atomic_int messages;

static void send_output(wsgi_flush_t *flush)
{
    output_t *output = (output_t *)flush;

    output->at = wsgi_clock_now();
    atomic_fetch_add(&sends, 1);
    atomic_fetch_add(&output->begun, 1);
    pthread_mutex_lock(&output->hold);
    pthread_mutex_unlock(&output->hold);
    atomic_fetch_add(&output->ended, 1);
}

static void count_message(void *context, const wsgi_record_t *record)
{
    (void)context;
    atomic_fetch_add(&messages, strstr(record->text, "WSGI0217") != NULL);
}

static int log_everything(void *context, wsgi_log_level_t level)
{
    (void)context;
    (void)level;
    return 1;
}

static output_t *make_output(void)
{
    output_t *output = apr_pcalloc(tap.pool, sizeof(*output));

    output->flush.send = send_output;
    output->hold = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    return output;
}

static int add(output_t *output)
{
    return wsgi_flusher_add(&flusher, &output->flush, wsgi_clock_now() + WSGI_HOLD_TIME);
}

static int comes(const atomic_int *counter, int value)
{
    apr_time_t deadline = wsgi_clock_now() + apr_time_from_sec(30);

    while (atomic_load(counter) < value && wsgi_clock_now() < deadline) {
        poll(NULL, 0, 1);
    }
    return atomic_load(counter) == value;
}

static void begin(void)
{
    static const wsgi_log_sink_t sink = { .write = count_message, .enabled = log_everything };

    CHECK_INT(wsgi_flusher_init(&flusher, &sink, "in a test"), 0);
    atomic_store(&sends, 0);
    messages = 0;
}

static void finish(void)
{
    wsgi_flusher_stop(&flusher);
    CHECK_INT(flusher.threads, 0);
}

static void output_is_sent_when_it_is_due(void)
{
    output_t *output = make_output();
    apr_time_t before = wsgi_clock_now();

    CHECK_INT(flusher.threads, 0);
    CHECK_INT(add(output), 0);
    CHECK_OR_RETURN(comes(&output->ended, 1));
    CHECK(output->at - before >= WSGI_HOLD_TIME);
}

static void one_that_sleeps_is_woken(void)
{
    for (int i = 0; i < 3; i++) {
        output_t *output = make_output();
        CHECK_INT(add(output), 0);
        CHECK_OR_RETURN(comes(&output->ended, 1));
        for (int asleep = 0; !asleep; poll(NULL, 0, 5)) {
            pthread_mutex_lock(&flusher.lock);
            asleep = flusher.is_asleep;
            pthread_mutex_unlock(&flusher.lock);
        }
    }
}

static void withdrawn_output_is_not_sent(void)
{
    output_t *kept = make_output(), *withdrawn = make_output();

    CHECK_INT(wsgi_flusher_add(&flusher, &withdrawn->flush, wsgi_clock_now() + apr_time_from_sec(3600)), 0);
    CHECK_INT(wsgi_flusher_withdraw(&flusher, &withdrawn->flush), 1);
    CHECK_INT(wsgi_flusher_withdraw(&flusher, &withdrawn->flush), 1);
    CHECK_INT(add(kept), 0);
    CHECK(comes(&kept->ended, 1));
    CHECK_INT(atomic_load(&withdrawn->begun), 0);
}

static void any_of_many_is_withdrawn(void)
{
    output_t *outputs[5];
    apr_time_t due = wsgi_clock_now() + apr_time_from_sec(3600);

    for (int i = 0; i < 5; i++) {
        outputs[i] = make_output();
        CHECK_INT(wsgi_flusher_add(&flusher, &outputs[i]->flush, due), 0);
    }
    for (int i = 0; i < 5; i++) { /* from the middle, both ends, what is left */
        CHECK_INT(wsgi_flusher_withdraw(&flusher, &outputs[(i * 2 + 2) % 5]->flush), 1);
    }
    CHECK(flusher.first == NULL);
    CHECK(flusher.last == NULL);
}

static void many_slow_clients_are_served_at_once(void)
{
    output_t *outputs[MANY];

    for (int i = 0; i < MANY; i++) {
        outputs[i] = make_output();
        pthread_mutex_lock(&outputs[i]->hold);
        CHECK_INT(add(outputs[i]), 0);
    }
    CHECK(comes(&sends, MANY));
    pthread_mutex_lock(&flusher.lock);
    CHECK(flusher.threads <= MANY + 1);
    pthread_mutex_unlock(&flusher.lock);
    for (int i = 0; i < MANY; i++) {
        pthread_mutex_unlock(&outputs[i]->hold);
        CHECK(comes(&outputs[i]->ended, 1));
    }
}

static void slow_client_delays_nobody(void)
{
    output_t *slow = make_output(), *quick = make_output(), *later = make_output();

    pthread_mutex_lock(&slow->hold);
    CHECK_INT(add(slow), 0);
    CHECK_INT(add(quick), 0);
    CHECK(comes(&slow->begun, 1));
    CHECK(comes(&quick->ended, 1));
    CHECK_INT(add(later), 0);
    CHECK(comes(&later->ended, 1));
    CHECK_INT(atomic_load(&slow->ended), 0);
    CHECK_INT(wsgi_flusher_withdraw(&flusher, &slow->flush), 0);
    pthread_mutex_unlock(&slow->hold);
    wsgi_flusher_await(&flusher, &slow->flush);
    CHECK_INT(atomic_load(&slow->ended), 1);
    CHECK_INT(wsgi_flusher_withdraw(&flusher, &slow->flush), 1);
}

/* Requests that begin and end on threads of their own, each with output that is sent in time or not. */
static void *request_thread(void *argument)
{
    output_t *output = argument;

    for (int i = 0; i < 2000; i++) {
        if (add(output) < 0) {
            return "refused";
        }
        if (i % 50 == 0) {
            poll(NULL, 0, 1);
        }
        if (!wsgi_flusher_withdraw(&flusher, &output->flush)) {
            wsgi_flusher_await(&flusher, &output->flush);
        }
        if (atomic_load(&output->begun) != atomic_load(&output->ended)) {
            return "still being sent";
        }
    }
    return NULL;
}

static void requests_come_and_go(void)
{
    pthread_t threads[4];
    void *complaint;

    for (int i = 0; i < 4; i++) {
        CHECK_INT(pthread_create(&threads[i], NULL, request_thread, make_output()), 0);
    }
    for (int i = 0; i < 4; i++) {
        CHECK_INT(pthread_join(threads[i], &complaint), 0);
        CHECK_STR(complaint, NULL);
    }
    CHECK(flusher.first == NULL);
}

static void nothing_is_taken_after_the_end(void)
{
    output_t *before = make_output(), *after = make_output();

    CHECK_INT(add(before), 0);
    CHECK(comes(&before->ended, 1));
    wsgi_flusher_stop(&flusher);
    CHECK_INT(add(after), -1);
    CHECK_INT(messages, 0);
}

static void process_made_by_fork_begins_afresh(void)
{
    output_t *inherited = make_output(), *own = make_output();

    CHECK_INT(wsgi_flusher_add(&flusher, &inherited->flush, wsgi_clock_now() + apr_time_from_sec(3600)), 0);
    CHECK_INT(wsgi_flusher_withdraw(&flusher, &inherited->flush), 1);
    wsgi_flusher_stop(&flusher); /* stands for the threads that do not exist there */
    wsgi_flusher_forked(&flusher);
    CHECK_INT(flusher.threads, 0);
    CHECK_INT(add(own), 0);
    CHECK(comes(&own->ended, 1));
}

#ifdef __GLIBC__

/* No memory for the stack of a thread: the one way to make pthread_create() fail that works for root, too. */
static void set_stack_size(size_t size)
{
    pthread_attr_t attributes;

    CHECK_INT(pthread_getattr_default_np(&attributes), 0);
    CHECK_INT(pthread_attr_setstacksize(&attributes, size), 0);
    CHECK_INT(pthread_setattr_default_np(&attributes), 0);
    pthread_attr_destroy(&attributes);
}

static void output_is_refused_while_there_is_no_thread(void)
{
    output_t *refused = make_output(), *taken = make_output();

    set_stack_size((size_t)1 << 50);
    CHECK_INT(add(refused), -1);
    wsgi_flusher_report(&flusher);
    CHECK_INT(add(refused), -1);
    wsgi_flusher_report(&flusher);
    CHECK_INT(messages, 1);
    CHECK(flusher.first == NULL);
    set_stack_size(8 << 20);
    CHECK_INT(add(taken), 0);
    CHECK(comes(&taken->ended, 1));
}

static void those_that_wait_are_sent_by_one_thread_if_need_be(void)
{
    output_t *slow = make_output(), *waiting = make_output(), *refused = make_output();

    pthread_mutex_lock(&slow->hold);
    CHECK_INT(add(slow), 0);
    set_stack_size((size_t)1 << 50);
    CHECK_INT(add(waiting), 0);
    CHECK(comes(&slow->begun, 1));
    CHECK_INT(add(refused), -1);
    CHECK(comes(&messages, 1));
    pthread_mutex_unlock(&slow->hold);
    CHECK(comes(&waiting->ended, 1));
    set_stack_size(8 << 20);
}

#endif

int main(void)
{
    tap.before = begin;
    tap.after = finish;
    TAP_RUN(output_is_sent_when_it_is_due);
    TAP_RUN(one_that_sleeps_is_woken);
    TAP_RUN(withdrawn_output_is_not_sent);
    TAP_RUN(any_of_many_is_withdrawn);
    TAP_RUN(many_slow_clients_are_served_at_once);
    TAP_RUN(slow_client_delays_nobody);
    TAP_RUN(requests_come_and_go);
    TAP_RUN(nothing_is_taken_after_the_end);
    TAP_RUN(process_made_by_fork_begins_afresh);
#ifdef __GLIBC__
    TAP_RUN(output_is_refused_while_there_is_no_thread);
    TAP_RUN(those_that_wait_are_sent_by_one_thread_if_need_be);
#endif
    return tap_done();
}
