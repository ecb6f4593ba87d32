"""Workers that die: what the client gets, what the log says, and that nobody else notices."""
import os
import signal

import pytest

from harness import processes
from harness.background import HeldRequests

SUPERVISION = ["WSGI{:04}".format(number) for number in range(250, 280)] # messages of the parent and of keepers
CAUSES = [("SIGKILL", "SIGKILL|signal 9|Killed"), ("SIGSEGV", "SIGSEGV|signal 11|Segmentation"), ("SIGABRT", "SIGABRT|signal 6|Abort"),
          ("segv", "SIGSEGV|signal 11|Segmentation"), ("exit", r"status 7|code 7|\(7\)|exited.*\b7\b")]


@pytest.fixture
def server(fresh_server):
    return fresh_server("process.wsgi", mode="daemon", daemon={"threads": 3})


def allow_crash(server):
    """A crash leaves the Python stacks in the log (faulthandler), and the keeper says that the process died young."""
    server.log.allow("corrupted process", *SUPERVISION)


def replaced(server, before):
    """Wait for a worker that was not there before."""
    return server.wait_until(lambda: server.daemon_pids() - before, 30, "a new worker")


@pytest.mark.parametrize("how, cause", CAUSES)
def test_in_the_application(server, client, how, cause):
    allow_crash(server)
    before = {client.get("/").json()["pid"]}
    response = client.get("/die?how=" + how)
    assert response.status == 502
    line = server.log.expect("WSGI0146", cause)
    assert "site" in line and str(next(iter(before))) in line
    replaced(server, before)
    assert client.get("/").json()["pid"] not in before


def test_culprit_and_victims(server, client):
    """A fatal signal hits one thread; the requests of the others are lost with it, and their log lines say so."""
    allow_crash(server)
    held = HeldRequests(server).start(2)
    assert client.get("/die?how=segv").status == 502
    assert [one.result().status for one in held] == [502, 502]
    server.wait_until(lambda: len(server.log.lines("WSGI0146: ")) == 3, 10, "three messages")
    lines = server.log.lines("WSGI0146: ")
    assert sum("SIGSEGV) while it ran this request" in line for line in lines) == 1
    assert sum("SIGSEGV) because of another request in the same process" in line for line in lines) == 2
    server.log.expect("WSGI0146")
    server.log.wait_for("Fatal Python error: Segmentation fault")
    server.log.wait_for('File ".*process.wsgi", line [0-9]+ in die')


@pytest.mark.parametrize("how, cause", CAUSES)
def test_in_the_middle_of_the_body(server, client, how, cause):
    allow_crash(server)
    before = {client.get("/").json()["pid"]}
    response = client.get("/die-later?how=" + how)
    assert (response.status, response.body) == (200, b"first block\n" * 6000)
    assert response.truncated
    server.log.expect("WSGI0119", cause)
    replaced(server, before)
    assert client.get("/").status == 200


def test_small_block_before_the_end_is_not_lost(server, tmp_path):
    """It waits for others, though not for long."""
    allow_crash(server)
    with server.client().raw() as raw:
        raw.get("/die-later?how=SIGKILL&go=%s" % (tmp_path / "go"))
        assert raw.receive_until(b"first block\n").startswith(b"HTTP/1.1 200 ")
        (tmp_path / "go").touch()
        assert b"0\r\n\r\n" not in raw.receive_all()
    server.log.expect("WSGI0119")


def test_message_is_in_the_log_of_the_virtual_host(fresh_server):
    server = fresh_server("process.wsgi", mode="daemon", daemon={"threads": 1},
                          config="<VirtualHost *>\nServerName own.example.com\nErrorLog logs/own.log\n</VirtualHost>\n")
    allow_crash(server)
    assert server.client().get("/die?how=SIGKILL", host="own.example.com").status == 502
    server.wait_until(lambda: "WSGI0146" in (server.root / "logs" / "own.log").read_text(), 10, "the message")
    assert "WSGI0146" not in server.log.all()


def test_queued_request_is_served_by_the_replacement(fresh_server):
    """A request that no worker has picked up survives the death of the worker."""
    server = fresh_server("process.wsgi", mode="daemon", daemon={"threads": 1})
    requests = HeldRequests(server)
    held, = requests.start()
    queued = requests.send()
    old = held.wait_running()
    allow_crash(server)
    os.kill(old, signal.SIGKILL)
    assert held.result().status == 502
    server.log.expect("WSGI0146")
    assert queued.wait_running() != old
    assert queued.release().status == 200


def test_requests_that_were_picked_up_run_once(fresh_server):
    server = fresh_server("process.wsgi", mode="daemon", daemon={"threads": 4})
    held = HeldRequests(server).start(4)
    allow_crash(server)
    os.kill(held[0].wait_running(), signal.SIGKILL)
    assert [one.result().status for one in held] == [502] * 4
    server.log.expect("WSGI0146")
    answer = server.client().get("/").json()
    assert answer["requests"] == 1 # the new process has seen this request only


def test_other_workers_are_not_disturbed(fresh_server):
    server = fresh_server("process.wsgi", mode="daemon", daemon={"threads": 1, "processes": 2})
    server.wait_until(lambda: len(server.daemon_pids()) == 2, 20, "two processes")
    first, second = HeldRequests(server).start(2)
    assert first.wait_running() != second.wait_running()
    allow_crash(server)
    os.kill(first.wait_running(), signal.SIGKILL)
    assert first.result().status == 502
    assert second.release().status == 200
    server.log.expect("WSGI0146")


def test_keeper_is_replaced(fresh_server):
    server = fresh_server("process.wsgi", mode="daemon", daemon={"threads": 2})
    client = server.client()
    client.get("/")
    keeper, = server.daemon_pids(keepers=True)
    workers = server.daemon_pids()
    os.kill(keeper, signal.SIGKILL)
    server.wait_until(lambda: server.daemon_pids() and not server.daemon_pids() & workers, 30, "workers of a new keeper")
    assert client.get("/").status == 200
    server.log.allow(*SUPERVISION)
    server.wait_until(lambda: not any(processes.alive(pid) for pid in workers), 20, "the end of the old workers")


def test_nothing_survives_the_death_of_the_parent(fresh_server):
    server = fresh_server("process.wsgi", mode="daemon", daemon={"threads": 2, "processes": 2, "graceful-timeout": 2})
    assert server.client().get("/").status == 200
    server.wait_until(lambda: len(server.daemon_pids()) == 2, 20, "two processes")
    daemons = server.daemon_pids() | server.daemon_pids(keepers=True)
    children = processes.children(server.pid) - daemons
    os.kill(server.pid, signal.SIGKILL)
    server.process.wait()
    for pid in children: # Apache's own children outlive their parent; without them nobody can send a request
        if processes.alive(pid):
            os.kill(pid, signal.SIGKILL)
    server.wait_until(lambda: not server.processes(), 30, "the end of keeper and workers")
    for path in server.sockets():
        os.unlink(path)


def test_worker_that_cannot_be_started_backs_off(fresh_server):
    """A worker that dies while it starts is not forked again and again without pause."""
    server = fresh_server(mode="daemon", daemon={"threads": 1, "connect-timeout": 0, "socket-timeout": 1},
                          config="WSGIImportScript {root}/apps/dies_on_import.wsgi process-group=site application-group=%{GLOBAL}\n")
    server.log.wait_for(r"(?i)exit|died|status 9", 20)
    assert server.client().get("/static.txt").body == b"static\n"
    server.log.allow(*SUPERVISION)
    assert len(server.log.lines("imported once more")) < 50
