#ifndef WSGI_NEAREST_H
#define WSGI_NEAREST_H

#include <apr_pools.h>
#include <apr_tables.h>

/**
 * What a misspelt name was probably meant to be: the known name with the fewest mistakes (a letter too many, too few,
 * another, or two neighbours that changed places), whatever the case, if those are no more than a third of the longer
 * name's letters.
 * @param known const char *: the names to choose from; of equally near ones the first is taken
 * @param ptemp for the calculation alone
 * @return one of `known`, borrowed; NULL when none is near
 */
const char *wsgi_nearest_name(const apr_array_header_t *known, const char *name, apr_pool_t *ptemp);

#endif
