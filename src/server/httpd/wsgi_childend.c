#include "httpd/wsgi_childend.h"

#include <apr_time.h>
#include <pthread.h>
#include <stdint.h>
#include <unistd.h>

enum { PATIENCE = 1500000, LIMIT = 2500000 }; /* microseconds */

static void *end_process(void *unused)
{
    (void)unused;
    apr_sleep(LIMIT);
    _exit(0);
}

static void *end_python(void *arg)
{
    const wsgi_childend_t *end = arg;

    apr_sleep(PATIENCE);
    end->stop_python();
    _exit(0);
}

/* Without the thread the child ends as it would have without us: when Apache's parent kills it. */
static void start(void *(*run)(void *), void *arg)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, run, arg) == 0) {
        pthread_detach(thread);
    }
}

void wsgi_childend_limit(const wsgi_childend_t *end)
{
    start(end_process, NULL);
    start(end_python, (void *)(uintptr_t)end);
}
