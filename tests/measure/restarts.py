"""Answers while the application is restarted: graceful restarts, touched scripts, recycled and killed processes.

Eight clients ask without a pause for an application that takes 1 s to import and 20 ms to answer, each request over a
connection of its own. Printed: requests, failures, and the longest time in which nobody was answered; for this module and,
with --peer, for mod_wsgi 6.1.1 in the same run.
"""
import argparse
import os
import signal
import threading
import time
from pathlib import Path

import peer
from common import make
from harness.client import Client
from harness.server import Server
from harness.waiting import wait_until

APP = '''
import os, time
VERSION = 0
time.sleep(1)

def application(environ, start_response):
    query = environ["QUERY_STRING"]
    time.sleep(float(query) if query else 0.02)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("%d %d" % (VERSION, os.getpid())).encode()]
'''


class Load:
    """Clients in a closed loop; what they were answered, and when."""

    def __init__(self, server: Server, clients: int = 8):
        self.server = server
        self.done = threading.Event()
        self.answers = [] # (time, status, body or error)
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def run(self) -> None:
        client = self.server.client()
        while not self.done.is_set():
            try:
                response = client.get("/")
                self.answers.append((time.monotonic(), response.status, response.body))
            except OSError as error:
                self.answers.append((time.monotonic(), 0, repr(error)))

    def result(self):
        """Requests, failures by status, and the longest time between two good answers in seconds."""
        self.done.set()
        for thread in self.threads:
            thread.join(60)
        failures = {}
        for _, status, body in self.answers:
            if status != 200:
                failures[status or body] = failures.get(status or body, 0) + 1
        good = sorted(when for when, status, _ in self.answers if status == 200)
        gap = max(later - earlier for earlier, later in zip(good, good[1:]))
        return len(self.answers), failures, gap


def report(module: str, name: str, load: Load, more: str = "") -> None:
    requests, failures, gap = load.result()
    print("%-12s %-34s %6d requests, failures %s, longest gap %4.0f ms %s"
          % (module, name, requests, failures or 0, gap * 1000, more), flush=True)


def workers(server: Server, count: int = 1, without: int = 0):
    """Pids of the processes that run the application, by asking them: the peer's processes have other names.

    Args:
        count: go on until so many different ones have answered.
        without: not to be among them.
    """
    seen = set()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        answers = [server.client().get("/") for _ in range(8)]
        now = {int(answer.body.split()[1]) for answer in answers if answer.status == 200}
        seen = set() if without in now else seen | now
        if len(seen) >= count:
            return seen
    raise AssertionError("not {} processes: {}".format(count, seen))


def started(server: Server, **options):
    server.site.daemon = options
    server.start()
    workers(server, options["processes"]) # what is measured begins when all have loaded the application
    return server


def gracefuls(server: Server, count: int) -> str:
    for _ in range(count):
        before = workers(server)
        server.signal(signal.SIGUSR1)
        wait_until(lambda: workers(server).isdisjoint(before), 30, "new processes")
        time.sleep(0.5)
    return ""


def touches(server: Server, count: int) -> str:
    for number in range(count):
        server.edit_app("restarts.wsgi", "VERSION = %d" % number, "VERSION = %d" % (number + 1))
        wait_until(lambda: int(server.client().get("/").body.split()[0]) == number + 1, 30, "the new code")
        time.sleep(0.5)
    return ""


def recycles(server: Server, count: int) -> str:
    seen = workers(server)
    deadline = time.monotonic() + 60 + 3 * count
    while len(seen) <= count and time.monotonic() < deadline:
        seen |= workers(server)
    return "(%d processes)" % len(seen)


def kills(server: Server, count: int) -> str:
    alive = workers(server, 2)
    for number in range(count):
        victim = min(alive)
        os.kill(victim, signal.SIGKILL if number % 2 else signal.SIGSEGV)
        alive = workers(server, 2, without=victim)
    return "(8 requests are in progress at each)"


def long_request(module: str, make_server) -> None:
    """A request of 30 s begun before a graceful restart."""
    server = started(make_server(), processes=1, threads=8, **{"graceful-timeout": 60})
    answer = []
    version = server.client().get("/").body.split()
    thread = threading.Thread(target=lambda: answer.append(Client(server.port, 60).get("/?30")))
    thread.start()
    time.sleep(0.5)
    server.signal(signal.SIGUSR1)
    thread.join()
    same = answer[0].status == 200 and answer[0].body.split() == version
    print("%-12s %-34s status %d%s" % (module, "30 s request over a graceful", answer[0].status,
                                       ", by the process it began in" if same else ""), flush=True)
    end(server)


def end(server: Server) -> None:
    try:
        server.stop()
    except AssertionError: # the harness complains of the messages about killed processes
        pass
    server.destroy()


def measure(module: str, path: Path, counts: argparse.Namespace) -> None:
    def make_server():
        server = make(apps={"/": "restarts.wsgi"}, mode="daemon", config="GracefulShutdownTimeout 60\nTimeout 60\n", children=2)
        server.module = path
        server.write_app("restarts.wsgi", APP)
        return server

    for name, disturb, count, options in (
            ("graceful restarts", gracefuls, counts.gracefuls, {"processes": 1, "threads": 8}),
            ("touched script", touches, counts.touches, {"processes": 1, "threads": 8}),
            ("maximum-requests", recycles, counts.recycles, {"processes": 1, "threads": 8, "maximum-requests": 300}),
            ("killed, 2 processes", kills, counts.kills, {"processes": 2, "threads": 8})):
        if count == 0:
            continue
        server = started(make_server(), **options)
        load = Load(server)
        time.sleep(1)
        try:
            more = disturb(server, count)
        except AssertionError as error:
            more = "ended early: %s" % str(error).splitlines()[0]
        report(module, "%d x %s" % (count, name), load, more)
        end(server)
    if counts.long:
        long_request(module, make_server)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("gracefuls", 20), ("touches", 20), ("recycles", 50), ("kills", 50), ("long", 1)):
        parser.add_argument("--" + name, type=int, default=default)
    parser.add_argument("--peer", action="store_true", help="measure mod_wsgi 6.1.1 from PyPI as well")
    counts = parser.parse_args()
    measure("this module", make().module, counts)
    if counts.peer:
        measure("6.1.1", peer.shared_object(), counts)


if __name__ == "__main__":
    main()
