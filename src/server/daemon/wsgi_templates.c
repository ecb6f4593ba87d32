#include "daemon/wsgi_templates.h"

#include <errno.h>
#include <string.h>

#include "daemon/wsgi_adoption.h"
#include "daemon/wsgi_retire.h"
#include "daemon/wsgi_spawner.h"

void wsgi_templates_init(wsgi_keeper_t *k)
{
    k->preloads = k->group->preload;
    if (k->preloads && wsgi_adoption_begin() < 0) {
        wsgi_log(k->log, WSGI_HERE, WSGI_LOG_WARNING, errno,
                 WSGI_LOGNO(0216) "preload=On has no effect for daemon process group '%s', since no process can adopt "
                                  "others on this system; each one loads its scripts itself.",
                 k->group->name);
        k->preloads = 0;
    }
}

static int is_imported(const wsgi_group_plan_t *plan, const char *script)
{
    for (int i = 0; i < plan->import_count; i++) {
        if (strcmp(plan->imports[i].script, script) == 0) {
            return 1;
        }
    }
    return 0;
}

/* Whether another template would have loaded more. Import scripts are known to each. */
static int is_outgrown(const wsgi_keeper_t *k, const wsgi_proc_t *template)
{
    for (int i = template->warm; i < k->warm.count; i++) {
        const wsgi_warm_script_t *warm = &k->warm.scripts[i];
        if (strcmp(warm->application_group, WSGI_MAIN_INTERPRETER) == 0 && !is_imported(k->start->plan, warm->script)) {
            return 1;
        }
    }
    return 0;
}

static void end_all_but(wsgi_keeper_t *k, const wsgi_proc_t *template)
{
    for (int i = 0; i < k->table.capacity; i++) {
        wsgi_proc_t *proc = &k->table.procs[i];
        if (proc != template && wsgi_proc_is_template(proc)) {
            wsgi_retire_template(k, proc);
        }
    }
}

static void start(wsgi_keeper_t *k)
{
    if (k->group->stop_first) {
        end_all_but(k, NULL);
    }
    wsgi_spawner_start_template(k);
}

int wsgi_templates_are_lacking(wsgi_keeper_t *k)
{
    return k->preloads && wsgi_succession_template(&k->succession, &k->table) == NULL;
}

void wsgi_templates_need(wsgi_keeper_t *k)
{
    for (int i = 0; i < k->table.capacity; i++) {
        wsgi_proc_t *proc = &k->table.procs[i];
        if (proc->state == WSGI_PROC_TEMPLATE_STARTING && proc->as_of >= k->succession.code_needed) {
            return;
        }
    }
    start(k);
}

void wsgi_templates_complete(wsgi_keeper_t *k, apr_time_t now)
{
    wsgi_proc_t *newest = wsgi_proctable_newest_template(&k->table);

    if (!k->preloads || now < k->succession.next_start
        || wsgi_proctable_count(&k->table, WSGI_PROC_TEMPLATE_STARTING) > 0) {
        return;
    }
    if (newest == NULL) {
        start(k);
    } else if (is_outgrown(k, newest)) {
        newest->warm = k->warm.count; /* if this attempt fails, the next one waits for another script */
        start(k);
    }
}

void wsgi_templates_on_ready(wsgi_keeper_t *k, wsgi_proc_t *template)
{
    wsgi_log(k->log, WSGI_HERE, WSGI_LOG_INFO, 0,
             "Process %ld is the template of daemon process group '%s' from now on.", (long)template->pid,
             k->group->name);
    template->state = WSGI_PROC_TEMPLATE;
    end_all_but(k, template);
}
