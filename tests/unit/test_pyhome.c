/* sources: base/wsgi_pyhome.c base/wsgi_loader.c */
#include "base/wsgi_pyhome.h"

#include "wsgi_tap.h"

#include <apr_file_io.h>
#include <apr_strings.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *top; /* a temporary folder, empty at the start of each case */

static const char *at(const char *path)
{
    return apr_pstrcat(tap.pool, top, "/", path, NULL);
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

static void installation(const char *path)
{
    file(apr_pstrcat(tap.pool, path, "/bin", NULL), "python3.11", "");
    file(apr_pstrcat(tap.pool, path, "/lib/python3.11", NULL), "os.py", "");
    file(apr_pstrcat(tap.pool, path, "/lib/python3.11/site-packages/mod_wsgi/server", NULL),
         "wsgi_bridge.cpython-311-x86_64-linux-gnu.so", "");
}

static void environment(const char *path, const char *marker)
{
    file(path, "pyvenv.cfg", marker);
    folder(apr_pstrcat(tap.pool, path, "/bin", NULL));
    file(apr_pstrcat(tap.pool, path, "/lib/python3.11/site-packages/mod_wsgi/server", NULL),
         "wsgi_bridge.cpython-311-x86_64-linux-gnu.so", "");
}

static const char *marker_of(const char *base)
{
    return apr_psprintf(tap.pool, "home = %s\ninclude-system-site-packages = false\nversion = 3.11.2\n", base);
}

static wsgi_pyhome_t found;

static wsgi_pyhome_fault_t fault_of(const char *home)
{
    found = wsgi_pyhome_examine(home, tap.pool);
    return found.fault;
}

static int says(const char *text)
{
    return strstr(found.what, text) != NULL || strstr(found.remedy, text) != NULL;
}

static void installation_is_good(void)
{
    installation("usr");
    CHECK_INT(fault_of(at("usr")), WSGI_PYHOME_GOOD);
    CHECK_INT(fault_of(at("usr/")), WSGI_PYHOME_GOOD);
    CHECK_STR(found.what, "");
    CHECK_STR(found.remedy, "");
    CHECK_INT(wsgi_pyhome_explain(at("usr"), tap.pool) == NULL, 1);
    CHECK_INT(wsgi_pyhome_explain(NULL, tap.pool) == NULL, 1);
}

static void environment_is_good(void)
{
    installation("usr");
    environment("venv", marker_of(at("usr/bin")));
    CHECK_INT(fault_of(at("venv")), WSGI_PYHOME_GOOD);
    CHECK_INT(fault_of(at("venv//")), WSGI_PYHOME_GOOD);
    environment("spaced", apr_psprintf(tap.pool, "  Home=%s  \r\nversion_info = 3.11.2.final.0\n", at("usr/bin")));
    CHECK_INT(fault_of(at("spaced")), WSGI_PYHOME_GOOD);
}

static void missing_part_of_the_path_is_told(void)
{
    folder("srv");
    CHECK_INT(fault_of(at("srv/shop/venv")), WSGI_PYHOME_MISSING);
    CHECK_INT(says(apr_pstrcat(tap.pool, "'", at("srv/shop"), "'", NULL)), 1);
    CHECK_INT(fault_of("/nonexistent"), WSGI_PYHOME_MISSING);
    CHECK_INT(strstr(wsgi_pyhome_explain(at("srv/shop/venv"), tap.pool), at("srv/shop/venv")) != NULL, 1);
}

static void path_through_a_file_is_missing(void)
{
    file("srv", "notes", "");
    CHECK_INT(fault_of(at("srv/notes/venv")), WSGI_PYHOME_MISSING);
}

static void file_is_no_folder(void)
{
    file("srv", "notes", "");
    CHECK_INT(fault_of(at("srv/notes")), WSGI_PYHOME_NO_FOLDER);
}

static void part_of_an_installation_is_told_with_its_root(void)
{
    const char *parts[] = { "bin", "lib", "lib/python3.11", "lib/python3.11/site-packages", "bin/python3.11",
                            "lib/python3.11/site-packages/mod_wsgi" };

    installation("usr");
    environment("venv", marker_of(at("usr/bin")));
    file("venv/bin", "python3.11", "");
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        CHECK_INT(fault_of(apr_pstrcat(tap.pool, at("usr/"), parts[i], NULL)), WSGI_PYHOME_INSIDE);
        CHECK_STR(found.remedy, apr_psprintf(tap.pool, "Write '%s'", at("usr")));
        CHECK_INT(fault_of(apr_pstrcat(tap.pool, at("venv/"), parts[i], NULL)), WSGI_PYHOME_INSIDE);
        CHECK_STR(found.remedy, apr_psprintf(tap.pool, "Write '%s'", at("venv")));
    }
    CHECK_INT(fault_of(at("venv/pyvenv.cfg")), WSGI_PYHOME_INSIDE);
}

static void folder_without_python(void)
{
    folder("srv/bin");
    CHECK_INT(fault_of(at("srv")), WSGI_PYHOME_NO_PYTHON);
    CHECK_INT(fault_of(at("srv/bin")), WSGI_PYHOME_NO_PYTHON);
}

static void version_without_bridge_is_told(void)
{
    file("usr/lib/python3.4", "os.py", "");
    CHECK_INT(fault_of(at("usr")), WSGI_PYHOME_NO_BRIDGE);
    CHECK_INT(says("Python 3.4"), 1);
    CHECK_INT(says(at("usr/lib/python3.4/site-packages/mod_wsgi/server")), 1);
}

