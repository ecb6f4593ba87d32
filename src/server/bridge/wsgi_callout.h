#ifndef WSGI_CALLOUT_H
#define WSGI_CALLOUT_H

#include "bridge/wsgi_runtime.h"

/** Call functions of a script that are no WSGI applications; see `ask` in wsgi_bridge.h. GIL: not held. */
wsgi_answer_t wsgi_callout_ask(wsgi_runtime_t *runtime, wsgi_question_t *question, wsgi_exchange_t *exchange);

#endif
