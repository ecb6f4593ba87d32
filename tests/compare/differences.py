"""What differs between two answers to one request, with what must differ left out."""
import fnmatch
import json
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

from .wire import Answer

EXPECTED = Path(__file__).with_name("expected.json")
# Values that are never the same; that they are there, and of which type, is compared.
VOLATILE = re.compile(r"mod_wsgi\.(\w+_start|request_id|connection_id|thread_id|thread_requests|total_requests|server_pid|version|daemon_\w+)$"
                      r"|REMOTE_PORT$|H2_STREAM_TAG$|SERVER_SOFTWARE$|SERVER_SIGNATURE$|UNIQUE_ID$")
SKIPPED_HEADERS = {"date"}


@dataclass(frozen=True)
class Difference:
    aspect: str
    ours: str
    theirs: str


def environ_of(body: bytes) -> Dict[str, str]:
    """Return the dump of tests/compare/app.wsgi as key to type and value, {} when the body is none."""
    rows = [line.split("\t", 2) for line in body.decode("utf-8", "replace").split("\n")]
    if len(rows) < 10 or any(len(row) != 3 for row in rows):
        return {}
    return {key: kind if VOLATILE.match(key) else "%s %s" % (kind, value) for key, kind, value in rows}


def by_name(headers: List[Tuple[str, str]]) -> Dict[str, str]:
    found = defaultdict(list)
    for name, value in headers:
        if name.lower() not in SKIPPED_HEADERS:
            found[name.lower()].append(re.sub(r" mod_wsgi/\S+", "", value) if name.lower() == "server" else value)
    return {name: " | ".join(values) for name, values in found.items()}


def compare_maps(label: str, ours: Dict[str, str], theirs: Dict[str, str]) -> Iterator[Difference]:
    for key in sorted(set(ours) | set(theirs)):
        if ours.get(key) != theirs.get(key):
            yield Difference("%s %s" % (label, key), ours.get(key, "absent"), theirs.get(key, "absent"))


def shown(body: bytes, other: bytes) -> str:
    """A body from where it differs from the other on."""
    start = next((i for i, (a, b) in enumerate(zip(body, other)) if a != b), min(len(body), len(other)))
    start = max(0, start - 20)
    return "%s%r" % ("…" if start else "", body[start:start + 120])


def compare_answer(ours: Answer, theirs: Answer) -> Iterator[Difference]:
    for aspect in ("version", "status", "reason", "interim"):
        if getattr(ours, aspect) != getattr(theirs, aspect):
            yield Difference(aspect, str(getattr(ours, aspect)), str(getattr(theirs, aspect)))
    ours_environ, theirs_environ = environ_of(ours.body), environ_of(theirs.body)
    ours_headers, theirs_headers = by_name(ours.headers), by_name(theirs.headers)
    for headers, body in ((ours_headers, ours.body), (theirs_headers, theirs.body)):
        if headers.get("content-length") == str(len(body)) or ours_environ:
            headers["content-length"] = "right" # how long it is shows in the body itself
    yield from compare_maps("header", ours_headers, theirs_headers)
    if ours.is_whole != theirs.is_whole:
        yield Difference("completeness", "whole" if ours.is_whole else "cut off", "whole" if theirs.is_whole else "cut off")
    if ours_environ and theirs_environ:
        yield from compare_maps("environ", ours_environ, theirs_environ)
    elif ours.body != theirs.body:
        yield Difference("body", shown(ours.body, theirs.body), shown(theirs.body, ours.body))


def compare(ours: List[Answer], theirs: List[Answer]) -> List[Difference]:
    """Return the differences between the responses that two connections brought."""
    found = []
    if len(ours) != len(theirs):
        found.append(Difference("number of responses", str(len(ours)), str(len(theirs))))
    for one, other in zip(ours, theirs):
        found += compare_answer(one, other)
    return found


def compare_levels(ours: List[str], theirs: List[str]) -> List[Difference]:
    """The levels from warning on of what was logged for a request; how many lines there are does not count."""
    shown = [" ".join(sorted(set(levels))) or "nothing" for levels in (ours, theirs)]
    return [] if shown[0] == shown[1] else [Difference("log levels", *shown)]


class Expectations:
    """The checked list: differences that are intended, each with its reason."""

    def __init__(self, path: Path = EXPECTED):
        self.rows = json.loads(path.read_text()) if path.exists() else []
        self.used = [0] * len(self.rows)

    def reason(self, case: str, difference: Difference) -> str:
        """Return why a difference is as it should be, "" when nothing is said about it.

        Args:
            case: ``site/mode/name``.
        """
        for index, row in enumerate(self.rows):
            texts = {"case": case, "aspect": difference.aspect, "ours": difference.ours, "theirs": difference.theirs}
            if all(fnmatch.fnmatchcase(texts[key], row[key]) for key in texts if key in row):
                self.used[index] += 1
                return row["reason"]
        return ""

    def unused(self) -> List[dict]:
        return [row for row, count in zip(self.rows, self.used) if count == 0]


def some(cases: List[str]) -> str:
    return ", ".join(cases[:8]) + (", …" if len(cases) > 8 else "")


def report(differences: List[Tuple[str, Difference]], requests: int, expectations: Expectations) -> Tuple[str, bool]:
    """Return the text, and whether all is as expected.

    Args:
        differences: (case, difference) of all requests.
    """
    groups: Dict[Tuple[str, Difference], List[str]] = defaultdict(list)
    for case, difference in differences:
        groups[(expectations.reason(case, difference), difference)].append(case)
    lines, unexplained = [], 0
    for (reason, difference), cases in sorted(groups.items(), key=lambda item: (item[0][0] != "", item[0][0], item[0][1].aspect)):
        unexplained += not reason
        lines.append("%s %s: ours %s, theirs %s\n    %d requests: %s%s" % (
            "      " if reason else "UNLISTED", difference.aspect, difference.ours, difference.theirs, len(cases), some(cases),
            "\n    " + reason if reason else ""))
    lines += ["STALE: nothing differs as %s" % json.dumps(row) for row in expectations.unused()]
    differing = len({case for case, _ in differences})
    lines.append("%d requests, %d with a difference; %d kinds of difference, %d of them not listed; %d entries of the list stale"
                 % (requests, differing, len(groups), unexplained, len(expectations.unused())))
    return "\n".join(lines), unexplained == 0 and not expectations.unused()
