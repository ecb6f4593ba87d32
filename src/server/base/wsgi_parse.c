#include "base/wsgi_parse.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int wsgi_parse_flag(int *out, const char *word)
{
    if (strcasecmp(word, "On") == 0) {
        *out = 1;
        return 1;
    }
    if (strcasecmp(word, "Off") == 0) {
        *out = 0;
        return 1;
    }
    return 0;
}

/* Digits with at most one leading sign, nothing else: strtol alone would skip blanks and stop at garbage. */
static int parse_whole(apr_int64_t *out, const char *word, int base)
{
    const char *digits = (*word == '-' || *word == '+') ? word + 1 : word;
    char *end;
    apr_int64_t value;

    if (!apr_isdigit(*digits)) {
        return 0;
    }
    errno = 0;
    value = apr_strtoi64(word, &end, base);
    if (errno != 0 || *end != '\0') {
        return 0;
    }
    *out = value;
    return 1;
}

int wsgi_parse_integer(apr_int64_t *out, const char *word, apr_int64_t min, apr_int64_t max)
{
    apr_int64_t value;

    if (!parse_whole(&value, word, 10) || value < min || value > max) {
        return 0;
    }
    *out = value;
    return 1;
}

int wsgi_parse_octal(int *out, const char *word, int max)
{
    apr_int64_t value;

    if (!parse_whole(&value, word, 8) || value < 0 || value > max) {
        return 0;
    }
    *out = (int)value;
    return 1;
}

static int parse_duration(apr_interval_time_t *out, const char *word, apr_int64_t min, apr_int64_t max,
                          apr_int64_t unit)
{
    apr_int64_t value;

    if (!wsgi_parse_integer(&value, word, min, max) || value > APR_INT64_MAX / unit) {
        return 0;
    }
    *out = value * unit;
    return 1;
}

int wsgi_parse_seconds(apr_interval_time_t *out, const char *word, apr_int64_t min, apr_int64_t max)
{
    return parse_duration(out, word, min, max, APR_USEC_PER_SEC);
}

int wsgi_parse_milliseconds(apr_interval_time_t *out, const char *word, apr_int64_t min, apr_int64_t max)
{
    return parse_duration(out, word, min, max, 1000);
}

int wsgi_parse_real(double *out, const char *word, double min)
{
    char *end;
    double value;

    if ((!apr_isdigit(*word) && *word != '.') || word[strspn(word, "0123456789.eE+-")] != '\0') {
        return 0; /* strtod would take blanks, signs, hexadecimal, "inf" and "nan" as well */
    }
    errno = 0;
    value = strtod(word, &end);
    if (errno != 0 || *end != '\0' || !isfinite(value) || value <= min) {
        return 0;
    }
    *out = value;
    return 1;
}

/* The value at `from`, to white space or its closing quote. @return where the rest begins, NULL if a quote is open */
static const char *take_value(const char **value, const char *from, apr_pool_t *pool)
{
    char quote = (*from == '"' || *from == '\'') ? *from++ : '\0';
    char *out = apr_palloc(pool, strlen(from) + 1);

    *value = out;
    while (*from && (quote ? *from != quote : !apr_isspace(*from))) {
        if (quote && *from == '\\' && (from[1] == quote || from[1] == '\\')) {
            from++;
        }
        *out++ = *from++;
    }
    *out = '\0';
    if (!quote) {
        return from;
    }
    return *from == quote && (from[1] == '\0' || apr_isspace(from[1])) ? from + 1 : NULL;
}

int wsgi_parse_option(const char **name, const char **value, const char **line, apr_pool_t *pool)
{
    const char *start = *line, *end;

    while (apr_isspace(*start)) {
        start++;
    }
    if (*start == '\0') {
        *line = start;
        return 0;
    }
    for (end = start; *end && *end != '=' && !apr_isspace(*end); end++) {
    }
    *name = apr_pstrmemdup(pool, start, (apr_size_t)(end - start));
    if (*end != '=' || end == start) {
        return -1;
    }
    end = take_value(value, end + 1, pool);
    if (end == NULL) {
        *name = apr_pstrdup(pool, start);
        return -1;
    }
    *line = end;
    return 1;
}
