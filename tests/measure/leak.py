"""An application that leaks 1 MB a request, under a steady load: failures, gaps, replacements and the most memory of a worker.

The load is an open loop: every request starts at its own time, whatever became of those before. Memory is read from /proc every
20 ms by a process of its own. The exit status is 1 when a request failed or a worker used over 110 % of maximum-rss.
"""
import argparse
import multiprocessing
import os
import sys
import threading
import time
from dataclasses import dataclass
from typing import List, Tuple

from common import make
from harness import processes
from harness.server import Server
from harness.waiting import wait_until

APP = '''
import time
time.sleep(%s)
kept = []

def application(environ, start_response):
    kept.append(b"x" * (1 << 20))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"kept"]
'''
MEBI = 1 << 20
TOLERANCE = 1.1


@dataclass
class Answer:
    """Times are monotonic, in seconds."""

    due: float
    started: float
    ended: float
    status: object # of HTTP, or the text of an error


class OpenLoop:
    """So many requests a second; senders enough that a slow answer keeps nobody from the next request."""

    def __init__(self, server: Server, rate: float, seconds: float, senders: int = 100):
        self.server, self.rate, self.count = server, rate, int(rate * seconds)
        self.next = 0
        self.answers: List[Answer] = []
        self.lock = threading.Lock()
        self.begin = time.monotonic() + 0.1
        self.threads = [threading.Thread(target=self.send, daemon=True) for _ in range(senders)]
        for thread in self.threads:
            thread.start()

    def take(self) -> int:
        with self.lock:
            self.next += 1
            return self.next - 1

    def send(self) -> None:
        number = self.take()
        while number < self.count:
            due = self.begin + number / self.rate
            time.sleep(max(0.0, due - time.monotonic()))
            started = time.monotonic()
            try:
                status = self.server.client().get("/").status
            except OSError as error:
                status = repr(error)
            self.answers.append(Answer(due, started, time.monotonic(), status))
            number = self.take()

    def result(self) -> List[Answer]:
        for thread in self.threads:
            thread.join()
        return self.answers


def watch(keeper: int, stop, result) -> None:
    """In a process of its own: the most memory of each worker until told to stop, and how often was looked."""
    page, most, looks, begin = os.sysconf("SC_PAGESIZE"), {}, 0, time.monotonic()
    while not stop.wait(0.02):
        looks += 1
        for pid in map(int, processes.read_file(keeper, "task/%d/children" % keeper).split()):
            words = processes.read_file(pid, "statm").split()
            if words:
                most[pid] = max(most.get(pid, 0), int(words[1]) * page)
    result.put((most, (time.monotonic() - begin) / max(looks, 1)))


def longest_gap(answers: List[Answer]) -> float:
    good = sorted(answer.ended for answer in answers if answer.status == 200)
    return max((later - earlier for earlier, later in zip(good, good[1:])), default=0.0)


def measure(given: argparse.Namespace) -> Tuple[List[Answer], dict, float]:
    """The answers, the most memory of each worker by pid, seconds between two looks at it"""
    server = make(apps={"/": "leak.wsgi"}, mode="daemon", children=8,
                  daemon={"processes": given.processes, "threads": given.threads, "maximum-rss": given.limit * MEBI})
    server.write_app("leak.wsgi", APP % given.import_seconds)
    stop, result = multiprocessing.Event(), multiprocessing.Queue()
    try:
        server.start()
        wait_until(lambda: len(server.daemon_pids()) == given.processes and server.client().get("/").status == 200, 60, "workers")
        keeper, = server.daemon_pids(keepers=True)
        watcher = multiprocessing.Process(target=watch, args=(keeper, stop, result), daemon=True)
        watcher.start()
        answers = OpenLoop(server, given.rate, given.seconds).result()
        stop.set()
        most, pause = result.get()
        watcher.join()
        server.stop()
        return answers, most, pause
    finally:
        server.destroy()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", nargs="?", type=float, default=180)
    parser.add_argument("--rate", type=float, default=100, help="requests, and so MB, per second")
    parser.add_argument("--limit", type=int, default=300, help="maximum-rss in MiB")
    parser.add_argument("--import", type=float, default=0, dest="import_seconds", help="seconds that the application takes to import")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--threads", type=int, default=5)
    given = parser.parse_args()
    answers, most, pause = measure(given)
    failures = [answer.status for answer in answers if answer.status != 200]
    share = max(most.values()) / (given.limit * MEBI)
    print("%d processes, import of %g s, %g requests/s for %g s, limit %d MiB"
          % (given.processes, given.import_seconds, given.rate, given.seconds, given.limit))
    print("requests %d, failures %d %s, started late by at most %.0f ms"
          % (len(answers), len(failures), sorted(set(map(str, failures))), 1000 * max(answer.started - answer.due for answer in answers)))
    print("longest answer %.0f ms after its time, longest gap between answers %.0f ms"
          % (1000 * max(answer.ended - answer.due for answer in answers), 1000 * longest_gap(answers)))
    replaced = [size / MEBI for size in list(most.values())[:-given.processes]] # the last ones still serve
    print("replacements %d, at %.0f to %.0f MiB; most memory of a worker %.1f %% of the limit (looked every %.0f ms)"
          % (len(replaced), min(replaced, default=0), max(replaced, default=0), 100 * share, 1000 * pause))
    return 1 if failures or share > TOLERANCE else 0


if __name__ == "__main__":
    sys.exit(main())
