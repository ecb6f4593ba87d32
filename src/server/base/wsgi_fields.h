#ifndef WSGI_FIELDS_H
#define WSGI_FIELDS_H

#include <apr.h>
#include <apr_pools.h>

/**
 * An ordered list of (name, value) byte strings: CGI variables on their way to environ, headers on their way back.
 * Names and values are NUL terminated for the convenience of C callers; the lengths are what counts.
 */
typedef struct {
    const char *name;
    const char *value; /* NULL: held without a value */
    apr_uint32_t name_len;
    apr_uint32_t value_len;
} wsgi_field_t;

typedef struct {
    wsgi_field_t *items;
    apr_uint32_t count;
    apr_uint32_t capacity;
    apr_pool_t *pool; /* of items; texts are borrowed unless a function says it copies */
} wsgi_fields_t;

/** Make an empty list with room for `capacity` fields; it grows as needed. */
void wsgi_fields_init(wsgi_fields_t *fields, apr_uint32_t capacity, apr_pool_t *pool);

/** Append; both texts are borrowed and must live as long as the pool. value may be NULL. Duplicates are kept. */
void wsgi_fields_add(wsgi_fields_t *fields, const char *name, const char *value);
void wsgi_fields_addn(wsgi_fields_t *fields, const char *name, apr_uint32_t name_len, const char *value,
                      apr_uint32_t value_len);

/** Replace the value of the first field of that exact name and drop further ones; append if there is none. */
void wsgi_fields_set(wsgi_fields_t *fields, const char *name, const char *value);

/** Remove every field of that exact name. */
void wsgi_fields_unset(wsgi_fields_t *fields, const char *name);

/** The value of the last field of that exact name, or NULL. */
const char *wsgi_fields_get(const wsgi_fields_t *fields, const char *name);

/** First field whose name matches regardless of ASCII case, or NULL. */
const wsgi_field_t *wsgi_fields_find_header(const wsgi_field_t *items, apr_uint32_t count, const char *name);

#endif
