#include "config/wsgi_reporting.h"

#include <apr_strings.h>
#include <string.h>

#include "base/wsgi_parse.h"

static const double shortest_interval = 0.5; /* seconds */

static wsgi_reporting_t *reporting_of(const cmd_parms *cmd)
{
    return &wsgi_server_config(cmd->server)->setup->reporting;
}

void wsgi_reporting_note_pending(wsgi_setup_t *setup, const char *what)
{
    for (int i = 0; i < setup->pending->nelts; i++) {
        if (strcmp(APR_ARRAY_IDX(setup->pending, i, const char *), what) == 0) {
            return;
        }
    }
    APR_ARRAY_PUSH(setup->pending, const char *) = what;
}

static void note_pending(const cmd_parms *cmd)
{
    wsgi_reporting_note_pending(wsgi_server_config(cmd->server)->setup, cmd->cmd->name);
}

static const char *wrong(const cmd_parms *cmd, const char *value, const char *expected)
{
    return apr_psprintf(cmd->pool, "%s cannot be '%s': %s is expected", cmd->cmd->name, value, expected);
}

const char *wsgi_reporting_set_metrics(cmd_parms *cmd, void *dir, int flag)
{
    const char *error = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    (void)dir;
    if (error == NULL) {
        reporting_of(cmd)->server_metrics = flag;
    }
    if (error == NULL && flag) {
        note_pending(cmd);
    }
    return error;
}

const char *wsgi_reporting_set_service(cmd_parms *cmd, void *dir, const char *target, const char *interval)
{
    static const char scheme[] = "unix:", option[] = "interval=";
    const char *error = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    wsgi_reporting_t *reporting = reporting_of(cmd);
    double seconds = 1.0;

    (void)dir;
    if (error != NULL) {
        return error;
    }
    if (strncmp(target, scheme, sizeof(scheme) - 1) != 0 || target[sizeof(scheme) - 1] != '/') {
        return wrong(cmd, target,
                     "unix: and the absolute path of a datagram socket (remote targets are not supported)");
    }
    if (interval != NULL && strncmp(interval, option, sizeof(option) - 1) != 0) {
        return wrong(cmd, interval, "interval=SECONDS, or nothing, as second argument");
    }
    if (interval != NULL && (!wsgi_parse_real(&seconds, interval + sizeof(option) - 1, 0)
                             || seconds < shortest_interval)) {
        return wrong(cmd, interval, "an interval of at least 0.5 seconds");
    }
    reporting->socket = target + sizeof(scheme) - 1;
    reporting->interval = seconds;
    note_pending(cmd);
    return NULL;
}

/* Names of the flags, as bits. */
static const struct {
    const char *name;
    unsigned bit;
} flags[] = { { "CaptureUserAgent", WSGI_REPORT_USER_AGENT }, { "None", 0 }, { "All", ~0u } };

enum { REAL_FLAGS = 1 }; /* those before None and All, which may have a sign */

/* @return the index of a word without its sign among the first `count`, -1 when it is none of them */
static int find_flag(const char *word, int count)
{
    for (int i = 0; i < count; i++) {
        if (strcasecmp(word, flags[i].name) == 0) {
            return i;
        }
    }
    return -1;
}

static int is_signed(const char *word)
{
    return *word == '+' || *word == '-';
}

const char *wsgi_reporting_set_options(cmd_parms *cmd, void *dir, int argc, char *const argv[])
{
    const char *error = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    wsgi_reporting_t *reporting = reporting_of(cmd);
    unsigned set;

    (void)dir;
    if (error != NULL) {
        return error;
    }
    if (argc == 0) {
        return apr_psprintf(cmd->pool, "%s needs at least one argument: None, All, or flags such as +CaptureUserAgent",
                            cmd->cmd->name);
    }
    set = is_signed(argv[0]) ? reporting->options : 0;
    for (int i = 0; i < argc; i++) {
        int has_sign = is_signed(argv[i]);
        int index = find_flag(argv[i] + has_sign, has_sign ? REAL_FLAGS : REAL_FLAGS + 2);

        if (has_sign != is_signed(argv[0])) {
            return wrong(cmd, argv[i], "the same form throughout, either all with + or -, or all without,");
        }
        if (index < 0) {
            return wrong(cmd, argv[i], has_sign ? "+ or - and CaptureUserAgent" : "None, All or CaptureUserAgent");
        }
        set = *argv[i] == '-' ? set & ~flags[index].bit : set | flags[index].bit;
    }
    reporting->options = set;
    note_pending(cmd);
    return NULL;
}

const char *wsgi_reporting_set_slow_requests(cmd_parms *cmd, void *dir, const char *seconds)
{
    const char *error = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    wsgi_reporting_t *reporting = reporting_of(cmd);
    double threshold = 0;

    (void)dir;
    if (error != NULL) {
        return error;
    }
    if (!wsgi_parse_real(&threshold, seconds, -1) || threshold < 0) {
        return wrong(cmd, seconds, "a number of seconds, 0 for all requests,");
    }
    reporting->reports_slow = 1;
    reporting->slow_threshold = threshold;
    note_pending(cmd);
    return NULL;
}
