#include "base/wsgi_log.h"

#include <apr_strings.h>
#include <stdarg.h>

enum { TEXT_BYTES = 8192 }; /* Apache cuts a record at the same length */

void wsgi_log(const wsgi_log_sink_t *sink, const char *file, int line, wsgi_log_level_t level, apr_status_t status,
              const char *format, ...)
{
    char text[TEXT_BYTES];
    wsgi_record_t record = { .level = level, .file = file, .line = line, .status = status, .text = text };
    va_list args;

    if (!sink->enabled(sink->context, level)) {
        return;
    }
    va_start(args, format);
    apr_vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    sink->write(sink->context, &record);
}
