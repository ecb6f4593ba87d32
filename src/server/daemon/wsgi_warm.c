#include "daemon/wsgi_warm.h"

#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int wsgi_warm_encode(char *text, const wsgi_report_t *report)
{
    int len = snprintf(text, WSGI_CONTROL_TEXT, "%" APR_UINT64_T_HEX_FMT " %" APR_UINT64_T_HEX_FMT "%c%s%c%s",
                       report->version.stamp, report->version.when, 0, report->application_group, 0, report->script);

    return len > 0 && len < WSGI_CONTROL_TEXT ? len : 0;
}

/* @return behind the NUL that ends the text at `at`, NULL when the message ends before */
static const char *next_text(const char *at, const char *end)
{
    at += strlen(at) + 1; /* there is a NUL behind the message */
    return at <= end ? at : NULL;
}

int wsgi_warm_decode(wsgi_report_t *report, const wsgi_control_message_t *message)
{
    const char *end = message->text + message->len;
    char *rest;

    report->application_group = next_text(message->text, end);
    report->script = report->application_group != NULL ? next_text(report->application_group, end) : NULL;
    if (report->script == NULL) {
        return 0;
    }
    report->version.stamp = strtoull(message->text, &rest, 16);
    report->version.when = strtoull(rest, NULL, 16);
    return 1;
}

int wsgi_warm_add(wsgi_warm_t *warm, const char *application_group, const char *script)
{
    for (int i = 0; i < warm->count; i++) {
        const wsgi_warm_script_t *known = &warm->scripts[i];
        if (strcmp(known->script, script) == 0 && strcmp(known->application_group, application_group) == 0) {
            return i;
        }
    }
    if (warm->count == WSGI_WARM_SCRIPTS || script[0] != '/') {
        return -1;
    }
    warm->scripts[warm->count].application_group = apr_pstrdup(warm->pool, application_group);
    warm->scripts[warm->count].script = apr_pstrdup(warm->pool, script);
    return warm->count++;
}

void wsgi_warm_inherit(wsgi_warm_t *warm, const wsgi_board_t *board, int generation)
{
    wsgi_board_script_t remembered[WSGI_BOARD_SCRIPTS];
    int count = wsgi_board_keeper_recall(board, generation + 1, remembered);

    for (int i = 0; i < count; i++) {
        (void)wsgi_warm_add(warm, remembered[i].text, wsgi_board_script_path(&remembered[i]));
    }
}
