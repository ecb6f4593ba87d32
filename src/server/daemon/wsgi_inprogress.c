#include "daemon/wsgi_inprogress.h"

#include <apr_strings.h>
#include <pthread.h>
#include <stdio.h>

typedef struct {
    pthread_mutex_t lock;
    char text[WSGI_INPROGRESS_TEXT]; /* guarded by lock; empty: unknown */
} entry_t;

struct wsgi_inprogress_t {
    int threads;      /* constant */
    entry_t *entries; /* constant */
};

wsgi_inprogress_t *wsgi_inprogress_create(int threads, apr_pool_t *pprocess)
{
    wsgi_inprogress_t *progress = apr_pcalloc(pprocess, sizeof(*progress));

    progress->threads = threads;
    progress->entries = apr_pcalloc(pprocess, (apr_size_t)(threads > 0 ? threads : 1) * sizeof(entry_t));
    for (int i = 0; i < threads; i++) {
        if (pthread_mutex_init(&progress->entries[i].lock, NULL) != 0) {
            return NULL;
        }
    }
    return progress;
}

static void make_printable(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f) {
            *text = '?';
        }
    }
}

void wsgi_inprogress_begin(wsgi_inprogress_t *progress, int thread, const char *method, const char *uri)
{
    entry_t *entry = &progress->entries[thread];

    pthread_mutex_lock(&entry->lock);
    if (method != NULL && uri != NULL) {
        snprintf(entry->text, sizeof(entry->text), "%s %s", method, uri);
        make_printable(entry->text);
    } else {
        entry->text[0] = '\0';
    }
    pthread_mutex_unlock(&entry->lock);
}

void wsgi_inprogress_end(wsgi_inprogress_t *progress, int thread)
{
    wsgi_inprogress_begin(progress, thread, NULL, NULL);
}

void wsgi_inprogress_read(wsgi_inprogress_t *progress, int thread, char text[WSGI_INPROGRESS_TEXT])
{
    entry_t *entry = &progress->entries[thread];

    pthread_mutex_lock(&entry->lock);
    apr_cpystrn(text, entry->text[0] != '\0' ? entry->text : "a request", WSGI_INPROGRESS_TEXT);
    pthread_mutex_unlock(&entry->lock);
}
