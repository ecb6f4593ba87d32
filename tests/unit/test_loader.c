/* sources: base/wsgi_loader.c */
/* modules: module_good_bridge.c module_old_bridge.c module_short_bridge.c */
#include "base/wsgi_loader.h"

#include "wsgi_tap.h"

#include <apr_file_io.h>
#include <apr_strings.h>
#include <unistd.h>

#define FILE_311 "wsgi_bridge.cpython-311-x86_64-linux-gnu.so"
#define FILE_313 "wsgi_bridge.cpython-313-x86_64-linux-gnu.so"
#define FILE_313T "wsgi_bridge.cpython-313t-x86_64-linux-gnu.so"
#define SOABI_311 "cpython-311-x86_64-linux-gnu"
#define PACKAGE(lib, python) lib "/" python "/site-packages/mod_wsgi/server"

static const char *top; /* a temporary folder, empty at the start of each case */

static const char *at(const char *path)
{
    return *path ? apr_pstrcat(tap.pool, top, "/", path, NULL) : top;
}

static const char *folder(const char *path)
{
    if (apr_dir_make_recursive(at(path), APR_OS_DEFAULT, tap.pool) != APR_SUCCESS) {
        printf("Bail out! cannot make %s\n", at(path));
        exit(2);
    }
    return at(path);
}

static void file(const char *dir, const char *name, const char *text)
{
    FILE *out = fopen(apr_pstrcat(tap.pool, folder(dir), "/", name, NULL), "w");

    if (out == NULL || fputs(text, out) < 0 || fclose(out) != 0) {
        printf("Bail out! cannot write %s\n", name);
        exit(2);
    }
}

static void link_module(const char *dir, const char *name, const char *module)
{
    char cwd[4096];
    const char *link_name = apr_pstrcat(tap.pool, folder(dir), "/", name, NULL);

    if (getcwd(cwd, sizeof(cwd)) == NULL
        || symlink(apr_pstrcat(tap.pool, cwd, "/" TEST_BUILD "/", module, NULL), link_name) != 0) {
        printf("Bail out! cannot link %s\n", link_name);
        exit(2);
    }
}

/* "3.11", "3.13t", or "none" */
static const char *version_of(const char *home)
{
    int major, minor, free_threaded;

    if (!wsgi_loader_version(&major, &minor, &free_threaded, home, tap.pool)) {
        return "none";
    }
    return apr_psprintf(tap.pool, "%d.%d%s", major, minor, free_threaded ? "t" : "");
}

static void name_fits_its_version_on_every_platform(void)
{
    CHECK(wsgi_loader_fits(FILE_311, 3, 11, 0));
    CHECK(wsgi_loader_fits("wsgi_bridge.cpython-311-darwin.so", 3, 11, 0));
    CHECK(wsgi_loader_fits("wsgi_bridge.cpython-311.so", 3, 11, 0));
    CHECK(wsgi_loader_fits("wsgi_bridge.cpython-311d-x86_64-linux-gnu.so", 3, 11, 0));
    CHECK(wsgi_loader_fits("wsgi_bridge.cpython-39-x86_64-linux-gnu.so", 3, 9, 0));
    CHECK(wsgi_loader_fits(FILE_313T, 3, 13, 1));
    CHECK(wsgi_loader_fits("wsgi_bridge.cpython-313td-x86_64-linux-gnu.so", 3, 13, 1));
}

static void name_fits_no_other_version(void)
{
    CHECK(!wsgi_loader_fits(FILE_311, 3, 1, 0));
    CHECK(!wsgi_loader_fits(FILE_311, 3, 12, 0));
    CHECK(!wsgi_loader_fits(FILE_311, 3, 11, 1));
    CHECK(!wsgi_loader_fits(FILE_313T, 3, 13, 0));
    CHECK(!wsgi_loader_fits("wsgi_bridge.cpython-311x-linux.so", 3, 11, 0));
    CHECK(!wsgi_loader_fits("wsgi_bridge.pypy311-pp73.so", 3, 11, 0));
}

static void unknown_version_fits_bridges_only(void)
{
    CHECK(wsgi_loader_fits(FILE_311, 0, 0, 0));
    CHECK(!wsgi_loader_fits("mod_wsgi.so", 0, 0, 0));
    CHECK(!wsgi_loader_fits("wsgi_bridge.so", 0, 0, 0));
    CHECK(!wsgi_loader_fits("wsgi_bridge..so", 0, 0, 0));
    CHECK(!wsgi_loader_fits(FILE_311 ".bak", 0, 0, 0));
    CHECK(!wsgi_loader_fits("x" FILE_311, 0, 0, 0));
    CHECK(!wsgi_loader_fits("", 0, 0, 0));
}

