"""Every directive and every option has its page in docs/directives, and a test that names it."""

import re

import pytest
from style.csource import SERVER, TOP, without_comments

TABLE = SERVER / "config" / "wsgi_directives.c"
OPTIONS = SERVER / "config" / "wsgi_options.c"
PAGES = TOP / "docs" / "directives"
TESTS = [TOP / "tests" / folder for folder in ("integration", "package", "unit", "install")]

# The directive that takes the options of each table.
OWNERS = {
    "wsgi_options_group": "WSGIDaemonProcess",
    "wsgi_options_alias": "WSGIScriptAlias",
    "wsgi_options_handler": "WSGIHandlerScript",
    "wsgi_options_import": "WSGIImportScript",
    "wsgi_options_callout": "WSGIAccessScript",
}


def directives(text):
    """Return the names in a command table: rows are macro calls whose first argument is the name."""
    table = re.search(r"command_rec \w+\[\] = \{(.*?)\n *\};", without_comments(text), re.DOTALL)
    return re.findall(r'\b[A-Z][A-Z0-9_]+\(\s*"<?(\w+)"', table.group(1)) if table else []


def options(text):
    """Return (table, name) for the rows of all option tables."""
    found = []
    for table in re.finditer(r"wsgi_option_t (\w+)\[\] = \{(.*?)\n *\};", without_comments(text), re.DOTALL):
        found += [(table.group(1), name) for name in re.findall(r'\{\s*"([^"]+)"', table.group(2))]
    return found


def names_word(text, word):
    """Whether a text has the word, not as a part of a longer one."""
    text = text.replace("\\n", "\n") # in a string of Python or C
    return re.search(r"(?<![\w-])%s(?![\w-])" % re.escape(word), text) is not None


def without_page(names, pages):
    """Return the directives that have no page, or one that does not name them. `pages`: name to text."""
    return [name for name in names if not names_word(pages.get(name, ""), name)]


def without_explanation(rows, pages):
    """Return (directive, option) for the options that the page of their directive does not name."""
    return [(OWNERS[table], name) for table, name in rows if not names_word(pages.get(OWNERS[table], ""), name)]


def without_test(names, texts):
    return [name for name in names if not any(names_word(text, name) for text in texts)]


def read_or_skip(path):
    if not path.exists():
        pytest.skip("%s does not exist yet" % path.relative_to(TOP))
    return path.read_text(encoding="utf-8")


def read_pages():
    if not PAGES.is_dir():
        pytest.skip("docs/directives does not exist yet")
    return {path.stem: path.read_text(encoding="utf-8") for path in PAGES.glob("*.rst")}


def read_tests():
    if not TESTS[0].is_dir():
        pytest.skip("tests/integration does not exist yet")
    paths = [path for folder in TESTS for suffix in ("py", "c") for path in folder.rglob("*." + suffix)]
    return [path.read_text(encoding="utf-8") for path in paths]


def test_pages_of_directives():
    missing = without_page(directives(read_or_skip(TABLE)), read_pages())
    assert not missing, "no page in docs/directives for " + ", ".join(missing)


def test_pages_without_directive():
    unknown = sorted(set(read_pages()) - set(directives(read_or_skip(TABLE))) - {"index"})
    assert not unknown, "pages of directives that do not exist: " + ", ".join(unknown)


def test_explanations_of_options():
    missing = without_explanation(options(read_or_skip(OPTIONS)), read_pages())
    assert not missing, "\n".join("docs/directives/%s.rst does not name %s" % pair for pair in missing)


def test_tests_of_directives():
    missing = without_test(directives(read_or_skip(TABLE)), read_tests())
    assert not missing, "no test names " + ", ".join(missing)


def test_tests_of_options():
    missing = without_test(sorted({name for _, name in options(read_or_skip(OPTIONS))}), read_tests())
    assert not missing, "no test names the options " + ", ".join(missing)


def test_option_tables_are_known():
    assert {table for table, _ in options(read_or_skip(OPTIONS))} <= set(OWNERS)


def test_tables_are_found():
    assert "WSGIDaemonProcess" in directives(read_or_skip(TABLE))
    assert ("wsgi_options_group", "processes") in options(read_or_skip(OPTIONS))


def test_check_reads_tables():
    assert directives("""
        #define ROW(name) AP_INIT_TAKE1("NotARow", name)
        const command_rec wsgi_directives[] = {
            AP_INIT_FLAG("WSGIOne", f, NULL, OR_ALL, "Help"), AP_INIT_RAW_ARGS("<WSGISection", f, NULL, 0, "Help"), /* AP_INIT_FLAG("WSGINone", */
            RELIC(
                "WSGITwo", "it"),
            { .name = NULL }
        };""") == ["WSGIOne", "WSGISection", "WSGITwo"]
    assert options("""const wsgi_option_t wsgi_options_import[] = {
        { "process-group", WSGI_OPT_TEXT, 0, ANY },
        { NULL, WSGI_OPT_TEXT, 0, ANY }\n};""") == [("wsgi_options_import", "process-group")]


def test_check_finds_what_is_missing():
    pages = {"WSGIOne": "WSGIOne\n=======\n", "WSGITwo": "WSGITwoMore"}
    assert without_page(["WSGIOne", "WSGITwo", "WSGIThree"], pages) == ["WSGITwo", "WSGIThree"]
    assert without_explanation([("wsgi_options_group", "user")], {"WSGIDaemonProcess": "script-user, socket-user"})
    assert not without_explanation([("wsgi_options_group", "user")], {"WSGIDaemonProcess": "``user=``"})
    assert without_test(["threads", "user"], ['{"threads": 2}', '"script-user"']) == ["user"]
