#ifndef WSGI_PLANS_H
#define WSGI_PLANS_H

#include "config/wsgi_config.h"
#include "daemon/wsgi_supervisor.h"

/** From configuration to what processes are told: settings of Python, groups with their imports. */

/** Complete the settings of embedded Python with what the running Apache is like. */
void wsgi_plans_describe_apache(wsgi_runtime_settings_t *python);

/** One plan per definition, in their order; the array has setup->definitions->nelts entries. */
wsgi_group_plan_t *wsgi_plans_make(const wsgi_setup_t *setup, apr_pool_t *pconf);

#endif