static void environment_of_venv_and_of_virtualenv(void)
{
    file("venv", "pyvenv.cfg", "home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11.2\n");
    file("virtualenv", "pyvenv.cfg", "home=/usr/bin\nversion_info=3.10.13.final.0\nvirtualenv=20.21.0\n");
    file("odd", "pyvenv.cfg", "  Version\t=\t 3.12.1 ");
    CHECK_STR(version_of(at("venv")), "3.11");
    CHECK_STR(version_of(at("virtualenv")), "3.10");
    CHECK_STR(version_of(at("odd")), "3.12");
}

static void environment_of_a_free_threaded_python(void)
{
    file("home", "pyvenv.cfg", "version = 3.13.0\n");
    folder("home/lib/python3.13t/site-packages");
    CHECK_STR(version_of(at("home")), "3.13t");
}

static void pyvenv_without_a_usable_version_leaves_it_to_the_folder(void)
{
    char *filler = apr_palloc(tap.pool, 5001);

    memset(filler, 'x', 5000);
    filler[5000] = '\0';
    memcpy(filler + 1023, "version = 2.7", 13); /* where a fixed line buffer would end */
    file("home", "pyvenv.cfg",
         apr_pstrcat(tap.pool, "home = /usr/bin\nversions = 3.7\nversion 3.8\nversion = x\nversion = 3\n"
                               "version = 9999999999.1\nversion = -3.9\nprompt = ", filler, "\n", NULL));
    folder("home/lib/python3.11");
    CHECK_STR(version_of(at("home")), "3.11");
}

static void installation_tells_by_its_library_folder(void)
{
    folder("home/lib/python3.11/site-packages");
    folder("home/lib/python3"); /* Debian has one */
    folder("home/lib/python3.99.bak");
    folder("home/lib/python99999999999999999999.1");
    folder("home/lib/python-3.98");
    folder("home/lib/pythonic3.97");
    CHECK_STR(version_of(at("home")), "3.11");
}

static void latest_of_several_installations(void)
{
    folder("home/lib/python2.7");
    folder("home/lib/python3.9");
    folder("home/lib/python3.13t");
    folder("home/lib/python3.13");
    folder("home/lib/python3.10");
    CHECK_STR(version_of(at("home")), "3.13");
}

static void library_in_lib64(void)
{
    folder("home/lib64/python3.12");
    folder("home/lib");
    CHECK_STR(version_of(at("home")), "3.12");
}

static void place_without_python(void)
{
    folder("empty");
    CHECK_STR(version_of(at("empty")), "none");
    CHECK_STR(version_of(at("missing")), "none");
}

static const char *found, *why;

static apr_status_t find(const char *python_home, const char *preferred)
{
    return wsgi_loader_find(&found, &why, python_home, folder("beside"), preferred, tap.pool);
}

static void default_python_has_its_bridge_beside_the_core(void)
{
    file("beside", FILE_311, "");
    file("beside", FILE_313, "");
    CHECK_INT(find(NULL, SOABI_311), APR_SUCCESS);
    CHECK_STR(found, at("beside/" FILE_311));
    CHECK_STR(why, NULL);
}

static void default_debug_python_has_one_too(void)
{
    file("beside", "wsgi_bridge.cpython-311d-x86_64-linux-gnu.so", "");
    CHECK_INT(find(NULL, "cpython-311d-x86_64-linux-gnu"), APR_SUCCESS);
    CHECK_STR(found, at("beside/wsgi_bridge.cpython-311d-x86_64-linux-gnu.so"));
}

static void default_wins_when_several_files_fit(void)
{
    file("beside", "wsgi_bridge.cpython-311-a.so", "");
    file("beside", FILE_311, "");
    file("beside", "wsgi_bridge.cpython-311d-x86_64-linux-gnu.so", "");
    CHECK_INT(find(NULL, SOABI_311), APR_SUCCESS);
    CHECK_STR(found, at("beside/" FILE_311));
}

static void without_default_the_only_bridge_is_taken(void)
{
    file("beside", FILE_313T, "");
    file("beside", "mod_wsgi.so", "");
    CHECK_INT(find(NULL, ""), APR_SUCCESS);
    CHECK_STR(found, at("beside/" FILE_313T));
}

static void without_default_several_bridges_are_an_error_that_names_them(void)
{
    file("beside", FILE_311, "");
    file("beside", FILE_313, "");
    file("beside", FILE_313T, "");
    CHECK_INT(find(NULL, ""), APR_EGENERAL);
    CHECK_STR(found, NULL);
    CHECK_CONTAINS(why, FILE_311);
    CHECK_CONTAINS(why, FILE_313);
    CHECK_CONTAINS(why, FILE_313T);
    CHECK_CONTAINS(why, at("beside"));
}

