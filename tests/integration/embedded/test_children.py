"""Python in the children of Apache, under each MPM."""
import os

import pytest

from harness import processes
from harness.background import Background, HeldRequests


@pytest.fixture(params=["event", "worker", "prefork"])
def server(request, fresh_server):
    return fresh_server("process.wsgi", apps={"/environ": "environ.wsgi", "/echo": "echo.wsgi"}, mpm=request.param, children=2)


def test_flags(server):
    answer = server.client().get("/").json()
    environ = server.client().get("/environ").json()["environ"]
    prefork = server.site.mpm == "prefork"
    assert environ["wsgi.multithread"] is not prefork
    assert environ["wsgi.multiprocess"] is True
    assert answer["threads_per_process"] == (1 if prefork else 20)
    assert answer["maximum_processes"] == (8 if prefork else 2)
    assert answer["process_group"] == ""


def test_requests_at_once(server):
    held = HeldRequests(server).start(4)
    answers = [one.release().json() for one in held]
    keys = {(answer["pid"], answer["thread"]) for answer in answers}
    assert len(keys) == 4


def test_concurrent_posts(server):
    def work(number):
        with server.client().connection() as connection:
            bodies = [os.urandom(1000 * (number + 1)) for _ in range(20)]
            return all(connection.post("/echo", body).body == body for body in bodies)

    workers = [Background(work, number) for number in range(6)]
    assert all(worker.result() for worker in workers)


def test_child_that_crashes_is_replaced(server):
    server.log.allow("an Apache child crashed", "corrupted process")
    assert server.client().get("/").status == 200
    with server.client().raw() as raw:
        raw.get("/die?how=SIGSEGV")
        assert raw.receive_all() == b""
    server.log.wait_for("AH0005[12]")
    assert server.client().get("/").status == 200


def test_child_that_ends_runs_no_further_request(fresh_server):
    server = fresh_server("process.wsgi", config="MaxConnectionsPerChild 5\n", children=2)
    pids = {server.client().get("/").json()["pid"] for _ in range(30)}
    assert len(pids) > 1


def test_python_that_cannot_start(fresh_server):
    server = fresh_server("hello.wsgi", before="WSGIPythonHome /nonexistent/python\n")
    assert server.client().get("/").status == 500
    server.log.expect("WSGI0210")
    server.log.expect("WSGI0001", "/nonexistent/python")
    server.log.allow("WSGI0297", "WSGI0036", "WSGI0100")
    assert server.client().get("/").status == 500 # the child lives on


def test_parent_never_loads_python(server):
    server.client().get("/")
    assert b"libpython" not in processes.read_file(server.pid, "maps")
    assert b"wsgi_bridge." not in processes.read_file(server.pid, "maps")
