/* sources: base/wsgi_log.c */
#include "base/wsgi_log.h"

#include "wsgi_tap.h"

/* A sink that keeps the last record. */
typedef struct {
    wsgi_log_level_t least;
    int written, asked;
    wsgi_record_t record;
    char text[16384];
} kept_t;

static void keep(void *context, const wsgi_record_t *record)
{
    kept_t *kept = context;

    kept->written++;
    kept->record = *record;
    snprintf(kept->text, sizeof(kept->text), "%s", record->text);
}

static int is_kept(void *context, wsgi_log_level_t level)
{
    kept_t *kept = context;

    kept->asked++;
    return level <= kept->least;
}

static void record_carries_level_place_status_and_text(void)
{
    kept_t kept = { .least = WSGI_LOG_DEBUG };
    wsgi_log_sink_t sink = { keep, is_kept, &kept };

    wsgi_log(&sink, "some.c", 12, WSGI_LOG_ERR, APR_ENOENT, WSGI_LOGNO(0117) "Group '%s' has %d of %ld.", "app", 3, 5L);
    CHECK_INT(kept.written, 1);
    CHECK_INT(kept.record.level, WSGI_LOG_ERR);
    CHECK_STR(kept.record.file, "some.c");
    CHECK_INT(kept.record.line, 12);
    CHECK_INT(kept.record.status, APR_ENOENT);
    CHECK_INT(kept.record.plain, 0);
    CHECK_STR(kept.text, "WSGI0117: Group 'app' has 3 of 5.");
}

static void nothing_is_written_that_the_sink_does_not_keep(void)
{
    kept_t kept = { .least = WSGI_LOG_WARNING };
    wsgi_log_sink_t sink = { keep, is_kept, &kept };

    wsgi_log(&sink, WSGI_HERE, WSGI_LOG_INFO, APR_SUCCESS, "Quiet.");
    CHECK_INT(kept.asked, 1);
    CHECK_INT(kept.written, 0);
    wsgi_log(&sink, WSGI_HERE, WSGI_LOG_WARNING, APR_SUCCESS, "Loud.");
    CHECK_INT(kept.written, 1);
}

static void long_text_is_cut(void)
{
    kept_t kept = { .least = WSGI_LOG_DEBUG };
    wsgi_log_sink_t sink = { keep, is_kept, &kept };
    char *word;

    for (size_t len = 8190; len <= 8193; len++) {
        word = malloc(len + 1);
        CHECK_OR_RETURN(word != NULL);
        memset(word, 'x', len);
        word[len] = '\0';
        wsgi_log(&sink, WSGI_HERE, WSGI_LOG_INFO, APR_SUCCESS, "%s", word);
        free(word);
        CHECK_INT(strlen(kept.text), len < 8191 ? len : 8191);
    }
}

static void values_are_those_of_syslog(void)
{
    CHECK_INT(WSGI_LOG_ALERT, 1);
    CHECK_INT(WSGI_LOG_CRIT, 2);
    CHECK_INT(WSGI_LOG_ERR, 3);
    CHECK_INT(WSGI_LOG_WARNING, 4);
    CHECK_INT(WSGI_LOG_INFO, 6);
    CHECK_INT(WSGI_LOG_DEBUG, 7);
    CHECK_INT(WSGI_LOG_TRACE1, 8);
}

int main(void)
{
    TAP_RUN(record_carries_level_place_status_and_text);
    TAP_RUN(nothing_is_written_that_the_sink_does_not_keep);
    TAP_RUN(long_text_is_cut);
    TAP_RUN(values_are_those_of_syslog);
    return tap_done();
}
