"""Who may include what: the table of layers in src/server/README.md, kept by reading the #include lines."""

import re

import pytest
from style import csource

# Folder: the folders whose headers it may include besides its own. "" is mod_wsgi.c.
ALLOWED = {
    "base": set(),
    "wire": {"base"},
    "stats": {"base"},
    "config": {"base"},
    "bridge": {"base", "stats"},
    "daemon": {"base", "wire", "stats"},
    "httpd": {"base", "wire", "stats", "config", "daemon"},
    "": {"base", "wire", "stats", "config", "daemon", "httpd"},
}
SEES_APACHE = {"config", "httpd", ""}
SEES_PYTHON = {"bridge"}

APACHE_HEADER = re.compile(
    r"<(httpd|http_\w+|ap_\w+|util_\w+|mod_\w+|mpm_\w+|mpm|scoreboard|unixd|heartbeat|cache_common|os)\.h>")
PYTHON_HEADER = re.compile(
    r"<(Python|structmember|frameobject|pyconfig|patchlevel|pythread|datetime|longintrepr|marshal)\.h>"
    r"|<(cpython|internal)/[^>]*>")

# Modules that know each other, with the reason. Elsewhere a module is below or above another, never both.
MUTUAL = {
    "bridge": "the module object registers the types, whose methods need the interpreter that holds the module object",
}


def folder_of(path):
    return path.rpartition("/")[0]


def forbidden_includes(files):
    """Return a line for each #include that crosses the table of layers."""
    wrong = []
    for path, text in files.items():
        folder = folder_of(path)
        for name in csource.includes(text):
            target = folder_of(name[1:-1])
            if APACHE_HEADER.match(name) and folder not in SEES_APACHE:
                wrong.append("%s includes %s: only config/, httpd/ and mod_wsgi.c see Apache" % (path, name))
            elif PYTHON_HEADER.match(name) and folder not in SEES_PYTHON:
                wrong.append("%s includes %s: only bridge/ sees CPython" % (path, name))
            elif name.startswith('"') and target == "":
                wrong.append("%s includes %s: an include names its folder" % (path, name))
            elif name.startswith('"') and target != folder and target not in ALLOWED.get(folder, set()):
                wrong.append("%s includes %s: %s may not know %s" % (path, name, folder or "mod_wsgi.c", target))
            elif name.startswith('"') and name[1:-1] not in files:
                wrong.append("%s includes %s, which does not exist" % (path, name))
    return wrong


def unknown_folders(files):
    return sorted({folder_of(path) for path in files} - set(ALLOWED))


def version_tests(files):
    """Return the files other than wsgi_compat.h that ask which Python they are compiled for."""
    return ["%s tests PY_VERSION_HEX; that is for bridge/wsgi_compat.h" % path for path, text in files.items()
            if path != "bridge/wsgi_compat.h" and "PY_VERSION_HEX" in csource.without_comments(text)]


def strongly_connected(graph):
    """Return the sets of two and more nodes that can all reach each other."""
    def reach(start):
        seen, todo = set(), [start]
        while todo:
            for node in graph.get(todo.pop(), ()):
                if node not in seen:
                    seen.add(node)
                    todo.append(node)
        return seen
    reached = {node: reach(node) for node in graph}
    sets = {frozenset(other for other in reached[node] if node in reached.get(other, ())) for node in graph}
    return sorted(sorted(nodes) for nodes in sets if len(nodes) > 1)


def module_cycles(files):
    """Return the sets of modules (x.c and x.h together) that include each other, but for those in MUTUAL."""
    graph = {}
    for path, text in files.items():
        module = path.rpartition(".")[0]
        targets = {name[1:-1].rpartition(".")[0] for name in csource.includes(text) if name.startswith('"')}
        graph.setdefault(module, set()).update(targets - {module})
    return [nodes for nodes in strongly_connected(graph) if {folder_of(node) for node in nodes} - set(MUTUAL)]


def header_cycles(files):
    graph = {path: {name[1:-1] for name in csource.includes(text) if name.startswith('"')}
             for path, text in files.items() if path.endswith(".h")}
    return strongly_connected(graph)


