#include "httpd/wsgi_filepart.h"

#include <errno.h>
#include <unistd.h>

enum {
    PIECE_BYTES = 65536,   /* read at once */
    BUCKET_BYTES = 1 << 30 /* the length of a bucket is a size_t, which may be smaller than a file */
};

typedef struct {
    apr_bucket_refcount refcount; /* first: as apr_bucket_shared_* want it */
    int fd;
} part_t;

static void part_destroy(void *data)
{
    part_t *part = data;

    if (apr_bucket_shared_destroy(part)) {
        close(part->fd);
        apr_bucket_free(part);
    }
}

/* Turn the bucket into memory, and what is left into a bucket behind it, as every bucket that has to be read does. */
static apr_status_t part_read(apr_bucket *e, const char **str, apr_size_t *len, apr_read_type_e block)
{
    part_t *part = e->data;
    apr_size_t left = e->length, want = left < PIECE_BYTES ? left : PIECE_BYTES;
    apr_bucket *rest = NULL;
    char *buf = apr_bucket_alloc(want, e->list);
    ssize_t n;

    (void)block; /* a file is always ready */
    *str = NULL;
    *len = 0;
    do {
        n = pread(part->fd, buf, want, e->start);
    } while (n < 0 && errno == EINTR);
    if (n <= 0) {
        apr_status_t rv = n < 0 ? errno : APR_EOF;
        apr_bucket_free(buf);
        return rv;
    }
    if ((apr_size_t)n < left) {
        (void)apr_bucket_copy(e, &rest); /* one more reference */
        rest->start += n;
        rest->length -= (apr_size_t)n;
        APR_BUCKET_INSERT_AFTER(e, rest);
    }
    part_destroy(part);
    apr_bucket_heap_make(e, buf, (apr_size_t)n, apr_bucket_free);
    *str = buf;
    *len = (apr_size_t)n;
    return APR_SUCCESS;
}

static const apr_bucket_type_t part_type = {
    "WSGI_FILEPART", 5, APR_BUCKET_DATA, part_destroy, part_read,
    apr_bucket_setaside_noop, /* the descriptor depends on no pool */
    apr_bucket_shared_split, apr_bucket_shared_copy
};

static apr_bucket *create(part_t *part, apr_off_t offset, apr_size_t length, apr_bucket_alloc_t *list)
{
    apr_bucket *e = apr_bucket_alloc(sizeof(*e), list);

    APR_BUCKET_INIT(e);
    e->free = apr_bucket_free;
    e->list = list;
    e = apr_bucket_shared_make(e, part, offset, length);
    e->type = &part_type;
    return e;
}

void wsgi_filepart_append(apr_bucket_brigade *bb, int fd, apr_off_t offset, apr_off_t length)
{
    part_t *part = apr_bucket_alloc(sizeof(*part), bb->bucket_alloc);
    apr_bucket *e = create(part, offset, length < BUCKET_BYTES ? (apr_size_t)length : BUCKET_BYTES, bb->bucket_alloc);

    part->fd = fd;
    APR_BRIGADE_INSERT_TAIL(bb, e);
    while ((length -= BUCKET_BYTES) > 0) {
        apr_bucket *next;
        (void)apr_bucket_copy(e, &next);
        next->start += BUCKET_BYTES;
        next->length = length < BUCKET_BYTES ? (apr_size_t)length : BUCKET_BYTES;
        APR_BRIGADE_INSERT_TAIL(bb, next);
        e = next;
    }
}
