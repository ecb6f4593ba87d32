#ifndef WSGI_STARTUP_H
#define WSGI_STARTUP_H

#include <sys/types.h>

#include "base/wsgi_bridge.h"
#include "config/wsgi_config.h"
#include "daemon/wsgi_supervisor.h"
#include "httpd/wsgi_kept.h"

/**
 * Life of the module in a process: checks and process groups when Apache starts, embedded Python in each child, and
 * its end. Keeps the one record of the process.
 */

void wsgi_startup_register(void);

/** Embedded Python of this child. Constant once requests are served. @return NULL when there is none */
const wsgi_bridge_t *wsgi_startup_python(wsgi_runtime_t **runtime);

/** How to reach a process group, NULL when it could not be started. */
const wsgi_endpoint_t *wsgi_startup_endpoint(const wsgi_definition_t *definition);

/** Connections of this child to process groups, by their number less 1. Constant once requests are served. */
wsgi_kept_t *wsgi_startup_kept(void);

/**
 * Number of this configuration, rising with each restart; a worker tells by it what a server index counts in.
 */
int wsgi_startup_generation(void);

/** Of this child: getpid() asks the kernel each time. Constant once requests are served. */
pid_t wsgi_startup_pid(void);

/** Around the execution of embedded requests: Python is not stopped under them. Any thread. */
void wsgi_startup_enter_request(void);
void wsgi_startup_leave_request(void);

#endif