static void no_bridge_at_all(void)
{
    CHECK_INT(find(NULL, ""), APR_ENOENT);
    CHECK_CONTAINS(why, at("beside"));
    CHECK_INT(find(NULL, SOABI_311), APR_ENOENT);
    CHECK_CONTAINS(why, "Python 3.11 ");
}

static void bridge_of_the_environment_goes_first(void)
{
    file("beside", FILE_311, "");
    file("home", "pyvenv.cfg", "version = 3.11.2\n");
    file("home/" PACKAGE("lib", "python3.11"), FILE_311, "");
    CHECK_INT(find(at("home"), SOABI_311), APR_SUCCESS);
    CHECK_STR(found, at("home/" PACKAGE("lib", "python3.11") "/" FILE_311));
}

static void environment_of_another_version_than_the_default(void)
{
    file("beside", FILE_311, "");
    file("beside", FILE_313, "");
    file("home", "pyvenv.cfg", "version = 3.13.0\n");
    CHECK_INT(find(at("home"), SOABI_311), APR_SUCCESS);
    CHECK_STR(found, at("beside/" FILE_313));
}

static void free_threaded_environment(void)
{
    file("beside", FILE_313, "");
    file("beside", FILE_313T, "");
    file("home", "pyvenv.cfg", "version = 3.13.0\n");
    folder("home/lib/python3.13t");
    CHECK_INT(find(at("home"), SOABI_311), APR_SUCCESS);
    CHECK_STR(found, at("beside/" FILE_313T));
}

/* "3.13t" for the bridge that would be opened for a home, "" for none. */
static const char *bridge_version_of(const char *home)
{
    int major, minor, free_threaded;

    return wsgi_loader_bridge_version(&major, &minor, &free_threaded, home, tap.pool)
               ? apr_psprintf(tap.pool, "%d.%d%s", major, minor, free_threaded ? "t" : "")
               : "";
}

static void version_of_a_bridge_is_known_before_it_is_opened(void)
{
    file("home", "pyvenv.cfg", "version = 3.13.0\n");
    CHECK_STR(bridge_version_of(at("home")), "");
    file("home/" PACKAGE("lib", "python3.13t"), FILE_313T, "");
    CHECK_STR(bridge_version_of(at("home")), "3.13t");
    file("other", "pyvenv.cfg", "version = 3.11.2\n");
    file("other/" PACKAGE("lib", "python3.11"), FILE_311, "");
    CHECK_STR(bridge_version_of(at("other")), "3.11");
}

static void package_in_lib64(void)
{
    folder("home/lib/python3.12");
    file("home/" PACKAGE("lib64", "python3.12"), "wsgi_bridge.cpython-312-x86_64-linux-gnu.so", "");
    CHECK_INT(find(at("home"), ""), APR_SUCCESS);
    CHECK_STR(found, at("home/" PACKAGE("lib64", "python3.12") "/wsgi_bridge.cpython-312-x86_64-linux-gnu.so"));
}

static void default_version_wins_in_an_installation_of_several(void)
{
    file("beside", FILE_311, "");
    file("beside", FILE_313, "");
    folder("home/lib/python3.13");
    folder("home/lib/python3.11");
    CHECK_INT(find(at("home"), SOABI_311), APR_SUCCESS);
    CHECK_STR(found, at("beside/" FILE_311));
}

static void exec_prefix_is_left_out(void)
{
    file("beside", FILE_311, "");
    folder("home/lib/python3.11");
    CHECK_INT(find(apr_pstrcat(tap.pool, at("home"), ":/elsewhere", NULL), ""), APR_SUCCESS);
    CHECK_STR(found, at("beside/" FILE_311));
}

static void missing_bridge_is_told_with_version_and_places(void)
{
    file("beside", FILE_311, "");
    file("home", "pyvenv.cfg", "version = 3.13.0\n");
    CHECK_INT(find(at("home"), SOABI_311), APR_ENOENT);
    CHECK_STR(found, NULL);
    CHECK_CONTAINS(why, "3.13");
    CHECK_CONTAINS(why, at("home/" PACKAGE("lib", "python3.13")));
    CHECK_CONTAINS(why, at("beside"));
    CHECK_CONTAINS(why, FILE_311);
}

static void home_without_python_is_told(void)
{
    file("beside", FILE_311, "");
    CHECK_INT(find(folder("home"), SOABI_311), APR_ENOENT);
    CHECK_CONTAINS(why, at("home"));
}

static apr_status_t open_from_home(const wsgi_bridge_t **bridge)
{
    return wsgi_loader_open(bridge, &why, at("home"), tap.pool);
}

