#include "daemon/wsgi_warmup.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    wsgi_workerstate_t *w;
    char *script, *application_group; /* own copies */
} task_t;

static void forget(task_t *task)
{
    free(task->script);
    free(task->application_group);
    free(task);
}

static task_t *make_task(wsgi_workerstate_t *w, const char *script, const char *application_group)
{
    task_t *task = calloc(1, sizeof(*task));

    if (task == NULL) {
        return NULL;
    }
    task->w = w;
    task->script = strdup(script);
    task->application_group = strdup(application_group);
    if (task->script == NULL || task->application_group == NULL) {
        forget(task);
        return NULL;
    }
    return task;
}

static void *load(void *argument)
{
    task_t *task = argument;
    wsgi_workerstate_t *w = task->w;

    wsgi_reload_loading(w->reload, task->script, task->application_group);
    if (w->peer.bridge->preload(w->peer.runtime, task->script, task->application_group) == WSGI_DONE) {
        wsgi_reload_loaded(w->reload, task->script, task->application_group);
        wsgi_monitor_script_available(w->monitor);
    }
    forget(task);
    return NULL;
}

void wsgi_warmup_load(wsgi_workerstate_t *w, const char *script, const char *application_group)
{
    task_t *task = w->peer.runtime != NULL ? make_task(w, script, application_group) : NULL;
    pthread_t thread;

    if (task == NULL) {
        return;
    }
    if (pthread_create(&thread, NULL, load, task) == 0) {
        (void)pthread_detach(thread);
    } else {
        forget(task);
    }
}
