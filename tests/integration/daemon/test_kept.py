"""Connections from Apache's children that outlive a request, where a group has one process."""
import os
import signal
import sys
import threading

import pytest

from harness import processes
from harness.background import Background

SUPERVISION = ["WSGI{:04}".format(number) for number in range(250, 280)] # messages of the parent and of keepers

REUSED = "Using a connection kept for daemon process group"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="each request has a connection here")


@pytest.fixture
def start(fresh_server):
    """``start(threads=1)``: a server with one Apache child, for one test."""

    def make(config="", wsgi_level="info", **options):
        return fresh_server("connections.wsgi", mode="daemon", config=config, children=1, wsgi_level=wsgi_level,
                            daemon={name.replace("_", "-"): value for name, value in options.items()})

    return make


def kill(server, pid):
    """SIGKILL, and wait for the worker that comes after it."""
    server.log.allow(*SUPERVISION)
    os.kill(pid, signal.SIGKILL)
    server.wait_until(lambda: server.daemon_pids() - {pid}, 30, "a new worker")


class Load:
    """Requests that follow each other until the block ends: no body, a small one, one that nobody reads."""

    def __init__(self, server, clients=4):
        self.server = server
        self.stopped = threading.Event()
        self.workers = [Background(self.run) for _ in range(clients)]

    def run(self):
        seen = []
        while not self.stopped.is_set():
            client = self.server.client()
            seen += [(client.get("/"), 0), (client.post("/", b"x" * 1000), 1000), (client.post("/unread", b"y" * 1000), 0)]
        return seen

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.stopped.set()

    def check(self):
        """All answers were right. @return the processes that gave them"""
        answers = [answer for worker in self.workers for answer in worker.result()]
        assert {response.status for response, _ in answers} == {200}
        assert [response.json()["length"] for response, _ in answers] == [length for _, length in answers]
        return {response.json()["pid"] for response, _ in answers}


def test_request_after_request_over_one_connection(start):
    server = start(threads=2)
    answers = [server.client().get("/").json() for _ in range(10)]
    answers += [server.client().post("/", b"body").json() for _ in range(10)]
    assert all(len(answer["connections"]) == 1 for answer in answers)
    assert len({answer["connections"][0] for answer in answers}) == 1
    assert {(answer["connects"], answer["restarts"]) for answer in answers} == {("1", "0")}


def test_several_processes_get_a_connection_for_each_request(start):
    server = start(threads=2, processes=2)
    answers = [server.client().get("/").json() for _ in range(10)]
    assert all(len(answer["connections"]) == 1 for answer in answers)
    assert len({answer["connections"][0] for answer in answers}) == 10


def test_death_of_an_idle_process_is_not_noticed(start):
    server = start(threads=2)
    first = server.client().get("/").json()
    kill(server, first["pid"])
    second = server.client().get("/").json()
    assert second["pid"] != first["pid"]
    assert (second["connects"], second["restarts"]) == ("2", "0")


@pytest.mark.parametrize("body", [None, b"x" * 5000], ids=["GET", "POST"])
def test_unread_request_survives_the_process(start, body):
    """It waits on a connection of the process that dies, and is run once, by the next one."""
    server = start(threads=1, wsgi_level="trace1")
    folder = server.data_folder("noted")
    (folder / "queued").touch()
    with server.client().connection() as connection:
        # The only thread has answered, but is not done; the next request of this client finds the connection kept.
        first = connection.get("/linger?until=%s" % (folder / "never")).json()
        before = server.log.all().count(REUSED)
        queued = Background(connection.request, "POST" if body else "GET", "/wait?name=queued&folder=%s" % folder, body=body)
        server.wait_until(lambda: server.log.all().count(REUSED) > before, 20, "the second request")
        kill(server, first["pid"])
        answer = queued.result().json()
    assert answer["pid"] != first["pid"]
    assert answer["length"] == len(body or b"")
    assert (answer["connects"], answer["restarts"]) == ("2", "0")
    assert (folder / "running-queued").read_text().split() == [str(answer["pid"])]


def test_load_does_not_notice_what_happens_to_processes(start):
    """They are replaced for a restart, a changed script, and, in between, the number of their requests."""
    server = start(threads=3, maximum_requests=50)

    def current():
        return server.client().get("/").json()["pid"]

    with Load(server) as load:
        for event in 3 * [server.graceful, lambda: server.touch_app("connections.wsgi"), lambda: None]:
            before = current()
            event()
            server.wait_until(lambda: current() != before, 30, "another process")
    assert len(load.check()) >= 9


def test_number_of_processes_may_change(start):
    """From connections that are kept to those that are not and back."""
    server = start(threads=3)
    with Load(server) as load:
        for processes_wanted in (2, 1, 3, 1):
            server.site.daemon["processes"] = processes_wanted
            server.graceful()
            server.wait_until(lambda: len(server.daemon_pids()) == processes_wanted, 30, "%d processes" % processes_wanted)
    load.check()


def test_application_that_goes_on_after_its_response(start):
    """Its connection is free for the next request, which another thread serves."""
    server = start(threads=3)
    until = server.data_folder("lingering") / "end"
    answers = [server.client().get("/linger?until=%s" % until).json() for _ in range(2)]
    answers += [server.client().get("/").json() for _ in range(3)]
    assert len({tuple(answer["connections"]) for answer in answers}) == 1
    until.touch()


def test_client_that_leaves(start):
    """Its response is not taken for that of the next one."""
    server = start(threads=2)
    for _ in range(3):
        with server.client().raw() as raw:
            raw.get("/stream")
            assert raw.receive_until(b"xxxx").startswith(b"HTTP/1.1 200 ")
        assert [server.client().post("/", b"abc").json()["length"] for _ in range(3)] == [3] * 3
    server.log.allow("WSGI0118", "WSGI0120")


@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
def test_large_body(start, is_chunked):
    """Uploads have connections of their own."""
    server = start(threads=2, config="WSGIChunkedRequest On\n")
    body = b"z" * 300000
    for path, length in (("/", len(body)), ("/unread", 0)):
        for _ in range(3):
            assert server.client().post(path, [body[:100000], body[100000:]] if is_chunked else body).json()["length"] == length
            assert server.client().get("/").json()["length"] == 0


def test_forked_process_holds_no_connection(start):
    """One that an application made lives on when its parent dies: nobody waits for an answer from it."""
    server = start(threads=2)
    until = server.data_folder("forked") / "end"
    first = server.client().get("/fork?until=%s" % until).json()
    server.client().get("/")
    kill(server, first["pid"])
    assert Background(server.client().get, "/").result(20).json()["pid"] != first["pid"]
    assert processes.alive(first["child"])
    until.touch()
    server.wait_until(lambda: not processes.alive(first["child"]), 20, "the end of the forked process")


def test_kept_connections_do_not_delay_the_end(start):
    server = start(threads=2, graceful_timeout=300, shutdown_timeout=300)
    pid = server.client().get("/").json()["pid"]
    server.graceful()
    server.wait_until(lambda: not processes.alive(pid), 20, "the end of the old process")
    assert server.client().get("/").json()["pid"] != pid
