#ifndef WSGI_REPORTING_H
#define WSGI_REPORTING_H

#include "config/wsgi_config.h"

/** Setters of WSGIServerMetrics, WSGITelemetryService, WSGITelemetryOptions and WSGISlowRequests. */
const char *wsgi_reporting_set_metrics(cmd_parms *cmd, void *dir, int flag);
const char *wsgi_reporting_set_service(cmd_parms *cmd, void *dir, const char *target, const char *interval);
const char *wsgi_reporting_set_options(cmd_parms *cmd, void *dir, int argc, char *const argv[]);
const char *wsgi_reporting_set_slow_requests(cmd_parms *cmd, void *dir, const char *seconds);

/** Note that something is accepted and checked, but has no effect in this release. */
void wsgi_reporting_note_pending(wsgi_setup_t *setup, const char *what);

#endif
