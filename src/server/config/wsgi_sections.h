#ifndef WSGI_SECTIONS_H
#define WSGI_SECTIONS_H

#include "config/wsgi_config.h"

/**
 * <WSGIInterpreterOptions>, and setters of the directives that may be used in it: they write to the section that is
 * being read, or, outside of all, to what applies to every interpreter. cmd->info is an offset in wsgi_scope_t.
 * All return NULL, or the error for Apache to print.
 */
const char *wsgi_sections_read(cmd_parms *cmd, void *dir, const char *arguments);
const char *wsgi_sections_flag(cmd_parms *cmd, void *dir, int flag);
const char *wsgi_sections_text(cmd_parms *cmd, void *dir, const char *text);
const char *wsgi_sections_seconds(cmd_parms *cmd, void *dir, const char *word);

#endif