static void base_that_is_gone(void)
{
    environment("venv", marker_of(at("old/bin")));
    CHECK_INT(fault_of(at("venv")), WSGI_PYHOME_NO_BASE);
    CHECK_INT(says(at("old/bin")), 1);
}

static void base_of_another_version_now(void)
{
    file("usr/bin", "python3.13", "");
    file("usr/lib/python3.13", "os.py", "");
    environment("venv", marker_of(at("usr/bin")));
    CHECK_INT(fault_of(at("venv")), WSGI_PYHOME_NO_BASE);
    CHECK_INT(says("python3.11"), 1);
    file("usr/lib64/python3.11", "os.py", "");
    CHECK_INT(fault_of(at("venv")), WSGI_PYHOME_GOOD);
}

static void broken_markers(void)
{
    static const char *const markers[] = { "", "version = 3.11.2\n", "home =\nversion = 3.11.2\n", "homepage = /usr\n",
                                           "home: /usr/bin\n", "home = usr/bin\nversion = 3.11.2\n", "\x01\xff\n" };

    for (size_t i = 0; i < sizeof(markers) / sizeof(markers[0]); i++) {
        environment("venv", markers[i]);
        CHECK_INT(fault_of(at("venv")), WSGI_PYHOME_NO_PYTHON);
        CHECK_INT(says("pyvenv.cfg"), 1);
    }
}

static void marker_without_any_version(void)
{
    installation("usr");
    file("venv", "pyvenv.cfg", apr_psprintf(tap.pool, "home = %s\n", at("usr/bin")));
    CHECK_INT(fault_of(at("venv")), WSGI_PYHOME_NO_PYTHON);
    CHECK_INT(says("version"), 1);
}

static void marker_that_is_a_folder(void)
{
    folder("venv/pyvenv.cfg");
    CHECK_INT(fault_of(at("venv")), WSGI_PYHOME_NO_PYTHON);
}

static void form_of_the_value(void)
{
    static const char *const wrong[] = { "venv", "./venv", "", ":", ":/usr", "/usr:", "usr:/usr" };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CHECK_INT(fault_of(wrong[i]), WSGI_PYHOME_FORM);
    }
}

static void prefix_and_exec_prefix(void)
{
    installation("usr");
    CHECK_INT(fault_of(apr_pstrcat(tap.pool, at("usr"), ":", at("usr"), NULL)), WSGI_PYHOME_GOOD);
    CHECK_INT(fault_of(apr_pstrcat(tap.pool, at("usr"), ":", at("none"), NULL)), WSGI_PYHOME_MISSING);
    CHECK_INT(fault_of(apr_pstrcat(tap.pool, at("none"), ":", at("usr"), NULL)), WSGI_PYHOME_MISSING);
    CHECK_INT(fault_of(apr_pstrcat(tap.pool, at("usr"), ":exec", NULL)), WSGI_PYHOME_FORM);
}

/* Root may do all: what is closed shows to others only, in a process that becomes one of them. */
static wsgi_pyhome_fault_t fault_for_nobody(const char *home, const char *text)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) {
            _exit(100);
        }
        fault_of(home);
        _exit((int)found.fault + (says(text) ? 0 : 50));
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? (wsgi_pyhome_fault_t)WEXITSTATUS(status)
                                                                           : WSGI_PYHOME_FAULTS;
}

static void closed_folders_are_named(void)
{
    const char *closed[] = { "home", "home/venv", "home/venv/lib", "home/venv/lib/python3.11",
                             "home/venv/lib/python3.11/site-packages", "base", "base/bin" };

    installation("base");
    environment("home/venv", marker_of(at("base/bin")));
    CHECK_INT(fault_for_nobody(at("home/venv"), ""), WSGI_PYHOME_GOOD);
    for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++) {
        CHECK_INT(chmod(at(closed[i]), 0), 0);
        CHECK_INT(fault_for_nobody(at("home/venv"), apr_psprintf(tap.pool, "'%s'", at(closed[i]))), WSGI_PYHOME_CLOSED);
        CHECK_INT(chmod(at(closed[i]), 0755), 0);
    }
    CHECK_INT(chmod(at("home/venv/pyvenv.cfg"), 0), 0);
    CHECK_INT(fault_for_nobody(at("home/venv"), "pyvenv.cfg"), WSGI_PYHOME_CLOSED);
    CHECK_INT(chmod(at("home/venv/pyvenv.cfg"), 0644), 0);
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
    top = mkdtemp(apr_pstrdup(tap.pool, "/tmp/wsgi-pyhome-XXXXXX")); /* not TMPDIR: others must be able to get there */
    if (top == NULL || chmod(top, 0755) != 0) {
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
    TAP_RUN(installation_is_good);
    TAP_RUN(environment_is_good);
    TAP_RUN(missing_part_of_the_path_is_told);
    TAP_RUN(path_through_a_file_is_missing);
    TAP_RUN(file_is_no_folder);
    TAP_RUN(part_of_an_installation_is_told_with_its_root);
    TAP_RUN(folder_without_python);
    TAP_RUN(version_without_bridge_is_told);
    TAP_RUN(base_that_is_gone);
    TAP_RUN(base_of_another_version_now);
    TAP_RUN(broken_markers);
    TAP_RUN(marker_without_any_version);
    TAP_RUN(marker_that_is_a_folder);
    TAP_RUN(form_of_the_value);
    TAP_RUN(prefix_and_exec_prefix);
    TAP_RUN(closed_folders_are_named);
    return tap_done();
}
