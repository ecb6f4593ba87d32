#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void add(report_t *report, const char *data, size_t length)
{
    if (report->length + length + 1 > report->capacity) {
        report->capacity = (report->length + length + 1) * 2;
        report->text = realloc(report->text, report->capacity);
        if (report->text == NULL) {
            abort();
        }
    }
    memcpy(report->text + report->length, data, length);
    report->length += length;
    report->text[report->length] = '\0';
}

void report_append(report_t *out, const char *text)
{
    add(out, text, strlen(text));
}

void report_quote(report_t *out, const char *value, size_t length)
{
    char escaped[8];

    add(out, "\"", 1);
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)value[i];
        if (c < 0x20 || c > 0x7e || c == '"' || c == '\\') {
            snprintf(escaped, sizeof(escaped), "\\u%04x", c);
            add(out, escaped, 6);
        } else {
            add(out, value + i, 1);
        }
    }
    add(out, "\"", 1);
}

static void key_of(report_t *report, const char *key)
{
    report_append(report, report->items++ > 0 ? ", " : "{");
    report_quote(report, key, strlen(key));
    report_append(report, ": ");
}

void report_open(report_t *report, const char *type)
{
    memset(report, 0, sizeof(*report));
    report_text(report, "type", type, strlen(type));
}

void report_number(report_t *report, const char *key, long long value)
{
    char digits[32];

    key_of(report, key);
    snprintf(digits, sizeof(digits), "%lld", value);
    report_append(report, digits);
}

void report_text(report_t *report, const char *key, const char *value, size_t length)
{
    key_of(report, key);
    report_quote(report, value, length);
}

void report_raw(report_t *report, const char *key, const char *json)
{
    key_of(report, key);
    report_append(report, json);
}

void report_close(report_t *report)
{
    size_t done = 0;

    report_append(report, "}\n");
    /* Through a descriptor above 2: applications may write to, or close, the standard ones. */
    flockfile(stdout);
    while (done < report->length) {
        ssize_t written = write(3, report->text + done, report->length - done);
        if (written < 0) {
            break;
        }
        done += (size_t)written;
    }
    funlockfile(stdout);
    free(report->text);
    memset(report, 0, sizeof(*report));
}