static void bridge_is_opened(void)
{
    const wsgi_bridge_t *bridge;

    folder("home/lib/python3.11");
    link_module("home/" PACKAGE("lib", "python3.11"), "wsgi_bridge.cpython-311-test.so", "module_good_bridge.so");
    CHECK_OR_RETURN(open_from_home(&bridge) == APR_SUCCESS);
    CHECK_STR(bridge->soabi, "cpython-311-test");
    CHECK_STR(why, NULL);
}

static void file_that_is_no_shared_object_is_told(void)
{
    const wsgi_bridge_t *bridge;

    file("home/" PACKAGE("lib", "python3.11"), FILE_311, "not an object\n");
    CHECK_INT(open_from_home(&bridge), APR_EGENERAL);
    CHECK(bridge == NULL);
    CHECK_CONTAINS(why, FILE_311);
    CHECK(strlen(why) > strlen(at("home/" PACKAGE("lib", "python3.11") "/" FILE_311)) + 30); /* the linker's reason */
}

static void bridges_of_another_release_are_refused(void)
{
    static const char *const modules[] = { "module_old_bridge.so", "module_short_bridge.so" };
    const wsgi_bridge_t *bridge;

    for (int i = 0; i < 2; i++) {
        const char *lib = apr_psprintf(tap.pool, "home/" PACKAGE("lib", "python3.1%d"), i);
        link_module(lib, apr_psprintf(tap.pool, "wsgi_bridge.cpython-31%d-test.so", i), modules[i]);
        CHECK_INT(open_from_home(&bridge), APR_EGENERAL);
        CHECK(bridge == NULL);
        CHECK_CONTAINS(why, "another release");
    }
}

static void remove_tree(const char *path)
{
    apr_dir_t *dir;
    apr_finfo_t entry;

    if (apr_dir_open(&dir, path, tap.pool) != APR_SUCCESS) {
        return;
    }
    while (apr_dir_read(&entry, APR_FINFO_NAME | APR_FINFO_TYPE | APR_FINFO_LINK, dir) != APR_ENOENT) {
        const char *inner = apr_pstrcat(tap.pool, path, "/", entry.name, NULL);
        if (strcmp(entry.name, ".") == 0 || strcmp(entry.name, "..") == 0) {
            continue;
        }
        if (unlink(inner) != 0) {
            remove_tree(inner);
        }
    }
    apr_dir_close(dir);
    rmdir(path);
}

static void make_folder(void)
{
    const char *tmp = getenv("TMPDIR");

    top = mkdtemp(apr_pstrcat(tap.pool, tmp ? tmp : "/tmp", "/wsgi-loader-XXXXXX", NULL));
    if (top == NULL) {
        printf("Bail out! no temporary folder\n");
        exit(2);
    }
}

static void remove_folder(void)
{
    remove_tree(top);
}

int main(void)
{
    tap.before = make_folder;
    tap.after = remove_folder;
    TAP_RUN(name_fits_its_version_on_every_platform);
    TAP_RUN(name_fits_no_other_version);
    TAP_RUN(unknown_version_fits_bridges_only);
    TAP_RUN(environment_of_venv_and_of_virtualenv);
    TAP_RUN(environment_of_a_free_threaded_python);
    TAP_RUN(pyvenv_without_a_usable_version_leaves_it_to_the_folder);
    TAP_RUN(installation_tells_by_its_library_folder);
    TAP_RUN(latest_of_several_installations);
    TAP_RUN(library_in_lib64);
    TAP_RUN(place_without_python);
    TAP_RUN(default_python_has_its_bridge_beside_the_core);
    TAP_RUN(default_debug_python_has_one_too);
    TAP_RUN(default_wins_when_several_files_fit);
    TAP_RUN(without_default_the_only_bridge_is_taken);
    TAP_RUN(without_default_several_bridges_are_an_error_that_names_them);
    TAP_RUN(no_bridge_at_all);
    TAP_RUN(bridge_of_the_environment_goes_first);
    TAP_RUN(environment_of_another_version_than_the_default);
    TAP_RUN(free_threaded_environment);
    TAP_RUN(version_of_a_bridge_is_known_before_it_is_opened);
    TAP_RUN(package_in_lib64);
    TAP_RUN(default_version_wins_in_an_installation_of_several);
    TAP_RUN(exec_prefix_is_left_out);
    TAP_RUN(missing_bridge_is_told_with_version_and_places);
    TAP_RUN(home_without_python_is_told);
    TAP_RUN(bridge_is_opened);
    TAP_RUN(file_that_is_no_shared_object_is_told);
    TAP_RUN(bridges_of_another_release_are_refused);
    return tap_done();
}
