"""Every C file is compiled by every way to build, every folder says what it is."""

import fnmatch
import re

import pytest
from style.csource import SERVER, TOP, includes, read_server

LIST = SERVER / "sources.mk"


def read_list(text):
    """Return the assignments of sources.mk: name to words."""
    return {name: words.split() for name, words in re.findall(r"^(\w+) = (.*)$", text, re.MULTILINE)}


def covers(words, path):
    """Whether a list of names and patterns has the file; a pattern stays within its folder."""
    return any(word.count("/") == path.count("/") and fnmatch.fnmatchcase(path, word) for word in words)


def violations(lists, paths):
    """Return a line for each file that is left out or in the wrong object, and each word that means nothing."""
    wrong = []
    for path in paths:
        in_bridge, in_core = covers(lists["BRIDGE"], path), covers(lists["CORE"], path)
        if path.startswith("bridge/") and in_core:
            wrong.append("%s is compiled into the core, which must not know CPython" % path)
        if not in_bridge and not in_core:
            wrong.append("%s is compiled into nothing" % path)
        if in_bridge and not path.startswith(("bridge/", "base/", "stats/")):
            wrong.append("%s is compiled into the bridge, which must not know %s" % (path, path.partition("/")[0]))
    for word in lists["CORE"] + lists["BRIDGE"]:
        if not any(covers([word], path) for path in paths):
            wrong.append("sources.mk names %s, which matches no file" % word)
    return wrong


def missing_readmes(folders):
    """Return the folders without README.md. `folders`: path to the names of its files."""
    return sorted(path for path, names in folders.items() if "README.md" not in names)


@pytest.fixture(scope="module")
def lists():
    if not LIST.exists():
        pytest.skip("src/server/sources.mk does not exist yet")
    return read_list(LIST.read_text(encoding="utf-8"))


def test_every_file_is_compiled(lists):
    wrong = violations(lists, [path for path in read_server() if path.endswith(".c")])
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", ["Makefile.in", "setup.py"])
def test_builds_read_the_one_list(name):
    path = TOP / name
    if not path.exists():
        pytest.skip("%s does not exist yet" % name)
    text = path.read_text(encoding="utf-8")
    assert "sources.mk" in text
    assert not re.search(r"\bwsgi_\w+\.c\b", text), "%s names a C file by itself" % name


def test_source_archive_has_everything():
    path = TOP / "MANIFEST.in"
    if not path.exists():
        pytest.skip("MANIFEST.in does not exist yet")
    patterns = re.findall(r"^recursive-include src/server (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    words = " ".join(patterns).split()
    left_out = [file.relative_to(TOP).as_posix() for file in SERVER.rglob("*")
                if file.is_file() and not any(fnmatch.fnmatchcase(file.name, word) for word in words)]
    assert not left_out, "MANIFEST.in leaves out " + ", ".join(left_out)


def test_every_folder_has_a_readme():
    folders = {folder.relative_to(TOP).as_posix(): [path.name for path in folder.iterdir()]
               for folder in [SERVER, *SERVER.iterdir()] if folder.is_dir()}
    missing = missing_readmes(folders)
    assert not missing, "no README.md in " + ", ".join(missing)


def test_every_header_guards_itself():
    wrong = []
    for path, text in read_server().items():
        guard = re.sub(r"\W", "_", path.rpartition("/")[2]).upper()
        if path.endswith(".h") and not text.startswith("#ifndef %s\n#define %s\n" % (guard, guard)):
            wrong.append("%s does not begin with the guard %s" % (path, guard))
    assert not wrong, "\n".join(wrong)


def test_every_module_includes_its_own_header_first():
    files = read_server()
    wrong = []
    for path, text in files.items():
        header = path[:-1] + "h"
        own = [name for name in includes(text) if name.startswith('"')]
        if path.endswith(".c") and header in files and own[:1] != ['"%s"' % header]:
            wrong.append(path)
    assert not wrong, "own header is not the first of the project's in " + ", ".join(wrong)


def test_check_reads_the_list():
    assert read_list("# CORE = x\nCORE = *.c base/*.c\nBRIDGE = bridge/*.c\n") == {
        "CORE": ["*.c", "base/*.c"], "BRIDGE": ["bridge/*.c"]}


@pytest.mark.parametrize("core, bridge, path, about", [
    ("base/*.c", "bridge/*.c", "wire/wsgi_a.c", "nothing"),
    ("*.c", "bridge/*.c", "base/wsgi_a.c", "nothing"),
    ("bridge/*.c", "bridge/*.c", "bridge/wsgi_a.c", "core"),
    ("wire/*.c", "wire/wsgi_a.c", "wire/wsgi_a.c", "bridge"),
    ("base/*.c base/wsgi_gone.c", "base/*.c", "base/wsgi_a.c", "matches no file"),
])
def test_check_finds(core, bridge, path, about):
    files = [path, "base/wsgi_b.c"] if path.startswith("base/") and core.startswith("base") else [path]
    wrong = violations({"CORE": core.split(), "BRIDGE": bridge.split()}, files)
    assert any(about in line for line in wrong), wrong


def test_check_finds_missing_readme():
    assert missing_readmes({"a": ["README.md", "x.c"], "b": ["x.c"]}) == ["b"]
