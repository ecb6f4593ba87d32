#include "bridge/wsgi_keys.h"

#include <stdlib.h>
#include <string.h>

#define KEY_BUCKETS 256
#define MAX_KEYS 1024       /* names are partly the client's: HTTP_ANYTHING */
#define MAX_KEPT_VALUE 256  /* bytes */

enum { KEY_HIDDEN = 1, KEY_OURS = 2, KEY_PATH = 4, KEY_REPEATS = 8 };

typedef struct key_t {
    struct key_t *next;
    PyObject *text;  /* interned */
    PyObject *value; /* last one seen, NULL if none; only where KEY_REPEATS */
    int flags;
    apr_uint32_t value_len;
    apr_uint32_t name_len;
    char name[];
} key_entry_t;

struct wsgi_keys_t {
    key_entry_t *buckets[KEY_BUCKETS];
    unsigned count;
};

wsgi_keys_t *wsgi_keys_make(void)
{
    wsgi_keys_t *keys = calloc(1, sizeof(*keys));

    if (keys == NULL) {
        PyErr_NoMemory();
    }
    return keys;
}

void wsgi_keys_free(wsgi_keys_t *keys)
{
    int i;

    for (i = 0; keys != NULL && i < KEY_BUCKETS; i++) {
        key_entry_t *entry = keys->buckets[i];
        while (entry != NULL) {
            key_entry_t *next = entry->next;
            Py_XDECREF(entry->text);
            Py_XDECREF(entry->value);
            free(entry);
            entry = next;
        }
    }
    free(keys);
}

/* Length, middle and end tell CGI names apart well enough, and take the same time for all of them. */
static unsigned bucket_of(const char *name, apr_uint32_t length)
{
    apr_uint32_t end = 0, middle = 0;

    if (length >= 8) {
        memcpy(&end, name + length - sizeof(end), sizeof(end));
        memcpy(&middle, name + length / 2 - 2, sizeof(middle));
    } else {
        memcpy(&end, name, length < sizeof(end) ? length : sizeof(end));
    }
    return ((end ^ middle * 31u ^ length) * 2654435761u) >> 24; /* Knuth's multiplicative hash, 8 bits: KEY_BUCKETS */
}

static int starts_with(const char *name, apr_uint32_t length, const char *prefix)
{
    size_t prefix_len = strlen(prefix);

    return length >= prefix_len && memcmp(name, prefix, prefix_len) == 0;
}

static int is_name(const char *name, apr_uint32_t length, const char *other)
{
    return length == strlen(other) && memcmp(name, other, length) == 0;
}

static int flags_of(const wsgi_pystate_t *state, const char *name, apr_uint32_t length, PyObject *text)
{
    if (is_name(name, length, "PATH") || is_name(name, length, "HTTPS") || starts_with(name, length, "mod_wsgi.x-")) {
        return KEY_HIDDEN;
    }
    if (state->base_environ != NULL && PyDict_Contains(state->base_environ, text) == 1) {
        return KEY_OURS;
    }
    /* What clients send differs, and may be a password: it is not kept beyond the request. */
    return (is_name(name, length, "DOCUMENT_ROOT") || is_name(name, length, "SCRIPT_FILENAME") ? KEY_PATH : 0) |
           (starts_with(name, length, "HTTP_") || starts_with(name, length, "SSL_") ||
                    is_name(name, length, "QUERY_STRING") || is_name(name, length, "REQUEST_URI")
                ? 0
                : KEY_REPEATS);
}

static key_entry_t *make_key(wsgi_pystate_t *state, const char *name, apr_uint32_t length)
{
    key_entry_t *entry = calloc(1, sizeof(*entry) + length + 1);

    if (entry == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    entry->text = PyUnicode_DecodeLatin1(name, length, NULL);
    if (entry->text == NULL) {
        free(entry);
        return NULL;
    }
    PyUnicode_InternInPlace(&entry->text);
    memcpy(entry->name, name, length);
    entry->name_len = length;
    entry->flags = flags_of(state, name, length, entry->text);
    return entry;
}

static key_entry_t *find_key(wsgi_pystate_t *state, const char *name, apr_uint32_t length)
{
    key_entry_t **bucket = &state->keys->buckets[bucket_of(name, length)];
    key_entry_t *entry;

    for (entry = *bucket; entry != NULL; entry = entry->next) {
        if (entry->name_len == length && memcmp(entry->name, name, length) == 0) {
            return entry;
        }
    }
    if (state->keys->count >= MAX_KEYS) {
        return NULL;
    }
    entry = make_key(state, name, length);
    if (entry != NULL) {
        entry->next = *bucket;
        *bucket = entry;
        state->keys->count++;
    }
    return entry;
}

/* File names are decoded as Python decodes them elsewhere; everything else is bytes in disguise (PEP 3333). */
static PyObject *decode(const char *value, apr_uint32_t length, int is_path)
{
    if (is_path) {
        PyObject *text = PyUnicode_DecodeFSDefaultAndSize(value, length);
        if (text != NULL) {
            return text;
        }
        PyErr_Clear();
    }
    return PyUnicode_DecodeLatin1(value, length, NULL);
}

/* New reference. Most variables are the same in every request: the last value is kept and compared. */
static PyObject *value_of(key_entry_t *entry, const char *value, apr_uint32_t length)
{
    PyObject *text;

    if (entry->value != NULL && entry->value_len == length &&
        memcmp(PyUnicode_1BYTE_DATA(entry->value), value, length) == 0) {
        return Py_NewRef(entry->value);
    }
    text = decode(value, length, entry->flags & KEY_PATH);
    if (text != NULL && (entry->flags & KEY_REPEATS) && length <= MAX_KEPT_VALUE && PyUnicode_IS_ASCII(text) &&
        PyUnicode_GET_LENGTH(text) == (Py_ssize_t)length) {
        Py_XDECREF(entry->value);
        entry->value = Py_NewRef(text);
        entry->value_len = length;
    }
    return text;
}

/* A name that is not remembered: too many different ones have been seen. */
static int add_rare(wsgi_pystate_t *state, PyObject *environ, const char *name, apr_uint32_t length, const char *value,
                    apr_uint32_t value_len)
{
    PyObject *key = PyUnicode_DecodeLatin1(name, length, NULL);
    PyObject *text = NULL;
    int flags, rc = -1;

    if (key == NULL) {
        return -1;
    }
    flags = flags_of(state, name, length, key);
    if (flags & (KEY_HIDDEN | KEY_OURS)) {
        Py_DECREF(key);
        return 0;
    }
    text = value != NULL ? decode(value, value_len, flags & KEY_PATH) : Py_NewRef(Py_None);
    if (text != NULL) {
        rc = PyDict_SetItem(environ, key, text);
    }
    Py_XDECREF(text);
    Py_DECREF(key);
    return rc;
}

int wsgi_keys_add(wsgi_pystate_t *state, PyObject *environ, const char *name, apr_uint32_t length, const char *value,
                  apr_uint32_t value_len)
{
    key_entry_t *entry = find_key(state, name, length);
    PyObject *text;
    int rc;

    if (entry == NULL) {
        return PyErr_Occurred() ? -1 : add_rare(state, environ, name, length, value, value_len);
    }
    if (entry->flags & (KEY_HIDDEN | KEY_OURS)) {
        return 0;
    }
    text = value != NULL ? value_of(entry, value, value_len) : Py_NewRef(Py_None);
    if (text == NULL) {
        return -1;
    }
    rc = PyDict_SetItem(environ, entry->text, text);
    Py_DECREF(text);
    return rc;
}
