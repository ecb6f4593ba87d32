#ifndef WSGI_CALLBACK_H
#define WSGI_CALLBACK_H

#include "base/wsgi_question.h"
#include "config/wsgi_config.h"

/**
 * Put a question about a request to a script, in this process.
 * @param question  kind and arguments; `variables` NULL: those of a request that is not admitted yet, and with them
 *                  goes what the script may ask about the client's connection. The rest is filled in here.
 * @return the answer; WSGI_ANSWER_UNAVAILABLE is logged
 */
wsgi_answer_t wsgi_callback_ask(wsgi_question_t *question, request_rec *r, const wsgi_callout_script_t *script);

#endif
