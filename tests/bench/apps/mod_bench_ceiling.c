/*
 * What Apache itself allows: a handler that sends 13 bytes. Servers that run an application are measured against it.
 */
#include "httpd.h"
#include "http_config.h"
#include "http_protocol.h"

static int handle(request_rec *r)
{
    static const char body[] = "Hello, World\n";

    if (r->handler == NULL || strcmp(r->handler, "bench-ceiling") != 0) {
        return DECLINED;
    }
    ap_set_content_type(r, "text/plain");
    ap_set_content_length(r, sizeof(body) - 1);
    ap_rwrite(body, sizeof(body) - 1, r);
    return OK;
}

static void register_hooks(apr_pool_t *pconf)
{
    (void)pconf;
    ap_hook_handler(handle, NULL, NULL, APR_HOOK_MIDDLE);
}

module AP_MODULE_DECLARE_DATA bench_ceiling_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks, 0
};
