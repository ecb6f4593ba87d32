/* A bridge left over from another release of the module, for test_loader.c. */
#include "base/wsgi_bridge.h"

extern const wsgi_bridge_t wsgi_bridge_table;
const wsgi_bridge_t wsgi_bridge_table = { .abi = WSGI_BRIDGE_ABI + 1, .size = sizeof(wsgi_bridge_t) };
