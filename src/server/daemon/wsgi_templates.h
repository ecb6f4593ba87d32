#ifndef WSGI_TEMPLATES_H
#define WSGI_TEMPLATES_H

#include "daemon/wsgi_keeperstate.h"

/** The keeper's part in preload=On: the templates (wsgi_template.h) that workers are made from. */

enum { WSGI_TEMPLATES = 4 }; /* at once: one that is used, one that is being made, and those that end */

/** Adopt what templates make. Where the system cannot do that, it is logged (WSGI0216), and workers do without. */
void wsgi_templates_init(wsgi_keeper_t *k);

/** Have a template, and one that knows the scripts which workers have answered with since it was made; these stay. */
void wsgi_templates_complete(wsgi_keeper_t *k, apr_time_t now);

/** Whether the next worker has to wait for a template. */
int wsgi_templates_are_lacking(wsgi_keeper_t *k);

/** Make a template for the next worker, unless that is under way. */
void wsgi_templates_need(wsgi_keeper_t *k);

/** A template has loaded what it should: it takes the place of the others. */
void wsgi_templates_on_ready(wsgi_keeper_t *k, wsgi_proc_t *template);

#endif
