"""Directives that make reference tables from the source, so that they cannot say what the code does not.

What the source does not know, such as what to do about a message, is written by hand in the directive's content; the
build warns about a message that has no such text, and about text for a message that does not exist.
"""

import re
import sys
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

TOP = Path(__file__).resolve().parents[2]
SERVER = TOP / "src" / "server"
PAGES = TOP / "docs" / "directives"
MESSAGE = re.compile(r'WSGI_LOGNO\((\d{4})\)((?:\s*(?:"(?:[^"\\]|\\.)*"|[A-Z0-9_]+_FMT))*)')
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"|[A-Z0-9_]+_FMT')
CONVERSION = re.compile(r"%[-0-9.*#+l]*[a-zA-Z]")
LEVEL = re.compile(r"(?:WSGI_LOG|APLOG)_(ALERT|CRIT|ERR|WARNING)\b")
FIELD = re.compile(r"^:(\w+): *(.*)$", re.MULTILINE)

log = logging.getLogger(__name__)


# ---- messages ----

def message_text(literals):
    """The text of adjoining C literals, its conversions shown as an ellipsis."""
    text = "".join("%d" if part.group(1) is None else part.group(1) for part in LITERAL.finditer(literals))
    return re.sub("…+", "…", CONVERSION.sub("…", text.replace('\\"', '"').replace("%%", "%"))).strip()


def read_messages():
    """Return {number: (severity, [text])} of the numbered messages of the C files."""
    found = {}
    for path in sorted(SERVER.rglob("*.c")):
        source = path.read_text(encoding="utf-8")
        for match in MESSAGE.finditer(source):
            levels = LEVEL.findall(source[max(0, match.start() - 200):match.start()])
            text = message_text(match.group(2))
            texts = found.setdefault(match.group(1), (levels[-1].lower() if levels else "err", []))[1]
            if text and text not in texts:
                texts.append(text)
    return found


def cell(*children, **attributes):
    return nodes.entry("", *children, **attributes)


def plain(text):
    return nodes.paragraph("", "", nodes.Text(text))


def code(text):
    return nodes.paragraph("", "", nodes.literal(text=text))


def table(header, rows, widths):
    """A docutils table. `rows`: lists of entries."""
    group = nodes.tgroup(cols=len(header))
    group += [nodes.colspec(colwidth=width) for width in widths]
    group += nodes.thead("", nodes.row("", *[cell(plain(text)) for text in header]))
    group += nodes.tbody("", *[nodes.row("", *row) for row in rows])
    return nodes.table("", group)


class Messages(SphinxDirective):
    """``.. messages::``: a table of messages. The content is a definition list: numbers, and what to do about them.

    Each message becomes a target of the role ``:msg:``.
    """

    has_content = True

    def explanations(self):
        """Yield (numbers, nodes) for each entry of the content."""
        content = nodes.container()
        self.state.nested_parse(self.content, self.content_offset, content)
        for item in content.findall(nodes.definition_list_item):
            yield item[0].astext().split(), item[1].children

    def number_cell(self, number, severity):
        name = "WSGI" + number
        entry = cell(code(name), plain(severity), ids=[name.lower()])
        self.env.get_domain("std").note_object("message", name, name.lower(), location=self.get_location())
        return entry

    def run(self):
        known = read_messages()
        rows = []
        for numbers, explanation in self.explanations():
            unknown = [number for number in numbers if number not in known]
            if unknown:
                log.warning("there is no message %s", ", ".join(unknown), location=self.get_location())
                continue
            for number in numbers:
                severity, texts = known[number]
                text = " / ".join(texts) or "An exception; its traceback follows."
                row = [self.number_cell(number, severity), cell(plain(text))]
                if number == numbers[0]:
                    row.append(cell(*explanation, morerows=len(numbers) - 1))
                rows.append(row)
        return [table(("Number", "Message", "When, and what to do"), rows, (11, 39, 50))]


def check_messages(_app, env):
    """Every message is explained somewhere."""
    explained = {name for kind, name in env.get_domain("std").objects if kind == "message"}
    for number in sorted(read_messages()):
        if "WSGI" + number not in explained:
            log.warning("docs/messages.rst does not explain WSGI%s", number)


# ---- directives ----

class DirectiveTable(SphinxDirective):
    """``.. directive-table::``: the pages of this folder with their default and context, as the pages say."""

    def run(self):
        rows = []
        for path in sorted(PAGES.glob("WSGI*.rst")):
            fields = dict(reversed(FIELD.findall(path.read_text(encoding="utf-8"))))  # the first of a name counts
            self.env.note_dependency(str(path))
            rows.append([cell(self.parse(":doc:`%s`" % path.stem)),
                         cell(self.parse(fields["Default"])), cell(self.parse(fields["Context"]))])
        return [table(("Directive", "Default", "Context"), rows, (35, 25, 40))]

    def parse(self, text):
        children, _ = self.state.inline_text(text, self.lineno)
        return nodes.paragraph("", "", *children)


# ---- mod_wsgi-express ----

class ExpressOptions(Directive):
    """``.. express-options::``: the options of mod_wsgi-express, from the table its parser is made of."""

    def run(self):
        sys.path.insert(0, str(TOP / "src" / "python"))
        from mod_wsgi.express import options

        result = []
        for group in options.GROUPS:
            rows = [self.row(option) for option in group.options if not option.hidden]
            section = nodes.section(ids=[nodes.make_id(group.title)])
            section += nodes.title(text=group.title)
            section += table(("Option", "Default", "Meaning"), rows, (38, 14, 48))
            result.append(section)
        return result

    @staticmethod
    def row(option):
        value = " ".join(option.metavars) or "|".join(option.choices or ())
        has_default = option.kind != "flag" and option.default not in (None, (), "")
        meaning = option.help + (" May be given several times." if option.repeat else "")
        return [cell(code(("--%s %s" % (option.name, value)).strip()), ids=["option-" + option.name]),
                cell(code(str(option.default))) if has_default else cell(), cell(plain(meaning))]


def setup(app):
    app.add_directive("messages", Messages)
    app.add_directive("directive-table", DirectiveTable)
    app.add_directive("express-options", ExpressOptions)
    app.add_object_type("message", "msg", objname="message", ref_nodeclass=nodes.literal)
    app.connect("env-check-consistency", check_messages)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
