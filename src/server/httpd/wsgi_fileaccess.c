#include "httpd/wsgi_fileaccess.h"

#include <ap_mmn.h>
#include <apu_version.h>
#include <http_core.h>
#include <string.h>

enum {
    BLOCK_BYTES = 65536,      /* read at once: as much as Apache writes, and still in the processor's cache then */
    LEAST_MAPPED = 256 * 1024 /* setting up and taking down a mapping costs more than reading less than this */
};

/* Filters that pass file buckets on, or cut them in two, without reading them. */
static int is_blind(const ap_filter_t *filter)
{
    static const char *const names[] = { "byterange",     "content_length",    "http_header",
                                         "http_outerror", "fixup_headers_out", "mod_expires",
                                         "core" };

    for (apr_size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(filter->frec->name, names[i]) == 0) {
            return 1;
        }
    }
    return 0;
}

static int nobody_looks(const request_rec *r)
{
    const ap_filter_t *filter = r->output_filters;

    while (filter != NULL && is_blind(filter)) {
        filter = filter->next;
    }
    return filter == NULL;
}

static int may_map(const request_rec *r, apr_off_t length)
{
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);

    return length >= LEAST_MAPPED && core->enable_mmap != ENABLE_MMAP_OFF && nobody_looks(r);
}

#if AP_MODULE_MAGIC_AT_LEAST(20120211, 97)

static apr_size_t block_bytes(const request_rec *r)
{
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);

    return core->read_buf_size > 0 ? core->read_buf_size : BLOCK_BYTES;
}

#else

static apr_size_t block_bytes(const request_rec *r)
{
    (void)r; /* this Apache has no ReadBufferSize */
    return BLOCK_BYTES;
}

#endif

#if APU_MAJOR_VERSION > 1 || APU_MINOR_VERSION >= 6

static void set_block_bytes(apr_bucket *bucket, apr_size_t bytes)
{
    (void)apr_bucket_file_set_buf_size(bucket, bytes); /* fails only for what is no file bucket */
}

#else

static void set_block_bytes(apr_bucket *bucket, apr_size_t bytes)
{
    (void)bucket; /* this version of APR has one size for all */
    (void)bytes;
}

#endif

void wsgi_fileaccess_choose(apr_bucket *bucket, const request_rec *r, apr_off_t length)
{
    (void)apr_bucket_file_enable_mmap(bucket, may_map(r, length)); /* fails only where nothing can be mapped */
    set_block_bytes(bucket, block_bytes(r));
}
