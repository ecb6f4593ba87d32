/* A bridge whose table is of another size though its number is right, for test_loader.c. */
#include "base/wsgi_bridge.h"

extern const wsgi_bridge_t wsgi_bridge_table;
const wsgi_bridge_t wsgi_bridge_table = { .abi = WSGI_BRIDGE_ABI, .size = sizeof(wsgi_bridge_t) - 1 };
