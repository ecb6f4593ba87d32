"""Orders to the process groups of a running Apache: status, reload, restart."""

import argparse
import glob
import json
import os
import socket
import sys
from dataclasses import dataclass
from typing import Any, Dict, List, Sequence, Tuple

from .settings import SettingsError

# What WSGISocketPrefix is where nobody sets it: Debian, Fedora and others, a self-built Apache.
USUAL_PREFIXES = ("/var/run/apache2/wsgi", "/run/httpd/wsgi", "/usr/local/apache2/logs/wsgi")


@dataclass(frozen=True)
class Answer:
    """What a group said: lines, whether it succeeded, and why not."""

    lines: Tuple[str, ...]
    is_ok: bool
    error: str


def find_sockets(prefixes: Sequence[str]) -> List[str]:
    """Return the sockets for orders of all groups below the prefixes, in a fixed order."""
    return [path for prefix in prefixes for path in sorted(glob.glob(glob.escape(prefix) + ".*.ctl.sock"))]


def ask(path: str, order: str) -> Answer:
    """Give an order and wait for the answer, however long it takes.

    Raises:
        OSError: nobody listens there, or the account may not connect.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(path)
        connection.sendall(order.encode("ascii") + b"\n")
        data = b""
        while True:
            block = connection.recv(65536)
            if not block:
                break
            data += block
    *lines, last = data.decode("utf-8", "replace").rstrip("\n").split("\n")
    if last == "OK":
        return Answer(tuple(lines), True, "")
    if last.startswith("ERROR "):
        return Answer(tuple(lines), False, last[len("ERROR "):])
    return Answer((*lines, last), False, "The connection ended before the answer was complete.")


def list_groups(prefixes: Sequence[str]) -> List[Tuple[str, Dict[str, Any]]]:
    """Return (socket, status) of the groups that answer; sockets that a killed server left behind are passed over.

    Raises:
        PermissionError: the account may not give orders.
    """
    found = []
    for path in find_sockets(prefixes):
        try:
            answer = ask(path, "status")
        except (ConnectionRefusedError, FileNotFoundError):
            continue
        if answer.is_ok and answer.lines:
            found.append((path, json.loads(answer.lines[0])))
    return found


def select(prefixes: Sequence[str], name: str = "") -> List[Tuple[str, Dict[str, Any]]]:
    """Return the groups of that name, all for no name.

    Raises:
        SettingsError: there is none, naming those that there are.
    """
    groups = list_groups(prefixes)
    chosen = [group for group in groups if name in ("", group[1]["group"])]
    if not chosen:
        known = ", ".join(sorted({status["group"] for _, status in groups}))
        raise SettingsError("there is no process group%s at %s%s" % (
            " '%s'" % name if name else "", ", ".join(prefixes), "; there is: " + known if known else ""))
    return chosen


def describe(status: Dict[str, Any]) -> str:
    """Return a group and its workers as text for people."""
    lines = ["%s: %d processes wanted, %d threads each, keeper %d, configuration %d" % (
        status["group"], status["processes"], status["threads"], status["keeper"], status["generation"])]
    for worker in status["workers"]:
        because = ", to be replaced (%s)" % worker["leaves_because"] if worker["leaves_because"] else ""
        lines.append("  %-8d %-17s %6.0f s  %3d busy  %7.1f MB%s" % (
            worker["pid"], worker["state"], worker["age"], worker["busy"], worker["rss"] / 1e6, because))
    return "\n".join(lines)


def make_parser(program: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument("group", nargs="?", default="", metavar="GROUP", help="one process group; all without it")
    parser.add_argument("--socket-prefix", action="append", metavar="PREFIX",
                        help="value of WSGISocketPrefix, or its folder; may be repeated (default: the usual places)")
    parser.add_argument("--server-root", action="append", metavar="DIRECTORY",
                        help="of a server that setup-server made")
    return parser


def prefixes_of(given: argparse.Namespace) -> List[str]:
    """Return the prefixes of sockets that the arguments name; folders hold sockets called ``wsgi``."""
    named = (given.socket_prefix or []) + (given.server_root or [])
    return [os.path.join(path, "wsgi") if os.path.isdir(path) else path for path in named] or list(USUAL_PREFIXES)


def run(order: str, program: str, description: str, arguments: Sequence[str]) -> int:
    """Carry one command out.

    Returns:
        0; 1 when a group refused or failed, with what it said on standard error; 2 for wrong arguments.
    """
    parser = make_parser(program, description)
    parser_given = parser.parse_args(arguments)
    try:
        chosen = select(prefixes_of(parser_given), parser_given.group)
    except SettingsError as error:
        parser.error(str(error))
    except PermissionError:
        print("%s: only root and the account of a group may give it orders" % program, file=sys.stderr)
        return 1
    if order == "status":
        print("\n".join(describe(status) for _, status in chosen))
        return 0
    return max(carry_out(order, path, status["group"]) for path, status in chosen)


def carry_out(order: str, path: str, name: str) -> int:
    answer = ask(path, order)
    for line in answer.lines:
        print(line, file=sys.stderr)
    if not answer.is_ok:
        print("%s: %s" % (name, answer.error), file=sys.stderr)
        return 1
    print("%s: done" % name)
    return 0
