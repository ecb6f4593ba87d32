"""The documentation builds without a warning, and says of messages, directives and options what the source says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
SERVER = TOP / "src" / "server"
PAGES = TOP / "docs" / "directives"

# Where a directive may stand, by the last words of its row in the command table.
CONTEXTS = {
    "OR_FILEINFO": "server config, virtual host, directory, .htaccess (FileInfo)",
    "OR_AUTHCFG": "directory, .htaccess (AuthConfig)",
    "IN_SECTIONS": "server config, virtual host, directory",
    "RSRC_CONF": "server config, virtual host",
    "GLOBAL": "server config only",
    "SCOPED": "server config only, and :doc:`WSGIInterpreterOptions`",
    "ANYWHERE": "anywhere",
}


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    """The folder of the built pages."""
    out = tmp_path_factory.mktemp("docs")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d", str(out / "doctrees"),
               str(TOP / "docs"), str(out / "html")]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert result.returncode == 0, result.stdout
    return out / "html"


def read(path):
    return path.read_text(encoding="utf-8")


def field(text, name):
    """The value of a field such as ``:Default:``."""
    match = re.search(r"^:%s: *(.*)$" % name, text, re.MULTILINE)
    return match.group(1) if match else None


def test_every_page_is_built(html):
    sources = {path.relative_to(TOP / "docs").with_suffix("") for path in (TOP / "docs").rglob("*.rst")}
    built = {path.relative_to(html).with_suffix("") for path in html.rglob("*.html")}
    assert sources and sources <= built


def test_nothing_is_loaded_from_elsewhere(html):
    for path in html.rglob("*.html"):
        assert not re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="(?:https?:)?//', read(path)), path


# ---- messages ----

def test_every_message_is_listed(html):
    page = read(html / "messages.html")
    sources = [read(path) for path in SERVER.rglob("*.c")]
    numbers = {number for source in sources for number in re.findall(r"WSGI_LOGNO\((\d{4})\)", source)}
    assert numbers and not [number for number in sorted(numbers) if 'id="wsgi%s"' % number not in page]


@pytest.mark.parametrize("number, severity, words", [
    ("WSGI0116", "err", "Unable to connect to daemon process group"),
    ("WSGI0079", "warning", "does not support locale="),
    ("WSGI0034", "alert", "proof of origin does not match"),
])
def test_messages_come_from_the_source(html, number, severity, words):
    page = read(html / "messages.html")
    row = page[page.index('id="%s"' % number.lower()):]
    row = row[:row.index("</tr>")]
    assert "<p>%s</p>" % severity in row and words in row


# ---- directives ----

def command_table():
    """Yield (directive, context) as the command table says."""
    source = "".join(read(SERVER / "config" / name) for name in ("wsgi_directives.c", "wsgi_sections.c", "wsgi_reporting.c"))
    table = re.search(r"command_rec \w+\[\] = \{(.*?)\n *\};", source, re.DOTALL).group(1)
    for row in re.finditer(r'\b([A-Z][A-Z0-9_]+)\(\s*"<?(\w+)",(.*?)\)(?=,\n)', table, re.DOTALL):
        macro, name, rest = row.groups()
        setter = rest.split(",")[0].strip()
        if macro == "RELIC":
            yield name, CONTEXTS["ANYWHERE"]
        elif "SCOPE_" in macro + rest:
            yield name, CONTEXTS["SCOPED"]
        elif macro.startswith("SETUP_") or is_global(source, setter):
            yield name, CONTEXTS["GLOBAL"]
        else:
            yield name, CONTEXTS[re.search(r"\b(OR_FILEINFO|OR_AUTHCFG|IN_SECTIONS|RSRC_CONF)\b", rest).group(1)]


def is_global(source, setter):
    """Whether the setter refuses everything but the main server."""
    body = re.search(r"\b%s\(cmd_parms.*?\n}" % re.escape(setter), source, re.DOTALL)
    return body is not None and "GLOBAL_ONLY" in body.group(0)


@pytest.mark.parametrize("name, context", sorted(command_table()))
def test_context_of_directive(name, context):
    assert field(read(PAGES / (name + ".rst")), "Context") == context


@pytest.mark.parametrize("name", sorted(name for name, _ in command_table()))
def test_page_of_directive_is_complete(name):
    page = read(PAGES / (name + ".rst"))
    assert re.search("``<?%s " % name, field(page, "Syntax"))
    assert field(page, "Default") and field(page, "Merging")
    assert "\nExample\n-------\n" in page and "\nWhat goes wrong\n---------------\n" in page


def test_table_of_directives(html):
    page = re.sub(r"<(?!/?t[rd])[^>]*>", "", read(html / "directives" / "index.html"))
    rows = {tuple(cell.strip() for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL))
            for row in re.findall(r"<tr[^>]*>(.*?)</tr>", page, re.DOTALL)}
    fields = {name: read(PAGES / (name + ".rst")) for name, _ in command_table()}
    wanted = {(name, field(text, "Default"), field(text, "Context")) for name, text in fields.items()}
    plain = {tuple(re.sub(r":doc:|`", "", text) for text in row) for row in wanted}
    assert plain == {row for row in rows if row}


# ---- options of WSGIDaemonProcess ----

def sections():
    """{option: text of its section}"""
    page = read(PAGES / "WSGIDaemonProcess.rst")
    parts = re.split(r"^``([a-z-]+)=``\n~+\n", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def option_rows():
    """[(option, type, least, most)] with the bounds as the source writes them."""
    source = read(SERVER / "config" / "wsgi_options.c")
    table = re.search(r"wsgi_options_group\[\] = \{(.*?)\n *\};", source, re.DOTALL).group(1)
    return re.findall(r'\{ "([a-z-]+)", (WSGI_OPT_\w+), [^,]*, ([^,}]*?)(?:, ([^}]*?))? \}', table)


def constants():
    """{name: value}; values are numbers such as 10000, 0x7fffffff or 64 << 20"""
    source = read(SERVER / "config" / "wsgi_options.c")
    known = {}
    for name, text in re.findall(r"\b(MAX_\w+) = ([0-9xa-f< ]+?)\s*[,}]", source):
        value, _, shift = text.partition("<<")
        known[name] = int(value, 0) << int(shift or "0")
    return known


def defaults():
    """{option: number} as set before the options are read."""
    source = read(SERVER / "config" / "wsgi_groups.c")
    body = re.search(r"static void set_defaults\(.*?\n}", source, re.DOTALL).group(0)
    found = re.findall(r"group->(\w+) = (?:apr_time_from_m?sec\()?(\d+)\)?;", body)
    return {name.replace("_", "-"): number for name, number in found}


def test_sections_are_those_of_the_options():
    assert set(sections()) == {row[0] for row in option_rows()}


@pytest.mark.parametrize("name", sorted(row[0] for row in option_rows()))
def test_section_of_option_is_complete(name):
    section = sections()[name]
    assert field(section, "Value") and field(section, "Default")
    assert "``%s=" % name in field(section, "Example")


@pytest.mark.parametrize("name, kind, least, most", [row for row in option_rows() if row[3] not in ("", "MAX_INT")])
def test_range_of_option(name, kind, least, most):
    value = field(sections()[name], "Value")
    largest = constants().get(most, most)
    assert re.search(r"(?<!\S)%s to %s\b" % (re.escape(least), largest), value), value


@pytest.mark.parametrize("name, number", sorted(defaults().items()))
def test_default_of_option(name, number):
    assert re.match(r"%s\b" % number, field(sections()[name], "Default"))


# ---- command line ----

def test_options_of_the_command_line_are_listed(html):
    page = read(html / "express.html")
    for name in ("--reload-on-changes", "--request-timeout", "--setenv"):
        assert name in page
