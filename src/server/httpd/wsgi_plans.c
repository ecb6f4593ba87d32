#include "httpd/wsgi_plans.h"

#include <ap_mpm.h>
#include <ap_release.h>
#include <apr_strings.h>
#include <http_config.h>
#include <http_core.h>
#include <string.h>

static int query_mpm(int what)
{
    int result = 0;

    return ap_mpm_query(what, &result) == APR_SUCCESS ? result : 0;
}

void wsgi_plans_describe_apache(wsgi_runtime_settings_t *python)
{
    int processes = query_mpm(AP_MPMQ_MAX_DAEMONS);
    int threads = query_mpm(AP_MPMQ_MAX_THREADS);

    python->multiprocess = query_mpm(AP_MPMQ_IS_FORKED) != AP_MPMQ_NOT_SUPPORTED && processes != 1;
    python->multithread = query_mpm(AP_MPMQ_IS_THREADED) != AP_MPMQ_NOT_SUPPORTED && threads != 1;
    python->mpm_processes = processes > 1 ? processes : 1;
    python->mpm_threads = threads > 1 ? threads : 1;
    python->maximum_processes = python->mpm_processes;
    python->threads_per_process = python->mpm_threads;
    python->is_single_process = ap_exists_config_define("ONE_PROCESS") || ap_exists_config_define("DEBUG"); /* -X */
    python->apache_version[0] = AP_SERVER_MAJORVERSION_NUMBER;
    python->apache_version[1] = AP_SERVER_MINORVERSION_NUMBER;
    python->apache_version[2] = AP_SERVER_PATCHLEVEL_NUMBER;
    python->apache_description = ap_get_server_description();
    python->apache_build_date = ap_get_server_built();
    python->mpm_name = ap_show_mpm();
}

/* What embedded mode and daemons have in common stays as it is. */
static const wsgi_runtime_settings_t *daemon_settings(const wsgi_setup_t *setup, const wsgi_group_t *group,
                                                      apr_pool_t *pconf)
{
    wsgi_runtime_settings_t *python = apr_pmemdup(pconf, &setup->python, sizeof(*python));

    python->process_group = group->name;
    if (group->python_home != NULL) {
        python->python_home = group->python_home;
    }
    python->base.python_path = group->python_path;
    python->python_eggs = group->python_eggs;
    python->home = group->home;
    python->base.switch_interval = group->switch_interval;
    python->set_user_environment = 1;
    python->is_service = group->threads == 0;
    python->is_single_process = 0;
    python->multithread = group->threads != 1;
    python->multiprocess = group->processes_given;
    python->run_once = group->threads == 1 && group->maximum_requests == 1;
    python->maximum_processes = group->processes;
    python->threads_per_process = group->threads;
    return python;
}

static void collect_imports(wsgi_group_plan_t *plan, const apr_array_header_t *imports, apr_pool_t *pconf)
{
    apr_array_header_t *own = apr_array_make(pconf, 2, sizeof(wsgi_import_t));

    for (int i = 0; i < imports->nelts; i++) {
        const wsgi_import_t *import = &APR_ARRAY_IDX(imports, i, wsgi_import_t);
        if (strcmp(import->process_group, plan->group->name) == 0) {
            APR_ARRAY_PUSH(own, wsgi_import_t) = *import;
        }
    }
    plan->imports = (const wsgi_import_t *)(void *)own->elts;
    plan->import_count = own->nelts;
}

wsgi_group_plan_t *wsgi_plans_make(const wsgi_setup_t *setup, apr_pool_t *pconf)
{
    int count = setup->definitions->nelts;
    wsgi_group_plan_t *plans = apr_pcalloc(pconf, (apr_size_t)(count > 0 ? count : 1) * sizeof(*plans));

    for (int i = 0; i < count; i++) {
        plans[i].group = &APR_ARRAY_IDX(setup->definitions, i, const wsgi_definition_t *)->group;
        plans[i].settings = daemon_settings(setup, plans[i].group, pconf);
        collect_imports(&plans[i], setup->imports, pconf);
    }
    return plans;
}
