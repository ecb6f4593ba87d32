"""Graceful restarts in a row, each as soon as the one before is in force, with requests: how many failed, and what grew.

The server has groups of several kinds and embedded Python. After each restart the parent and the keepers are looked at: open
descriptors and how many of them are sockets, memory, threads, mappings, bytes of shared memory; and the server: processes, socket
files, shared segments. The exit status is 1 when a request failed, or a number at the end is above that after the first restarts
by more than a tenth.

Keys for thread data (pthread_key_create) of the parent are asked for with gdb: the C library gives the lowest key that is free,
so with so many keys lost it gives at least that number.
"""
import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from typing import Dict

from common import make
from harness import processes
from harness.server import Server
from harness.waiting import wait_until

SETTLED = 20 # restarts until Apache's pools have the size that they keep
GROUPS = """
WSGIDaemonProcess several processes=2 threads=5
WSGIDaemonProcess elastic processes=1:4 threads=2
WSGIDaemonProcess preloaded processes=2 threads=5 preload=On
WSGIDaemonProcess limited threads=2 maximum-rss=500000000
WSGIDaemonProcess service threads=0
WSGIImportScript {root}/apps/service.wsgi process-group=service application-group=%{GLOBAL}
"""
SERVICE = "import time\nwhile True:\n    time.sleep(60)\n"


def configuration(python_home: str) -> str:
    lines = GROUPS
    names = ["several", "elastic", "preloaded", "limited"]
    if python_home:
        lines += "WSGIDaemonProcess other threads=2 python-home={}\n".format(python_home)
        names.append("other")
    for name in names:
        lines += ("WSGIScriptAlias /{0} {{root}}/apps/hello.wsgi\n"
                  "<Location /{0}>\n  WSGIProcessGroup {0}\n</Location>\n").format(name)
    return lines


