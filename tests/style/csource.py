"""What the style tests know of C: comments, literals, calls, includes. Enough for this project's code, no parser."""

import pathlib
import re
from typing import Dict, Iterator, List, NamedTuple

TOP = pathlib.Path(__file__).resolve().parents[2]
SERVER = TOP / "src" / "server"

TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


class Call(NamedTuple):
    """One call: its function's name, the text between its parentheses, and the line it begins on."""

    name: str
    arguments: str
    line: int


def read_server() -> Dict[str, str]:
    """Return the C files below src/server: path relative to it, text."""
    paths = sorted(SERVER.glob("*.[ch]")) + sorted(SERVER.glob("*/*.[ch]"))
    return {path.relative_to(SERVER).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def without_comments(text: str) -> str:
    """Blank out comments; lines keep their numbers, literals stay."""
    def blank(match):
        token = match.group()
        return re.sub(r"[^\n]", " ", token) if token.startswith("/") else token
    return TOKEN.sub(blank, text)


def without_literals(text: str) -> str:
    """Blank out comments and the inside of literals; every character keeps its place."""
    def blank(match):
        token = match.group()
        if token.startswith("/"):
            return re.sub(r"[^\n]", " ", token)
        return token[0] + " " * (len(token) - 2) + token[-1]
    return TOKEN.sub(blank, text)


def includes(text: str) -> List[str]:
    """Return what a file includes: `"base/wsgi_log.h"` with its quotes, `<httpd.h>` with its brackets."""
    return re.findall(r'^[ \t]*#[ \t]*include[ \t]+("[^"\n]+"|<[^>\n]+>)', without_comments(text), re.MULTILINE)


def calls(text: str) -> Iterator[Call]:
    """Yield everything that looks like a call, outermost first, also macro calls and declarations."""
    bare = without_literals(text)
    code = without_comments(text)
    for match in re.finditer(r"\b([A-Za-z_]\w*)\s*\(", bare):
        depth, at = 1, match.end()
        while depth > 0 and at < len(bare):
            depth += {"(": 1, ")": -1}.get(bare[at], 0)
            at += 1
        yield Call(match.group(1), code[match.end():at - 1], bare.count("\n", 0, match.start()) + 1)
