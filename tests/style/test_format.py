"""Layout that no compiler looks at: tabs, line width, trailing blanks, the newline at the end."""

import pytest
from style.csource import TOP

WIDTH = 120
TEST_WIDTH = 160  # Python below tests: rows of cases and configuration read better unbroken
FOLDERS = ["src", "tests", "docs"]
SUFFIXES = {".c", ".h", ".py", ".md", ".rst", ".conf", ".wsgi"}
WIDE = {".md", ".rst", ".conf"}  # tables and directives may be wider
GENERATED = {"build", "_build", "__pycache__", ".pytest_cache"}


def violations(name, text):
    """Return a line for each breach in a file."""
    wrong = []
    suffix = "." + name.rpartition(".")[2]
    width = TEST_WIDTH if name.startswith("tests/") and suffix in {".py", ".wsgi"} else WIDTH
    for number, line in enumerate(text.split("\n"), 1):
        if "\t" in line:
            wrong.append("%s:%d: tab" % (name, number))
        if line != line.rstrip():
            wrong.append("%s:%d: blank at the end of the line" % (name, number))
        if len(line) > width and suffix not in WIDE:
            wrong.append("%s:%d: %d columns, %d are allowed" % (name, number, len(line), width))
    if text and not text.endswith("\n"):
        wrong.append("%s: no newline at the end" % name)
    if text.endswith("\n\n"):
        wrong.append("%s: empty line at the end" % name)
    return wrong


def source_files():
    for folder in FOLDERS:
        for path in sorted((TOP / folder).rglob("*")):
            if path.suffix in SUFFIXES and path.is_file() and not GENERATED & set(path.relative_to(TOP).parts):
                yield path


def test_layout():
    wrong = []
    for path in source_files():
        wrong += violations(path.relative_to(TOP).as_posix(), path.read_text(encoding="utf-8"))
    assert not wrong, "\n".join(wrong)


def test_there_is_something_to_check():
    assert any(path.suffix == ".c" for path in source_files())
    assert any(path.suffix == ".py" for path in source_files())


@pytest.mark.parametrize("name, text", [
    ("a.c", "\tint a;\n"),
    ("a.c", "int a; \n"),
    ("a.c", "int a;\r\n"),
    ("a.py", "x" * 121 + "\n"),
    ("tests/a.c", "x" * 121 + "\n"),
    ("tests/a.py", "x" * 161 + "\n"),
    ("a.h", "int a;"),
    ("a.h", "int a;\n\n"),
    ("a.md", "x \n"),
])
def test_check_finds(name, text):
    assert len(violations(name, text)) == 1


def test_check_lets_good_text_pass():
    assert violations("a.c", "x" * 120 + "\n") == []
    assert violations("tests/a.py", "x" * 160 + "\n") == []
    assert violations("a.md", "x" * 300 + "\n") == []
    assert violations("__init__.py", "") == []
