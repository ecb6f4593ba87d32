#include "base/wsgi_nearest.h"

#include <apr_lib.h>
#include <string.h>

enum { LETTERS_PER_MISTAKE = 3 };

static apr_size_t least(apr_size_t a, apr_size_t b, apr_size_t c)
{
    apr_size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

static int differ(char a, char b)
{
    return apr_tolower(a) != apr_tolower(b);
}

/*
 * Levenshtein's distance, row by row, where two neighbours that changed places are one mistake. After i rows, last[j]
 * is the distance of the first i letters of a from the first j of b, and before[j] that of the first i - 1.
 */
static apr_size_t distance(const char *a, const char *b, apr_pool_t *ptemp)
{
    apr_size_t columns = strlen(b), size = (columns + 1) * sizeof(apr_size_t);
    apr_size_t *before = apr_palloc(ptemp, size), *last = apr_palloc(ptemp, size), *row = apr_palloc(ptemp, size);

    for (apr_size_t j = 0; j <= columns; j++) {
        last[j] = j;
    }
    for (apr_size_t i = 1; a[i - 1] != '\0'; i++) {
        apr_size_t *spare = before;
        row[0] = i;
        for (apr_size_t j = 1; j <= columns; j++) {
            row[j] = least(last[j - 1] + (apr_size_t)differ(a[i - 1], b[j - 1]), last[j] + 1, row[j - 1] + 1);
            if (i > 1 && j > 1 && !differ(a[i - 1], b[j - 2]) && !differ(a[i - 2], b[j - 1])
                && before[j - 2] + 1 < row[j]) {
                row[j] = before[j - 2] + 1;
            }
        }
        before = last;
        last = row;
        row = spare;
    }
    return last[columns];
}

const char *wsgi_nearest_name(const apr_array_header_t *known, const char *name, apr_pool_t *ptemp)
{
    const char *nearest = NULL;
    apr_size_t fewest = 0, length = strlen(name);

    for (int i = 0; i < known->nelts; i++) {
        const char *candidate = APR_ARRAY_IDX(known, i, const char *);
        apr_size_t longer = strlen(candidate) > length ? strlen(candidate) : length;
        apr_size_t mistakes = distance(name, candidate, ptemp);
        if (mistakes * LETTERS_PER_MISTAKE <= longer && (nearest == NULL || mistakes < fewest)) {
            nearest = candidate;
            fewest = mistakes;
        }
    }
    return nearest;
}
