/* A bridge in all but the functions, for test_loader.c. */
#include "base/wsgi_bridge.h"

extern const wsgi_bridge_t wsgi_bridge_table;
const wsgi_bridge_t wsgi_bridge_table = {
    .abi = WSGI_BRIDGE_ABI,
    .size = sizeof(wsgi_bridge_t),
    .python_version = "3.11.2",
    .soabi = "cpython-311-test",
};
