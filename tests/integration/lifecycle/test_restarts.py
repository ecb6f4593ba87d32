"""Restarts and stops of Apache."""
import http.client
import os
import signal
import threading

import pytest

from harness import processes
from harness.background import Background, HeldRequests


@pytest.fixture
def server(fresh_server, mode):
    return fresh_server("process.wsgi", mode=mode, daemon={"threads": 5, "graceful-timeout": 60})


def test_graceful_restart_brings_new_configuration(server, mode):
    assert server.client().get("/").json()["threads_per_process"] > 0
    before = server.client().get("/").json()["pid"]
    server.site.daemon = {"threads": 7}
    server.site.config = "SetEnv NEW yes\n"
    server.graceful()
    server.wait_until(lambda: server.client().get("/").json()["pid"] != before, 20, "the new generation")
    if mode == "daemon":
        server.wait_until(lambda: server.client().get("/").json()["threads_per_process"] == 7, 20, "the new size")
    server.wait_until(lambda: not processes.alive(before), 30, "the end of the old process")


def test_graceful_restart_under_load_loses_nothing(server):
    stop = threading.Event()

    def work():
        statuses = []
        while not stop.is_set():
            statuses.append(server.client().get("/").status)
        return statuses

    workers = [Background(work) for _ in range(6)]
    for _ in range(4):
        server.graceful()
        assert server.client().get("/").status == 200
    stop.set()
    statuses = [status for worker in workers for status in worker.result()]
    assert len(statuses) > 10
    assert set(statuses) == {200}


def test_graceful_restart_lets_a_request_finish(server):
    held, = HeldRequests(server).start()
    old = held.wait_running()
    server.graceful()
    server.wait_until(lambda: server.client().get("/").json()["pid"] != old, 20, "the new generation")
    assert held.release().json()["pid"] == old
    server.wait_until(lambda: not processes.alive(old), 30, "the end of the old process")


def test_keep_alive_connection_survives_a_graceful_restart(fresh_server):
    """The old child that holds the connection can still reach the group."""
    server = fresh_server("process.wsgi", mode="daemon", daemon={"threads": 2}, config="KeepAliveTimeout 60\n")
    with server.client().connection() as connection:
        assert connection.get("/").status == 200
        server.graceful()
        try:
            status = connection.get("/").status
        except (ConnectionError, http.client.RemoteDisconnected): # Apache may close a connection that is idle
            pass
        else:
            assert status == 200
    assert server.client().get("/").status == 200


def test_hard_restart(server):
    before = server.client().get("/").json()["pid"]
    server.restart()
    assert server.client().get("/").json()["pid"] != before
    server.wait_until(lambda: not processes.alive(before), 20, "the end of the old process")


def test_repeated_graceful_restarts_leave_nothing(fresh_server):
    server = fresh_server("process.wsgi", mode="daemon", daemon={"threads": 1})
    assert server.client().get("/").status == 200
    server.graceful()
    server.wait_until(lambda: len(server.daemon_pids()) == 1, 30, "one worker only")
    descriptors = processes.descriptors(server.pid)
    for _ in range(10):
        server.graceful()
    assert server.client().get("/").status == 200
    server.wait_until(lambda: len(server.daemon_pids()) == 1, 30, "one worker only")
    server.wait_until(lambda: processes.descriptors(server.pid) <= descriptors, 20, "descriptors of the parent to be closed")
    assert len(server.request_sockets()) == 1


def test_group_that_is_removed_ends(fresh_server):
    server = fresh_server("process.wsgi", mode="daemon", daemon={"threads": 1},
                          before="WSGIDaemonProcess second threads=1\n<Location /second>\nWSGIProcessGroup second\n</Location>\n")
    server.wait_until(lambda: len(server.daemon_pids()) == 2, 20, "a worker of each group")
    server.site.before = ""
    server.graceful()
    server.wait_until(lambda: len(server.daemon_pids()) == 1, 30, "the end of the removed group")
    assert server.client().get("/").status == 200
    server.wait_until(lambda: len(server.request_sockets()) == 1, 10, "its socket to go")


def test_group_that_is_added_starts(fresh_server):
    server = fresh_server("process.wsgi", mode="embedded")
    server.site.mode = "daemon"
    server.graceful()
    server.wait_until(lambda: server.client().get("/").json()["process_group"] == "site", 20, "the group")


def test_graceful_stop(server):
    held, = HeldRequests(server).start()
    server.signal(signal.SIGWINCH)
    server.log.wait_for("AH00492|caught SIGWINCH")
    assert held.release().status == 200
    server.process.wait(30)


def test_stop_with_running_requests_leaves_nothing(fresh_server, mode):
    """Checked when the fixture stops the server: no process, no socket, no process that Apache had to kill."""
    server = fresh_server("process.wsgi", mode=mode, daemon={"threads": 5, "shutdown-timeout": 1})
    held, = HeldRequests(server).start()
    os.kill(server.pid, signal.SIGTERM)
    try:
        status = held.result().status
    except (OSError, http.client.HTTPException):
        status = None # the child that carried it was ended
    assert status in (None, 502)
    server.process.wait(30)
    server.log.allow("WSGI0146", "WSGI0119", "WSGI0147", "WSGI0174")
    held.gate.touch()
