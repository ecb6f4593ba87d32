#ifndef WSGI_FILEACCESS_H
#define WSGI_FILEACCESS_H

#include <httpd.h>
#include <util_filter.h>

/**
 * How Apache gets at the bytes of a file that an application sends: mapped into memory, or read in blocks.
 *
 * A mapped file costs one copy less. But an application's file may be cut while it is sent, and whoever then touches
 * memory past its end is killed by SIGBUS. The kernel is not: writing such memory to a socket fails with EFAULT, and
 * the response ends there. So files are mapped only when nothing between the handler and the socket looks at the bytes,
 * neither TLS nor HTTP/2 nor a filter of the content.
 */

/**
 * Choose for the file buckets of a brigade, all of which belong to the same open file. Mapped: only if EnableMMAP is
 * not Off there, as Apache's own files. Blocks: as long as ReadBufferSize says, when that is set.
 * @param r      its filters are complete but for what Apache adds with the headers
 * @param bucket one of them, of apr_brigade_insert_file()
 * @param length of the part that is sent, bytes
 */
void wsgi_fileaccess_choose(apr_bucket *bucket, const request_rec *r, apr_off_t length);

#endif
