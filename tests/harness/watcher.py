"""Watch from outside what the processes of a server are, for as long as it runs."""
import os
import threading
from typing import Dict, List, NamedTuple, Set, Tuple

from harness import processes


class Sighting(NamedTuple):
    """What a process was at one moment. Ids are real, effective, saved, file system."""

    pid: int
    parent: int
    uids: Tuple[int, ...]
    gids: Tuple[int, ...]
    groups: Tuple[int, ...]
    capabilities: Tuple[int, ...] # permitted, effective
    runs_python: bool


def look(pid: int):
    """A sighting of one process, None when it is gone. Python first: who has it loaded has changed identity before."""
    runs_python = b"wsgi_bridge." in processes.read_file(pid, "maps") # loaded with Python, by nobody else
    fields: Dict[str, List[str]] = {}
    for line in processes.read_file(pid, "status").decode("utf-8", "replace").splitlines():
        name, _, rest = line.partition(":")
        fields[name] = rest.split()
    if "CapEff" not in fields:
        return None
    numbers = {name: tuple(map(int, fields[name])) for name in ("Uid", "Gid", "Groups")}
    capabilities = tuple(int(fields[name][0], 16) for name in ("CapPrm", "CapEff"))
    return Sighting(pid, int(fields["PPid"][0]), numbers["Uid"], numbers["Gid"], numbers["Groups"], capabilities, runs_python)


class Watcher:
    """Looks at all processes of a server over and over, from a thread, and keeps every state it sees.

    Args:
        mark: root folder of the server; see :mod:`harness.processes`.
    """

    def __init__(self, mark: str):
        self.mark = "{}={}".format(processes.MARK, mark).encode()
        self.known: Dict[int, bool] = {} # whether a pid belongs to the server; a pid is not used twice so soon
        self.seen: Set[Sighting] = set()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        self.ended.set()
        self.thread.join()

    def watch(self) -> None:
        while not self.ended.is_set():
            self.look_around()
            self.ended.wait(0.002)

    def belongs(self, pid: int) -> bool:
        if pid not in self.known:
            environ = processes.read_file(pid, "environ")
            if not environ:
                return False # just made, or about to go: it is looked at again
            self.known[pid] = self.mark in environ.split(b"\0")
        return self.known[pid]

    def look_around(self) -> None:
        for name in os.listdir("/proc"):
            if name.isdigit() and self.belongs(int(name)):
                sighting = look(int(name))
                if sighting is not None:
                    self.seen.add(sighting)

    def with_python(self) -> Set[Sighting]:
        """All states in which a process had Python loaded."""
        return {sighting for sighting in self.seen if sighting.runs_python}
