/* sources: base/wsgi_scopes.c */
#include "base/wsgi_scopes.h"

#include "wsgi_tap.h"

#define UNSET_FLAGS                                                                                                   \
    .per_interpreter_gil = WSGI_INHERIT, .free_threading = WSGI_INHERIT, .restrict_stdin = WSGI_INHERIT,              \
    .restrict_stdout = WSGI_INHERIT, .restrict_signal = WSGI_INHERIT

/* A process of group "web" with restrict_signal at top level, and these scopes. */
static wsgi_runtime_settings_t settings_with(const wsgi_scope_t *scopes, int count)
{
    wsgi_runtime_settings_t settings = { .process_group = "web", .base = { .restrict_signal = 1 } };
    apr_array_header_t *array = apr_array_make(tap.pool, 4, sizeof(wsgi_scope_t));

    for (int i = 0; i < count; i++) {
        APR_ARRAY_PUSH(array, wsgi_scope_t) = scopes[i];
    }
    settings.scopes = array;
    return settings;
}

#define SETTINGS(...)                                                                                                 \
    settings_with((const wsgi_scope_t[]){ __VA_ARGS__ },                                                              \
                  sizeof((const wsgi_scope_t[]){ __VA_ARGS__ }) / sizeof(wsgi_scope_t))
#define FLAG(pg, ag, flag, value) { .process_group = pg, .application_group = ag, UNSET_FLAGS, .flag = value }

/* With UNSET_FLAGS a flag is initialised twice, the last time counts. */
#pragma GCC diagnostic ignored "-Woverride-init"

static wsgi_interp_options_t options_of(const wsgi_runtime_settings_t *settings, const char *application_group)
{
    wsgi_interp_options_t options;

    wsgi_scopes_resolve(&options, settings, application_group);
    return options;
}

static void base_applies_without_scopes(void)
{
    wsgi_runtime_settings_t settings = { .process_group = "", .base = { .restrict_stdin = 1, .python_path = "/a" } };

    settings.base.switch_interval = 0.1;
    CHECK_INT(options_of(&settings, "x").restrict_stdin, 1);
    CHECK_INT(options_of(&settings, "x").restrict_stdout, 0);
    CHECK_INT(options_of(&settings, "x").switch_interval == 0.1, 1);
    CHECK_INT(options_of(&settings, "x").switch_interval_by, WSGI_SET_BY_BASE);
    CHECK_STR(wsgi_scopes_python_path(&settings, "x", 0), "/a");
    CHECK_INT(wsgi_scopes_python_path(&settings, "x", 1) == NULL, 1);
    CHECK_INT(wsgi_scopes_free_threading(&settings), 0);
}

