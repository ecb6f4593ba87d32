"""Processes of one server, found by the session they belong to and a mark in their environment."""
import os
from typing import Dict, List, NamedTuple, Set

MARK = "WSGI_TEST_SERVER"


class Process(NamedTuple):
    """One line of the process table."""

    pid: int
    parent: int
    session: int
    state: str
    name: str


def read_file(pid: int, name: str) -> bytes:
    """A file of ``/proc/<pid>``, empty when the process is gone or not ours."""
    try:
        with open("/proc/{}/{}".format(pid, name), "rb") as file:
            return file.read()
    except OSError:
        return b""


def inspect(pid: int):
    """The process table entry of ``pid``, None when there is none."""
    text = read_file(pid, "stat").decode("utf-8", "replace")
    if not text:
        return None
    name = text[text.index("(") + 1:text.rindex(")")]
    fields = text[text.rindex(")") + 2:].split()
    return Process(pid, int(fields[1]), int(fields[3]), fields[0], name)


def table() -> Dict[int, Process]:
    """All processes by pid."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return {entry.pid: entry for entry in map(inspect, pids) if entry is not None}


def alive(pid: int) -> bool:
    """Whether ``pid`` runs; a zombie does not."""
    entry = inspect(pid)
    return entry is not None and entry.state not in "ZX"


def belonging_to(session: int, mark: str) -> List[Process]:
    """Running processes of a session, or with the server's mark in the environment they were started with."""
    wanted = "{}={}".format(MARK, mark).encode()
    return [entry for entry in table().values() if entry.state not in "ZX"
            and (entry.session == session or wanted in read_file(entry.pid, "environ").split(b"\0"))]


def children(pid: int) -> Set[int]:
    """Pids of the running children of ``pid``."""
    return {entry.pid for entry in table().values() if entry.parent == pid and entry.state not in "ZX"}


def title(pid: int) -> str:
    """The command line as ``ps`` shows it."""
    return read_file(pid, "cmdline").replace(b"\0", b" ").decode("utf-8", "replace").strip()


def status_field(pid: int, field: str) -> List[str]:
    """Words of one line of ``/proc/<pid>/status``, e.g. ``Uid`` or ``Groups``."""
    for line in read_file(pid, "status").decode("utf-8", "replace").splitlines():
        if line.startswith(field + ":"):
            return line.split()[1:]
    return []


def descriptors(pid: int) -> int:
    """Number of open file descriptors."""
    return len(os.listdir("/proc/{}/fd".format(pid)))


def shared_segments(creators: Set[int]) -> List[str]:
    """System V shared memory segments made by one of ``creators``."""
    try:
        with open("/proc/sysvipc/shm") as file:
            lines = file.read().splitlines()[1:]
    except OSError:
        return []
    return [line for line in lines if int(line.split()[4]) in creators]


def open_connections(port: int) -> int:
    """TCP connections over IPv4 that the server on ``port`` has not closed yet."""
    listening, time_wait = "0A", "06"
    try:
        with open("/proc/net/tcp") as file:
            lines = [line.split() for line in file.read().splitlines()[1:]]
    except OSError:
        return 0
    return sum(int(words[1].rpartition(":")[2], 16) == port and words[3] not in (listening, time_wait) for words in lines)
