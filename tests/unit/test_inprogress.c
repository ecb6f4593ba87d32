/* sources: daemon/wsgi_inprogress.c */
#include "daemon/wsgi_inprogress.h"

#include <pthread.h>
#include <string.h>

#include "wsgi_tap.h"

enum { THREADS = 2, ROUNDS = 20000 };

static void tells_what_each_thread_does(void)
{
    wsgi_inprogress_t *progress = wsgi_inprogress_create(THREADS, tap.pool);
    char text[WSGI_INPROGRESS_TEXT];

    wsgi_inprogress_begin(progress, 1, "GET", "/one?two");
    wsgi_inprogress_read(progress, 0, text);
    CHECK_STR(text, "a request");
    wsgi_inprogress_read(progress, 1, text);
    CHECK_STR(text, "GET /one?two");
    wsgi_inprogress_end(progress, 1);
    wsgi_inprogress_read(progress, 1, text);
    CHECK_STR(text, "a request");
}

static void does_without_what_is_missing(void)
{
    wsgi_inprogress_t *progress = wsgi_inprogress_create(THREADS, tap.pool);
    char text[WSGI_INPROGRESS_TEXT];

    wsgi_inprogress_begin(progress, 0, "GET", NULL);
    wsgi_inprogress_read(progress, 0, text);
    CHECK_STR(text, "a request");
}

static void is_fit_for_a_log(void)
{
    wsgi_inprogress_t *progress = wsgi_inprogress_create(THREADS, tap.pool);
    char text[WSGI_INPROGRESS_TEXT], longer[2 * WSGI_INPROGRESS_TEXT];

    wsgi_inprogress_begin(progress, 0, "GET", "/a\nb\x1b\x7f");
    wsgi_inprogress_read(progress, 0, text);
    CHECK_STR(text, "GET /a?b??");
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    wsgi_inprogress_begin(progress, 0, "GET", longer);
    wsgi_inprogress_read(progress, 0, text);
    CHECK_INT(strlen(text), WSGI_INPROGRESS_TEXT - 1);
}

static void *change(void *argument)
{
    for (int i = 0; i < ROUNDS; i++) {
        wsgi_inprogress_begin(argument, 0, "POST", "/while-somebody-reads");
        wsgi_inprogress_end(argument, 0);
    }
    return NULL;
}

static void is_never_seen_half_written(void)
{
    wsgi_inprogress_t *progress = wsgi_inprogress_create(THREADS, tap.pool);
    char text[WSGI_INPROGRESS_TEXT];
    int wrong = 0;
    pthread_t writer;

    if (!CHECK(pthread_create(&writer, NULL, change, progress) == 0)) {
        return;
    }
    for (int i = 0; i < ROUNDS; i++) {
        wsgi_inprogress_read(progress, 0, text);
        wrong += strcmp(text, "a request") != 0 && strcmp(text, "POST /while-somebody-reads") != 0;
    }
    pthread_join(writer, NULL);
    CHECK_INT(wrong, 0);
}

int main(void)
{
    TAP_RUN(tells_what_each_thread_does);
    TAP_RUN(does_without_what_is_missing);
    TAP_RUN(is_fit_for_a_log);
    TAP_RUN(is_never_seen_half_written);
    return tap_done();
}
