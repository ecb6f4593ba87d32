#ifndef WSGI_TRANSLATE_H
#define WSGI_TRANSLATE_H

#include "config/wsgi_config.h"

/** Script aliases: from the path of a URL to the file that serves it, in Apache's translate-name phase. */

void wsgi_translate_register(void);

/** The alias that mapped a request, NULL when none did. */
const wsgi_alias_t *wsgi_translate_alias(const request_rec *r);

#endif
