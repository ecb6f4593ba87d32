"""How workers are replaced: one after the other, before or after their replacement, the largest first; and how many there are."""
import os
import re
import signal
import threading
import time
from pathlib import Path

import pytest

from harness import processes
from harness.background import Background, HeldRequests


def pid_of(server):
    return server.client().get("/").json()["pid"]


class Census:
    """Counts the workers of a server until it is asked for the most and the fewest that it saw."""

    def __init__(self, server):
        self.counts = []
        self.server = server
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.done.is_set():
            self.counts.append(len(self.server.daemon_pids()))
            time.sleep(0.005)

    def result(self):
        self.done.set()
        self.thread.join(20)
        return min(self.counts), max(self.counts)


def replaced(server, before):
    server.wait_until(lambda: len(server.daemon_pids()) == len(before) and server.daemon_pids().isdisjoint(before), 60,
                      "all of {} to be replaced by as many".format(before))


def all_workers(server, count):
    return server.wait_until(lambda: len(server.daemon_pids()) == count and server.daemon_pids(), 30, "{} workers".format(count))


def test_one_after_the_other(daemon):
    server = daemon(processes=4, threads=2)
    before = all_workers(server, 4)
    pid_of(server)
    census = Census(server)
    for pid in before:
        os.kill(pid, signal.SIGUSR1)
    replaced(server, before)
    fewest, most = census.result()
    assert fewest >= 4
    assert most <= 6 # a replacement, and a retired process that is about to end


def test_stop_first(daemon):
    server = daemon(processes=3, threads=2, replace="stop-first")
    before = all_workers(server, 3)
    pid_of(server)
    census = Census(server)
    for pid in before:
        os.kill(pid, signal.SIGUSR1)
    replaced(server, before)
    assert census.result()[1] == 3 # the moment with one less may be too short to be seen


def test_stop_first_with_one_process_and_a_changed_script(daemon):
    """The request that finds the change waits until the old process has ended and the new one is there."""
    server = daemon(threads=2, replace="stop-first")
    first = pid_of(server)
    census = Census(server)
    server.edit_app("process.wsgi", "totals = {", "version = 2\ntotals = {")
    second = pid_of(server)
    assert second != first
    assert census.result()[1] == 1


def test_stop_first_lets_requests_finish(daemon):
    server = daemon(threads=2, replace="stop-first", graceful_timeout=60)
    held, = HeldRequests(server).start()
    pid = held.wait_running()
    os.kill(pid, signal.SIGUSR1)
    server.log.wait_for("retires \\(graceful_signal\\)")
    later = Background(server.client().get, "/") # waits for the one that starts when this one has ended
    assert held.release().json()["pid"] == pid
    assert later.result().json()["pid"] != pid


def test_maximum_rss(daemon):
    server = daemon(processes=2, threads=1, maximum_rss=150 << 20)
    before = all_workers(server, 2)
    census = Census(server)
    leaky = server.client().get("/leak?bytes={}".format(200 << 20)).json()["pid"]
    server.wait_until(lambda: not processes.alive(leaky), 30, "the end of the leaky process")
    server.log.wait_for("Process {} of .* uses .* maximum-rss is {}".format(leaky, 150 << 20))
    assert before - {leaky} <= server.daemon_pids()
    assert census.result()[1] == 3 # the moment with one less may be too short to be seen


def test_growing_process_is_replaced_before_it_reaches_the_limit(daemon):
    """As long before as its replacement takes to load."""
    server = daemon(threads=1, maximum_rss=150 << 20)
    text = (server.root / "apps" / "process.wsgi").read_text()
    server.write_app("process.wsgi", text.replace("totals = {", "time.sleep(1)\ntotals = {"))

    def replaced_early():
        server.client().get("/leak?bytes={}".format(400000)) # 20 MB a second, if the machine is fast enough
        return any(int(line.group(1)) < int(line.group(2)) and int(line.group(2)) == 150 << 20 for line in re.finditer(
            r"uses (\d+) bytes of memory and \d+ more every second, maximum-rss is (\d+);", server.log.text()))

    server.wait_until(replaced_early, 60, "a process to be replaced before it has reached the limit")


@pytest.mark.plain_memory
def test_growth_that_ends_replaces_nothing(daemon):
    server = daemon(threads=1, maximum_rss=600 << 20)
    pid = pid_of(server)
    for _ in range(4): # as much as the process has left, were it to go on so
        server.client().get("/leak?bytes={}".format(100 << 20))
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        assert pid_of(server) == pid
    assert server.log.lines("maximum-rss is") == []


def test_largest_first(daemon):
    server = daemon(processes=2, threads=1, maximum_rss=150 << 20)
    all_workers(server, 2)
    held = HeldRequests(server).start(2)
    pids = [one.wait_running() for one in held]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP) # so that both have grown when the keeper looks
    keeper, = server.daemon_pids(keepers=True) - server.daemon_pids()
    os.kill(keeper, signal.SIGSTOP)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    for one in held:
        one.release()
    sizes = {}
    while len(sizes) < 2:
        answer = server.client().get("/leak?bytes={}".format((200 + 200 * len(sizes)) << 20)).json()
        sizes.setdefault(answer["pid"], 0)
        sizes[answer["pid"]] = int(Path("/proc/{}/statm".format(answer["pid"])).read_text().split()[1])
    os.kill(keeper, signal.SIGCONT)
    largest = max(sizes, key=sizes.get)
    assert "Process {} ".format(largest) in server.log.wait_for(r"Process \d+ of daemon process group 'site' uses").group()
    replaced(server, set(sizes))


def test_maximum_requests_jitter(daemon):
    server = daemon(threads=1, maximum_requests=5, maximum_requests_jitter=40)
    served, lifetimes = {}, set()
    while len(served) < 9:
        answer = server.client().get("/").json()
        served[answer["pid"]] = answer["requests"]
    lifetimes = set(list(served.values())[:-1])
    assert min(lifetimes) >= 5
    assert len(lifetimes) > 1 # the chance that eight draws of 41 are the same is nil


def test_restart_interval_jitter(daemon):
    server = daemon(processes=6, threads=1, restart_interval=1, restart_interval_jitter=4)
    before = all_workers(server, 6)
    replaced(server, before)
    births = [float(line.split("]")[0].split()[3].split(":")[-1]) for line in server.log.lines(r"asks to be replaced \(restart_interval\)")][:6]
    assert max(births) - min(births) > 0.2 or max(births) - min(births) < 0


def test_group_grows_with_its_load_and_loses_nothing(daemon):
    server = daemon(processes="1:4", threads=2)
    assert len(all_workers(server, 1)) == 1
    held = HeldRequests(server)
    waiting = []
    for workers in (2, 3, 4):
        waiting += held.start(2)
        all_workers(server, workers)
    waiting += held.start(2)
    more = [Background(server.client().get, "/") for _ in range(20)]
    assert len(server.daemon_pids()) == 4
    assert [one.release().status for one in waiting] == [200] * 8
    assert [one.result().status for one in more] == [200] * 20


def test_group_shrinks_when_it_is_idle(daemon):
    server = daemon(minimum_processes=1, maximum_processes=2, threads=1)
    held = HeldRequests(server).start(2)
    all_workers(server, 2)
    assert [one.release().status for one in held] == [200] * 2
    server.wait_until(lambda: len(server.daemon_pids()) == 1, 60, "the second process to go")
    server.log.wait_for("goes from 2 to 1 processes")
    assert server.client().get("/").status == 200
