"""Directives that make reference tables from the source, so that they cannot say what the code does not."""

import re
import sys
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive

TOP = Path(__file__).resolve().parents[2]
MESSAGE = re.compile(r'WSGI_LOGNO\((\d{4})\)((?:\s*(?:"(?:[^"\\]|\\.)*"|[A-Z_]+_FMT))*)')
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"|[A-Z_]+_FMT')
CONVERSION = re.compile(r"%[-0-9.#+l]*[a-zA-Z]")
LEVEL = re.compile(r"(?:WSGI_LOG|APLOG)_(ALERT|CRIT|ERR|WARNING)\b")


def message_text(literals):
    """The text of adjoining C literals, its conversions shown as an ellipsis."""
    text = "".join("%d" if part.group(1) is None else part.group(1) for part in LITERAL.finditer(literals))
    return CONVERSION.sub("…", text.replace('\\"', '"').replace("%%", "%")).strip()


def read_messages(server):
    """Yield (number, severity, text) of every numbered message below a folder of C files."""
    for path in sorted(server.rglob("*.c")):
        source = path.read_text(encoding="utf-8")
        for match in MESSAGE.finditer(source):
            levels = LEVEL.findall(source[max(0, match.start() - 200):match.start()])
            yield match.group(1), levels[-1].lower() if levels else "err", message_text(match.group(2))


def table(header, rows, widths):
    """A docutils table of plain text cells, the first of each row being code."""
    group = nodes.tgroup(cols=len(header))
    group += [nodes.colspec(colwidth=width) for width in widths]

    def line(cells, is_body=True):
        row = nodes.row()
        for i, cell in enumerate(cells):
            text = nodes.literal(text=cell) if i == 0 and is_body else nodes.Text(cell)
            row += nodes.entry("", nodes.paragraph("", "", text))
        return row

    group += nodes.thead("", line(header, is_body=False))
    group += nodes.tbody("", *[line(row) for row in rows])
    return nodes.table("", group)


class Messages(Directive):
    """``.. messages::`` lists the numbered messages of the C side."""

    def run(self):
        found = {}
        for number, severity, text in read_messages(TOP / "src" / "server"):
            if text and text not in [known for _, known in found.get(number, [])]:
                found.setdefault(number, []).append((severity, text))
            found.setdefault(number, [])
        rows = []
        for number in sorted(found):
            entries = found[number] or [("err", "An uncaught exception; its traceback follows.")]
            rows.append(("WSGI" + number, entries[0][0], " / ".join(text for _, text in entries)))
        return [table(("Number", "Severity", "Message"), rows, (12, 12, 76))]


class ExpressOptions(Directive):
    """``.. express-options::`` lists the options of mod_wsgi-express from the table its parser is made of."""

    def run(self):
        sys.path.insert(0, str(TOP / "src" / "python"))
        from mod_wsgi.express import options

        result = []
        for group in options.GROUPS:
            rows = []
            for option in group.options:
                if not option.hidden:
                    default = "" if option.default in (None, (), "") or option.kind == "flag" else str(option.default)
                    help_text = option.help.replace("%%", "%")
                    rows.append(("--" + option.name, default, help_text))
            section = nodes.section(ids=[nodes.make_id(group.title)])
            section += nodes.title(text=group.title)
            section += table(("Option", "Default", "Meaning"), rows, (30, 15, 55))
            result.append(section)
        return result


def setup(app):
    app.add_directive("messages", Messages)
    app.add_directive("express-options", ExpressOptions)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
