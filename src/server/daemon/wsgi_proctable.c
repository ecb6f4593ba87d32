#include "daemon/wsgi_proctable.h"

#include <apr_strings.h>

void wsgi_proctable_init(wsgi_proctable_t *table, int capacity, apr_pool_t *pool)
{
    table->procs = apr_pcalloc(pool, (apr_size_t)capacity * sizeof(*table->procs));
    table->capacity = capacity;
}

int wsgi_proctable_count(const wsgi_proctable_t *table, wsgi_proc_state_t state)
{
    int n = 0;

    for (int i = 0; i < table->capacity; i++) {
        n += table->procs[i].state == state;
    }
    return n;
}

int wsgi_proctable_count_lasting(const wsgi_proctable_t *table, wsgi_proc_state_t state)
{
    int n = 0;

    for (int i = 0; i < table->capacity; i++) {
        n += table->procs[i].state == state && !table->procs[i].is_obsolete;
    }
    return n;
}

int wsgi_proctable_is_empty(const wsgi_proctable_t *table)
{
    return wsgi_proctable_count(table, WSGI_PROC_FREE) == table->capacity;
}

wsgi_proc_t *wsgi_proctable_free(wsgi_proctable_t *table)
{
    for (int i = 0; i < table->capacity; i++) {
        if (table->procs[i].state == WSGI_PROC_FREE) {
            return &table->procs[i];
        }
    }
    return NULL;
}

wsgi_proc_t *wsgi_proctable_find(wsgi_proctable_t *table, pid_t pid)
{
    for (int i = 0; i < table->capacity; i++) {
        if (table->procs[i].state != WSGI_PROC_FREE && table->procs[i].pid == pid) {
            return &table->procs[i];
        }
    }
    return NULL;
}

static wsgi_proc_t *oldest_ready(wsgi_proctable_t *table, int is_obsolete)
{
    wsgi_proc_t *oldest = NULL;

    for (int i = 0; i < table->capacity; i++) {
        wsgi_proc_t *proc = &table->procs[i];
        if (proc->state == WSGI_PROC_READY && proc->is_obsolete == is_obsolete
            && (oldest == NULL || proc->birth < oldest->birth)) {
            oldest = proc;
        }
    }
    return oldest;
}

wsgi_proc_t *wsgi_proctable_oldest_obsolete(wsgi_proctable_t *table)
{
    return oldest_ready(table, 1);
}

wsgi_proc_t *wsgi_proctable_oldest_lasting(wsgi_proctable_t *table)
{
    return oldest_ready(table, 0);
}

int wsgi_proc_is_starting(const wsgi_proc_t *proc)
{
    return proc->state == WSGI_PROC_STARTING || proc->state == WSGI_PROC_TEMPLATE_STARTING;
}

int wsgi_proc_is_template(const wsgi_proc_t *proc)
{
    return proc->state == WSGI_PROC_TEMPLATE_STARTING || proc->state == WSGI_PROC_TEMPLATE;
}

wsgi_proc_t *wsgi_proctable_newest_template(wsgi_proctable_t *table)
{
    wsgi_proc_t *newest = NULL;

    for (int i = 0; i < table->capacity; i++) {
        wsgi_proc_t *proc = &table->procs[i];
        if (proc->state == WSGI_PROC_TEMPLATE && (newest == NULL || proc->birth > newest->birth)) {
            newest = proc;
        }
    }
    return newest;
}

apr_time_t wsgi_proctable_next_kill(const wsgi_proctable_t *table)
{
    apr_time_t next = 0;

    for (int i = 0; i < table->capacity; i++) {
        const wsgi_proc_t *proc = &table->procs[i];
        if (proc->state != WSGI_PROC_FREE && proc->kill_at != 0 && (next == 0 || proc->kill_at < next)) {
            next = proc->kill_at;
        }
    }
    return next;
}

void wsgi_proc_make_obsolete(wsgi_proc_t *proc, const char *reason)
{
    if (proc->state == WSGI_PROC_READY && !proc->is_obsolete) {
        proc->is_obsolete = 1;
        apr_cpystrn(proc->reason, reason, sizeof(proc->reason));
    }
}

void wsgi_proctable_compare_versions(wsgi_proctable_t *table, wsgi_proc_t *proc, int script, const char *reason)
{
    const wsgi_version_t *own = &proc->versions[script];

    for (int i = 0; i < table->capacity; i++) {
        const wsgi_version_t *other = &table->procs[i].versions[script];
        if (other->when != 0 && other->stamp != own->stamp) {
            wsgi_proc_make_obsolete(other->when < own->when ? &table->procs[i] : proc, reason);
        }
    }
}
