#ifndef WSGI_FILEPART_H
#define WSGI_FILEPART_H

#include <apr_buckets.h>

/**
 * A bucket for part of an open regular file, read with pread() and so without moving the descriptor's file offset.
 *
 * Apache's own file bucket moves it, and a descriptor that came from an application shares its offset with that
 * application and with every other response that sends the same open file: their reads would mix up each other's
 * positions. This bucket costs what sendfile and writing after the handler has returned would save, so it is for
 * descriptors that cannot be opened afresh.
 */

/**
 * Append `length` bytes from `offset` on, in as many buckets as their lengths need. A file that turns out shorter is an
 * error when it is read, APR_EOF.
 * @param fd becomes the buckets': closed with the last of them
 */
void wsgi_filepart_append(apr_bucket_brigade *bb, int fd, apr_off_t offset, apr_off_t length);

#endif