/* One scope that turns restrict_stdin on: for whom? */
static void selectors_choose(void)
{
    static const struct {
        const char *process_group, *application_group; /* of the scope */
        const char *name;                              /* of an interpreter of group "web" */
        int applies;
    } cases[] = {
        { NULL, NULL, "", 1 },   { NULL, NULL, "x", 1 }, { "web", NULL, "x", 1 },  { "WEB", NULL, "x", 0 },
        { "", NULL, "x", 0 },    { NULL, "x", "x", 1 },  { NULL, "x", "y", 0 },    { NULL, "", "", 1 },
        { NULL, "", "x", 0 },    { "web", "x", "x", 1 }, { "web", "x", "", 0 },    { "other", "x", "x", 0 },
        { NULL, "X", "x", 0 },   { NULL, "%{RESOURCE}", "x", 0 },                  { "web", "", "", 1 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wsgi_runtime_settings_t settings =
            SETTINGS(FLAG(cases[i].process_group, cases[i].application_group, restrict_stdin, 1));
        CHECK_INT(options_of(&settings, cases[i].name).restrict_stdin, cases[i].applies);
    }
}

/* Scopes that turn restrict_signal off or on; the base has it on. What has interpreter "x" of "web"? */
#define SIGNAL(pg, ag, value) FLAG(pg, ag, restrict_signal, value)
static void most_specific_wins_then_latest(void)
{
    static const struct {
        wsgi_scope_t scopes[3];
        int want;
    } cases[] = {
        { { SIGNAL(NULL, NULL, 0), SIGNAL("no", NULL, 1), SIGNAL("no", NULL, 1) }, 0 },
        { { SIGNAL("web", NULL, 0), SIGNAL(NULL, NULL, 1), SIGNAL(NULL, NULL, 1) }, 0 },
        { { SIGNAL(NULL, "x", 0), SIGNAL(NULL, NULL, 1), SIGNAL(NULL, NULL, 1) }, 0 },
        { { SIGNAL("web", "x", 0), SIGNAL("web", NULL, 1), SIGNAL(NULL, "x", 1) }, 0 },
        { { SIGNAL(NULL, "x", 1), SIGNAL("web", NULL, 0), SIGNAL(NULL, NULL, 1) }, 0 },
        { { SIGNAL("web", NULL, 0), SIGNAL(NULL, "x", 1), SIGNAL(NULL, NULL, 0) }, 1 },
        { { SIGNAL("web", "x", 0), SIGNAL("web", "x", 1), SIGNAL("web", "y", 0) }, 1 },
        { { SIGNAL("web", "x", 0), FLAG("web", "x", restrict_stdin, 1), SIGNAL("web", NULL, 1) }, 0 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wsgi_runtime_settings_t settings = settings_with(cases[i].scopes, 3);
        CHECK_INT(options_of(&settings, "x").restrict_signal, cases[i].want);
    }
}

static void each_setting_is_looked_up_by_itself(void)
{
    wsgi_runtime_settings_t settings = SETTINGS(FLAG("web", "x", restrict_stdout, 1),
                                                FLAG("web", NULL, restrict_stdin, 1),
                                                FLAG(NULL, NULL, per_interpreter_gil, 1));
    wsgi_interp_options_t options = options_of(&settings, "x");

    CHECK_INT(options.restrict_stdout, 1);
    CHECK_INT(options.restrict_stdin, 1);
    CHECK_INT(options.per_interpreter_gil, 1);
    CHECK_INT(options.restrict_signal, 1);
}

static void switch_interval_tells_who_set_it(void)
{
    wsgi_runtime_settings_t settings =
        SETTINGS({ .process_group = "web", UNSET_FLAGS, .switch_interval = 0.2 },
                 { .application_group = "x", UNSET_FLAGS, .switch_interval = 0.3 },
                 { .process_group = "web", .application_group = "x", UNSET_FLAGS });

    settings.base.switch_interval = 0.1;
    CHECK_INT(options_of(&settings, "").switch_interval == 0.2, 1);
    CHECK_INT(options_of(&settings, "").switch_interval_by, WSGI_SET_FOR_PROCESS);
    CHECK_INT(options_of(&settings, "x").switch_interval == 0.3, 1);
    CHECK_INT(options_of(&settings, "x").switch_interval_by, WSGI_SET_FOR_INTERPRETER);
}

static void python_paths_come_in_layers(void)
{
    static const char *const want[] = { "/base", "/all", "/all2", "/web", "/x", "/web2", "/web-x" };
    wsgi_runtime_settings_t settings = SETTINGS(
        { .process_group = "web", .application_group = "x", UNSET_FLAGS, .python_path = "/web-x" },
        { .process_group = "web", UNSET_FLAGS, .python_path = "/web" }, { UNSET_FLAGS, .python_path = "/all" },
        { .application_group = "x", UNSET_FLAGS, .python_path = "/x" },
        { .application_group = "y", UNSET_FLAGS, .python_path = "/y" }, { UNSET_FLAGS, .python_path = "/all2" },
        { .process_group = "web", UNSET_FLAGS, .python_path = "/web2" });
    int layer;

    settings.base.python_path = "/base";
    for (layer = 0; layer < (int)(sizeof(want) / sizeof(want[0])); layer++) {
        CHECK_STR(wsgi_scopes_python_path(&settings, "x", layer), want[layer]);
    }
    CHECK_INT(wsgi_scopes_python_path(&settings, "x", layer) == NULL, 1);
    settings.base.python_path = NULL;
    CHECK_STR(wsgi_scopes_python_path(&settings, "x", 0), "/all");
}

static void free_threading_is_of_the_process(void)
{
    wsgi_runtime_settings_t process = SETTINGS(FLAG("web", NULL, free_threading, 1));
    wsgi_runtime_settings_t interpreter = SETTINGS(FLAG("web", "x", free_threading, 1));
    wsgi_runtime_settings_t later =
        SETTINGS(FLAG("web", NULL, free_threading, 1), FLAG("web", NULL, free_threading, 0));

    CHECK_INT(wsgi_scopes_free_threading(&process), 1);
    CHECK_INT(wsgi_scopes_free_threading(&interpreter), 0);
    CHECK_INT(wsgi_scopes_free_threading(&later), 0);
    process.process_group = "";
    CHECK_INT(wsgi_scopes_free_threading(&process), 0);
}

static void own_gil_may_be_wanted(void)
{
    wsgi_runtime_settings_t none =
        SETTINGS(FLAG("web", NULL, per_interpreter_gil, 0), FLAG("no", "x", per_interpreter_gil, 1));
    wsgi_runtime_settings_t only_main = SETTINGS(FLAG("web", "", per_interpreter_gil, 1));
    wsgi_runtime_settings_t some = SETTINGS(FLAG(NULL, "x", per_interpreter_gil, 1));

    CHECK_INT(wsgi_scopes_may_own_gil(&none), 0);
    CHECK_INT(wsgi_scopes_may_own_gil(&only_main), 0);
    CHECK_INT(wsgi_scopes_may_own_gil(&some), 1);
    none.base.per_interpreter_gil = 1;
    CHECK_INT(wsgi_scopes_may_own_gil(&none), 1);
}

int main(void)
{
    TAP_RUN(base_applies_without_scopes);
    TAP_RUN(selectors_choose);
    TAP_RUN(most_specific_wins_then_latest);
    TAP_RUN(each_setting_is_looked_up_by_itself);
    TAP_RUN(switch_interval_tells_who_set_it);
    TAP_RUN(python_paths_come_in_layers);
    TAP_RUN(free_threading_is_of_the_process);
    TAP_RUN(own_gil_may_be_wanted);
    return tap_done();
}
