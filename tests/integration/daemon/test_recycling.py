"""Limits and signals that make the group replace a worker."""
import os
import signal
import time

import pytest

from harness import processes
from harness.background import Background, HeldRequests


def pid_of(server):
    return server.client().get("/").json()["pid"]


def gone(server, pid, seconds=30):
    server.wait_until(lambda: not processes.alive(pid), seconds, "the end of process {}".format(pid))


def test_maximum_requests(daemon):
    server = daemon(maximum_requests=3, threads=2)
    first = pid_of(server)
    assert [server.client().get("/").status for _ in range(12)] == [200] * 12
    gone(server, first)
    assert pid_of(server) != first


def test_maximum_requests_under_load_loses_none(daemon):
    server = daemon(maximum_requests=20, threads=3, processes=2)
    workers = [Background(lambda: [server.client().get("/").status for _ in range(60)]) for _ in range(4)]
    statuses = [status for worker in workers for status in worker.result(60)]
    assert statuses == [200] * 240


def test_restart_interval(daemon):
    server = daemon(restart_interval=1)
    first = pid_of(server)
    gone(server, first)
    assert pid_of(server) != first


def test_inactivity_timeout(daemon):
    server = daemon(inactivity_timeout=1)
    first = pid_of(server)
    gone(server, first)
    assert pid_of(server) != first


def test_request_timeout_without_interruption(daemon):
    server = daemon(threads=1, request_timeout=1, graceful_timeout=1, shutdown_timeout=1)
    held, = HeldRequests(server).start()
    pid = held.wait_running()
    assert held.result().status in (502, 504)
    server.log.allow("WSGI0146")
    gone(server, pid)
    assert pid_of(server) != pid


def test_interrupt_timeout(daemon):
    """The exception reaches the application, and the process goes on."""
    server = daemon(threads=1, request_timeout=1, interrupt_timeout=20)
    held, = HeldRequests(server).start()
    pid = held.wait_running()
    assert held.result().status == 504
    assert pid_of(server) == pid


def test_deadlock_timeout(daemon):
    server = daemon(threads=2, deadlock_timeout=1, shutdown_timeout=1)
    pid = pid_of(server)
    stuck = Background(server.client().get, "/hold-gil")
    gone(server, pid, 25)
    assert stuck.result().status == 502
    server.log.expect("WSGI0146")
    server.log.allow("WSGI0264")
    assert pid_of(server) != pid


def test_cpu_time_limit(daemon):
    server = daemon(threads=2, cpu_time_limit=1, graceful_timeout=1, shutdown_timeout=1)
    pid = pid_of(server)
    spinning = Background(server.client().get, "/spin")
    gone(server, pid, 40)
    assert spinning.result().status == 502
    server.log.expect("WSGI0146")
    assert pid_of(server) != pid


def test_startup_timeout(daemon):
    server = daemon(app="broken_import.wsgi", startup_timeout=1)
    server.wait_until(lambda: len(server.daemon_pids()) == 1, 20, "the worker")
    pid, = server.daemon_pids()
    assert server.client().get("/").status == 500
    server.log.expect("WSGI0109")
    server.log.allow("WSGI0174", "WSGI0188")
    gone(server, pid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_signal_replaces_the_worker(daemon, number):
    server = daemon(threads=2)
    pid = pid_of(server)
    os.kill(pid, number)
    gone(server, pid)
    assert pid_of(server) != pid


def test_sigusr1_lets_requests_finish(daemon):
    server = daemon(threads=2, graceful_timeout=60)
    held, = HeldRequests(server).start()
    pid = held.wait_running()
    os.kill(pid, signal.SIGUSR1)
    server.wait_until(lambda: server.daemon_pids() - {pid}, 30, "the replacement")
    assert held.release().status == 200
    gone(server, pid)


@pytest.mark.parametrize("options, number", [
    ({"graceful_timeout": 1, "shutdown_timeout": 1}, signal.SIGUSR1),
    ({"graceful_timeout": 60, "eviction_timeout": 1, "shutdown_timeout": 1}, signal.SIGUSR1),
    ({"shutdown_timeout": 1}, signal.SIGTERM),
])
def test_draining_ends_with_its_timeout(daemon, options, number):
    server = daemon(threads=2, **options)
    held, = HeldRequests(server).start()
    pid = held.wait_running()
    os.kill(pid, number)
    assert held.result().status == 502
    server.log.expect("WSGI0146")
    gone(server, pid)


def test_sighup_and_sigusr2_do_not_end_a_worker(daemon):
    server = daemon()
    pid = pid_of(server)
    for number in (signal.SIGHUP, signal.SIGUSR2, signal.SIGPIPE):
        os.kill(pid, number)
    assert pid_of(server) == pid


def test_deadlock_timeout_zero_leaves_the_other_timers(daemon):
    server = daemon(deadlock_timeout=0, restart_interval=1)
    gone(server, pid_of(server))


def test_startup_timeout_does_not_count_the_time_of_a_request(daemon):
    """The script is loaded; how long its first request takes is not for this timer."""
    server = daemon(startup_timeout=1)
    held, = HeldRequests(server).start()
    pid = held.wait_running()
    time.sleep(2.5)
    assert held.release().json()["pid"] == pid
    assert pid_of(server) == pid