def ask(path: str) -> dict:
    """What a keeper says of its group; {} when there is none at the moment, or it goes."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(path)
            connection.sendall(b"status\n")
            with connection.makefile("rb") as answer:
                return json.loads(answer.readline() or b"{}")
    except OSError:
        return {}


def states(server: Server) -> Dict[str, dict]:
    """What each group says, by its name."""
    return {state["group"]: state for state in map(ask, map(str, server.root.glob("run/wsgi.*.ctl.sock"))) if state}


def in_force(server: Server, generation: int, groups: int) -> Dict[str, dict]:
    """The groups once all are of a generation and have a worker that is ready."""

    def found():
        now = states(server)
        good = [name for name, state in now.items() if state["generation"] >= generation
                and any(worker["state"] == "ready" for worker in state["workers"])]
        return len(good) == groups and now

    return wait_until(found, 60, "generation %d of %d groups" % (generation, groups))


def facts(pid: int) -> Dict[str, int]:
    """Numbers of one process; memory in KiB."""
    descriptors = []
    for name in os.listdir("/proc/%d/fd" % pid):
        try:
            descriptors.append(os.readlink("/proc/%d/fd/%s" % (pid, name)))
        except OSError:
            pass # closed meanwhile
    maps = processes.read_file(pid, "maps").decode("utf-8", "replace").splitlines()
    shared = [line for line in maps if line.split()[1][3] == "s"]
    size = sum(int(end, 16) - int(begin, 16) for begin, end in (line.split()[0].split("-") for line in shared))
    return {"descriptors": len(descriptors), "sockets": sum(link.startswith("socket:") for link in descriptors),
            "RSS": int(processes.status_field(pid, "VmRSS")[0]), "threads": int(processes.status_field(pid, "Threads")[0]),
            "mappings": len(maps), "shared KiB": size // 1024, "libpython": sum("libpython" in line for line in maps)}


def lowest_free_key(pid: int) -> int:
    """Of pthread_key_create in that process; -1 without gdb."""
    if shutil.which("gdb") is None:
        return -1
    commands = ["set $at = (unsigned int *)((void *(*)(unsigned long))malloc)(8)",
                "print ((int (*)(void *, void *))pthread_key_create)($at, 0)", "set $key = *$at",
                "print ((int (*)(unsigned int))pthread_key_delete)($key)", "call ((void (*)(void *))free)($at)", 'printf "key %u\\n", $key']
    words = [word for command in commands for word in ("-ex", command)]
    done = subprocess.run(["gdb", "-q", "-batch", "-p", str(pid), *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, check=False, timeout=120)
    found = re.search(r"^key (\d+)$", done.stdout, re.M)
    return int(found.group(1)) if found else -1


class Course:
    """The first number, the last and the largest of each kind, from when all is settled."""

    def __init__(self):
        self.numbers = {}

    def note(self, kind: str, value: int) -> None:
        first, _, most = self.numbers.get(kind, (value, value, value))
        self.numbers[kind] = (first, value, max(most, value))

    def note_server(self, server: Server, now: Dict[str, dict]) -> None:
        for name, value in facts(server.pid).items():
            self.note("parent: " + name, value)
        for group, state in sorted(now.items()):
            try:
                seen = facts(state["keeper"])
            except (OSError, IndexError):
                continue # it is gone already
            for name, value in seen.items():
                self.note("keeper of %s: %s" % (group, name), value)
        self.note("server: processes", len(server.processes()))
        self.note("server: socket files", len(server.sockets()))
        self.note("server: shared segments", len(processes.shared_segments({server.pid})))

    def show(self) -> None:
        for kind, (first, last, most) in sorted(self.numbers.items()):
            print("%-40s first %7d, last %7d, most %7d" % (kind, first, last, most))

    def grown(self) -> list:
        return [kind for kind, (first, last, _) in self.numbers.items() if last > first * 1.1 + 1]


def ask_all(server: Server, paths, statuses: Counter) -> float:
    """One request to each; the longest in seconds."""
    longest = 0.0
    for path in paths:
        before = time.monotonic()
        statuses[server.client().get(path).status] += 1
        longest = max(longest, time.monotonic() - before)
    return longest


def settle(server: Server) -> None:
    """Old generations end within a moment; groups may have grown and shrink again."""
    count = -1
    while count != len(server.processes()):
        count = len(server.processes())
        time.sleep(2)


def measure(given: argparse.Namespace) -> int:
    server = make(apps={"/": "hello.wsgi"}, mode="embedded", config=configuration(given.python_home), wsgi_level="warn", children=2)
    server.write_app("service.wsgi", SERVICE)
    paths = ["/", "/several", "/elastic", "/preloaded", "/limited"] + (["/other"] if given.python_home else [])
    course, statuses, longest, begin = Course(), Counter(), 0.0, time.monotonic()
    try:
        server.start()
        groups = len(paths) # all but the first, which is embedded, and the service
        now = in_force(server, 0, groups)
        base = min(state["generation"] for state in now.values())
        for i in range(1, given.count + 1):
            server.signal(signal.SIGUSR1)
            now = in_force(server, base + i, groups)
            longest = max(longest, ask_all(server, paths, statuses))
            if i == SETTLED or i == given.count:
                settle(server)
                course.note("parent: lowest free thread key", lowest_free_key(server.pid))
            if i >= SETTLED:
                course.note_server(server, states(server) if i in (SETTLED, given.count) else now)
            if i % 100 == 0:
                print("%d restarts, %.0f s" % (i, time.monotonic() - begin), flush=True)
        course.show()
        print("%d restarts in %.0f s; statuses: %s, longest request %.2f s" % (given.count, time.monotonic() - begin, dict(statuses), longest))
        server.stop()
    finally:
        server.destroy()
    if course.grown():
        print("grown: %s" % ", ".join(course.grown()))
    return 1 if course.grown() or set(statuses) != {200} else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", nargs="?", type=int, default=1000)
    parser.add_argument("--python-home", default="", help="another Python for one of the groups; its bridge lies beside the module")
    return measure(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
