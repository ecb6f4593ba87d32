#include "daemon/wsgi_overheard.h"

#include <string.h>

/* Lock held. The oldest lines make room. */
static void make_room(wsgi_overheard_t *overheard, int length)
{
    while (overheard->used > 0 && overheard->used + length > (int)sizeof(overheard->text)) {
        char *end = memchr(overheard->text, '\n', (size_t)overheard->used);
        int line = end != NULL ? (int)(end + 1 - overheard->text) : overheard->used;
        overheard->used -= line;
        memmove(overheard->text, overheard->text + line, (size_t)overheard->used);
    }
}

static void keep(wsgi_overheard_t *overheard, const char *text)
{
    int length = (int)strlen(text), most = (int)sizeof(overheard->text) - 2;

    length = length > most ? most : length;
    pthread_mutex_lock(&overheard->lock);
    if (overheard->is_listening) {
        make_room(overheard, length + 2); /* its newline, and the NUL behind all */
        memcpy(overheard->text + overheard->used, text, (size_t)length);
        overheard->used += length;
        overheard->text[overheard->used++] = '\n';
        overheard->text[overheard->used] = '\0';
    }
    pthread_mutex_unlock(&overheard->lock);
}

static void write_through(void *context, const wsgi_record_t *record)
{
    wsgi_overheard_t *overheard = context;

    if (overheard->is_guarded) {
        pthread_mutex_lock(&overheard->lock);
        overheard->log.write(overheard->log.context, record);
        pthread_mutex_unlock(&overheard->lock);
    } else {
        overheard->log.write(overheard->log.context, record);
    }
    if (record->level <= WSGI_LOG_ERR) {
        keep(overheard, record->text);
    }
}

static int is_enabled(void *context, wsgi_log_level_t level)
{
    const wsgi_overheard_t *overheard = context;

    return overheard->log.enabled(overheard->log.context, level);
}

wsgi_log_sink_t wsgi_overheard_sink(wsgi_overheard_t *overheard, const wsgi_log_sink_t *log)
{
    overheard->log = *log;
    overheard->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    return (wsgi_log_sink_t){ write_through, is_enabled, overheard };
}

void wsgi_overheard_hold(wsgi_overheard_t *overheard)
{
    pthread_mutex_lock(&overheard->lock);
}

void wsgi_overheard_release(wsgi_overheard_t *overheard)
{
    pthread_mutex_unlock(&overheard->lock);
}

void wsgi_overheard_begin(wsgi_overheard_t *overheard)
{
    pthread_mutex_lock(&overheard->lock);
    overheard->used = 0;
    overheard->text[0] = '\0';
    overheard->is_listening = 1;
    pthread_mutex_unlock(&overheard->lock);
}

const char *wsgi_overheard_end(wsgi_overheard_t *overheard)
{
    pthread_mutex_lock(&overheard->lock);
    overheard->is_listening = 0;
    pthread_mutex_unlock(&overheard->lock);
    return overheard->text;
}
