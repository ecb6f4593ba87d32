#ifndef REPORT_H
#define REPORT_H

#include <stddef.h>

/**
 * One JSON object per line on standard output. A line is put together by one thread and written in one piece, so
 * that lines of several threads never mix. Bytes above 0x7e and control characters are escaped one by one.
 */
typedef struct {
    char *text;
    size_t length, capacity;
    int items;
} report_t;

void report_open(report_t *report, const char *type);
void report_number(report_t *report, const char *key, long long value);
void report_text(report_t *report, const char *key, const char *value, size_t length);
void report_raw(report_t *report, const char *key, const char *json); /* json: a complete value */
void report_close(report_t *report);                                  /* writes the line */

/** A string literal of JSON in `out`, which is grown; for use with report_raw. */
void report_quote(report_t *out, const char *value, size_t length);
void report_append(report_t *out, const char *text);

#endif
