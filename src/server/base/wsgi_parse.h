#ifndef WSGI_PARSE_H
#define WSGI_PARSE_H

#include <apr.h>
#include <apr_pools.h>
#include <apr_time.h>

/**
 * Words of a configuration file to values. The whole word must be used up: trailing garbage, an empty word and a
 * number out of range are refused. Every function returns 1 on success; on failure 0 and leaves `out` alone.
 */
int wsgi_parse_flag(int *out, const char *word); /* On | Off, any case */

/** Decimal, with at most one sign. */
int wsgi_parse_integer(apr_int64_t *out, const char *word, apr_int64_t min, apr_int64_t max);

/** Octal digits, 0 to max. */
int wsgi_parse_octal(int *out, const char *word, int max);

/** Whole seconds, whole milliseconds: min and max are in that unit, `out` is in microseconds. */
int wsgi_parse_seconds(apr_interval_time_t *out, const char *word, apr_int64_t min, apr_int64_t max);
int wsgi_parse_milliseconds(apr_interval_time_t *out, const char *word, apr_int64_t min, apr_int64_t max);

/** A decimal fraction, perhaps with an exponent: finite and greater than min. */
int wsgi_parse_real(double *out, const char *word, double min);

/**
 * Take the next `name=value` from an option list. The value may be quoted with ' or ", inside which a backslash
 * escapes the quote or a backslash.
 * @param line   in: rest of the line; out: behind the option
 * @return 1 an option was taken; 0 end of line; -1 the word at *line is not of that form (`name` holds the word)
 */
int wsgi_parse_option(const char **name, const char **value, const char **line, apr_pool_t *pool);

#endif
