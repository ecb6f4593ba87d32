#include "base/wsgi_fields.h"

#include <string.h>
#include <strings.h>

void wsgi_fields_init(wsgi_fields_t *fields, apr_uint32_t capacity, apr_pool_t *pool)
{
    fields->pool = pool;
    fields->count = 0;
    fields->capacity = capacity > 0 ? capacity : 1;
    fields->items = apr_palloc(pool, fields->capacity * sizeof(*fields->items));
}

static void grow(wsgi_fields_t *fields)
{
    apr_uint32_t capacity = fields->capacity * 2;
    wsgi_field_t *items = apr_palloc(fields->pool, capacity * sizeof(*items));

    memcpy(items, fields->items, fields->count * sizeof(*items));
    fields->items = items;
    fields->capacity = capacity;
}

void wsgi_fields_addn(wsgi_fields_t *fields, const char *name, apr_uint32_t name_len, const char *value,
                      apr_uint32_t value_len)
{
    wsgi_field_t *field;

    if (fields->count == fields->capacity) {
        grow(fields);
    }
    field = &fields->items[fields->count++];
    field->name = name;
    field->name_len = name_len;
    field->value = value;
    field->value_len = value_len;
}

void wsgi_fields_add(wsgi_fields_t *fields, const char *name, const char *value)
{
    wsgi_fields_addn(fields, name, (apr_uint32_t)strlen(name), value, value ? (apr_uint32_t)strlen(value) : 0);
}

static int same_name(const wsgi_field_t *field, const char *name, apr_size_t len)
{
    return field->name_len == len && memcmp(field->name, name, len) == 0;
}

void wsgi_fields_set(wsgi_fields_t *fields, const char *name, const char *value)
{
    apr_size_t len = strlen(name);
    apr_uint32_t kept = 0;
    int found = 0;

    for (apr_uint32_t i = 0; i < fields->count; i++) {
        wsgi_field_t field = fields->items[i];
        if (same_name(&field, name, len)) {
            if (found) {
                continue;
            }
            found = 1;
            field.value = value;
            field.value_len = value ? (apr_uint32_t)strlen(value) : 0;
        }
        fields->items[kept++] = field;
    }
    fields->count = kept;
    if (!found) {
        wsgi_fields_add(fields, name, value);
    }
}

void wsgi_fields_unset(wsgi_fields_t *fields, const char *name)
{
    apr_size_t len = strlen(name);
    apr_uint32_t kept = 0;

    for (apr_uint32_t i = 0; i < fields->count; i++) {
        if (!same_name(&fields->items[i], name, len)) {
            fields->items[kept++] = fields->items[i];
        }
    }
    fields->count = kept;
}

const char *wsgi_fields_get(const wsgi_fields_t *fields, const char *name)
{
    apr_size_t len = strlen(name);

    for (apr_uint32_t i = fields->count; i > 0; i--) {
        if (same_name(&fields->items[i - 1], name, len)) {
            return fields->items[i - 1].value;
        }
    }
    return NULL;
}

const wsgi_field_t *wsgi_fields_find_header(const wsgi_field_t *items, apr_uint32_t count, const char *name)
{
    apr_size_t len = strlen(name);

    for (apr_uint32_t i = 0; i < count; i++) {
        if (items[i].name_len == len && strncasecmp(items[i].name, name, len) == 0) {
            return &items[i];
        }
    }
    return NULL;
}