def wrong_names(files):
    """Return the files whose names are not unique, and header functions that do not carry their file's name."""
    wrong, seen = [], {}
    for path, text in files.items():
        name = path.rpartition("/")[2]
        stem = name.rpartition(".")[0]
        if seen.setdefault(name, path) != path:
            wrong.append("%s and %s have the same name" % (seen[name], path))
        if path != "mod_wsgi.c" and not re.fullmatch(r"wsgi_[a-z0-9]+", stem):
            wrong.append("%s is not named wsgi_<one word>" % path)
        if not path.endswith(".h"):
            continue
        declared = re.findall(r"^(?:extern )?\w[\w \t*]*?\b(\w+)\([^;{}]*\)[^;{}]*;", csource.without_comments(text),
                              re.MULTILINE)
        for function in declared:
            prefix = "_".join(function.split("_")[:2])
            if not stem.startswith(prefix) and prefix != stem + "s":
                wrong.append("%s declares %s(), which is not named after it" % (path, function))
    return wrong


def complain(wrong):
    assert not wrong, "\n".join(wrong)


@pytest.fixture(scope="module")
def files():
    return csource.read_server()


def test_layers_are_kept(files):
    complain(forbidden_includes(files))
    complain(unknown_folders(files))


def test_python_versions_are_told_apart_in_one_file(files):
    complain(version_tests(files))


def test_no_cycles(files):
    complain(["headers that include each other: " + ", ".join(nodes) for nodes in header_cycles(files)])
    complain(["modules that know each other: " + ", ".join(nodes) for nodes in module_cycles(files)])


def test_names(files):
    complain(wrong_names(files))


@pytest.mark.parametrize("path, text", [
    ("base/wsgi_a.c", '#include "wire/wsgi_codec.h"'),
    ("wire/wsgi_a.c", '#include "stats/wsgi_codec.h"'),
    ("bridge/wsgi_a.c", '#include "daemon/wsgi_codec.h"'),
    ("httpd/wsgi_a.c", '#include "bridge/wsgi_codec.h"'),
    ("mod_wsgi.c", '#include "bridge/wsgi_codec.h"'),
    ("daemon/wsgi_a.c", "#include <httpd.h>"),
    ("bridge/wsgi_a.c", "# include <http_log.h>"),
    ("base/wsgi_a.c", "#include <ap_config.h>"),
    ("httpd/wsgi_a.c", "#include <Python.h>"),
    ("base/wsgi_a.c", "#include <cpython/pystate.h>"),
    ("base/wsgi_a.c", '#include "wsgi_codec.h"'),
    ("base/wsgi_a.c", '#include "base/wsgi_missing.h"'),
])
def test_check_finds_forbidden_include(path, text):
    headers = {folder + "/wsgi_codec.h": "" for folder in ALLOWED if folder}
    assert forbidden_includes(headers) == []
    assert len(forbidden_includes({**headers, path: text})) == 1


def test_check_lets_allowed_includes_and_comments_pass():
    files = {
        "base/wsgi_a.h": '/* #include <httpd.h> */\n#include <apr_pools.h>\n#include <apr_buckets.h>',
        "bridge/wsgi_b.c": '#include <Python.h>\n#include "base/wsgi_a.h"',
        "httpd/wsgi_c.c": '#include <httpd.h>\n#include "base/wsgi_a.h"\n// #include <Python.h>',
    }
    complain(forbidden_includes(files))


def test_check_finds_unknown_folder_and_version_test():
    assert unknown_folders({"misc/wsgi_a.c": ""}) == ["misc"]
    assert len(version_tests({"bridge/wsgi_a.c": "#if PY_VERSION_HEX >= 0x030c0000"})) == 1
    assert version_tests({"bridge/wsgi_a.c": "/* PY_VERSION_HEX */", "bridge/wsgi_compat.h": "PY_VERSION_HEX"}) == []


def test_check_finds_cycles():
    a, b = '#include "wire/wsgi_b.h"', '#include "wire/wsgi_a.h"'
    assert module_cycles({"wire/wsgi_a.c": a, "wire/wsgi_a.h": "", "wire/wsgi_b.c": b, "wire/wsgi_b.h": ""})
    assert header_cycles({"wire/wsgi_a.h": a, "wire/wsgi_b.h": b})
    assert not module_cycles({"wire/wsgi_a.c": a, "wire/wsgi_a.h": "", "wire/wsgi_b.h": ""})


def test_check_finds_wrong_names():
    assert len(wrong_names({"base/wsgi_a.h": "", "wire/wsgi_a.h": ""})) == 1
    assert len(wrong_names({"base/helpers.h": ""})) == 1
    assert len(wrong_names({"base/wsgi_a.h": "int wsgi_other_open(int fd);"})) == 1
    assert wrong_names({"base/wsgi_httprules.h": "const char *\nwsgi_http_check(int a,\n  int b);"}) == []
    assert wrong_names({"bridge/wsgi_script.h": "void wsgi_scripts_clear(void);"}) == []
