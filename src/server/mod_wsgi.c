#include <httpd.h>
#include <http_config.h>

#include "config/wsgi_config.h"
#include "httpd/wsgi_access.h"
#include "httpd/wsgi_handler.h"
#include "httpd/wsgi_startup.h"
#include "httpd/wsgi_translate.h"

static void register_hooks(apr_pool_t *pconf)
{
    wsgi_startup_register();
    wsgi_translate_register();
    wsgi_access_register(pconf);
    wsgi_handler_register();
}

#if defined(__GNUC__)
#pragma GCC visibility push(default) /* the one symbol that Apache looks for */
#endif
AP_DECLARE_MODULE(wsgi) = {
    STANDARD20_MODULE_STUFF,
    wsgi_config_create_dir,
    wsgi_config_merge_dir,
    wsgi_config_create_server,
    wsgi_config_merge_server,
    wsgi_directives,
    register_hooks,
    AP_MODULE_FLAG_NONE,
};
#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
