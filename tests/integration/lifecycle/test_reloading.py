"""Scripts that change: reloaded in the Apache child, by replacement of the worker in a daemon."""
import threading

import pytest

from harness import processes
from harness.background import Background, HeldRequests

VERSION = '''
import os

VERSION = "one"


def application(environ, start_response):
    body = "{} {}".format(VERSION, os.getpid()).encode("ascii")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
'''


@pytest.fixture
def server(fresh_server, mode):
    server = fresh_server(apps={"/process": "process.wsgi", "/echo": "echo.wsgi"}, mode=mode, children=1, daemon={"threads": 4},
                          config="WSGIScriptAlias / {root}/apps/version.wsgi\n"
                                 "<Location /fixed>\n  WSGIScriptReloading Off\n</Location>\n")
    server.write_app("version.wsgi", VERSION)
    return server


def version(server, path="/"):
    response = server.client().get(path)
    assert response.status == 200, response
    return response.text.split()[0]


def change(server, text):
    server.write_app("version.wsgi", VERSION.replace('"one"', '"{}"'.format(text)))


def test_new_code_serves_the_next_request(server):
    assert version(server) == "one"
    for text in ("two", "three", "four"):
        change(server, text)
        assert version(server) == text
        assert version(server) == text


def test_older_time_counts_as_a_change(server):
    import os
    assert version(server) == "one"
    change(server, "two")
    os.utime(str(server.root / "apps" / "version.wsgi"), (1_000_000_000, 1_000_000_000))
    assert version(server) == "two"


def test_touch_replaces_the_worker_or_reloads(server, mode):
    first = server.client().get("/").text.split()[1]
    server.touch_app("version.wsgi")
    second = server.client().get("/").text.split()[1]
    assert (first != second) is (mode == "daemon")


def test_script_that_is_removed(server):
    """Apache does not find it before anything else is looked at; when it is there again, it is served as it is then."""
    assert version(server) == "one"
    (server.root / "apps" / "version.wsgi").unlink()
    for path in ("/", "/further/down"):
        assert server.client().get(path).status == 404
    server.log.expect("WSGI0135")
    server.log.allow("WSGI0135")
    change(server, "two")
    assert version(server) == "two"


def test_reloading_can_be_switched_off(server):
    assert version(server, "/fixed") == "one"
    change(server, "two")
    assert version(server, "/fixed") == "one"
    assert version(server) == "two"


def test_broken_script_and_its_correction(server):
    assert version(server) == "one"
    for text in ("import a_module_that_does_not_exist\n", "def application(\n"):
        server.write_app("version.wsgi", text)
        for _ in range(2):
            assert server.client().get("/").status == 500
        change(server, "repaired")
        assert version(server) == "repaired"
    server.log.expect("WSGI0109")
    server.log.expect("WSGI0105")
    server.log.allow("WSGI0106", "WSGI0110", "WSGI0174", "WSGI0188", *["WSGI%04d" % number for number in range(250, 280)])


def test_body_of_a_request_that_finds_the_change_arrives(server):
    body = b"0123456789" * 300_000
    assert server.client().post("/echo", b"x").body == b"x"
    server.touch_app("echo.wsgi")
    assert server.client().post("/echo", body).body == body


def test_reload_required(server):
    """The hook of the script decides as well; it gets the path of the resource."""
    text = VERSION + '''

import os


def reload_required(resource):
    return os.path.basename(resource) == "version.wsgi" and os.path.exists(os.path.dirname(resource) + "/reload-now")
'''
    server.write_app("version.wsgi", text.replace('"one"', '"hooked"'))
    assert version(server) == "hooked"
    loaded = len(server.log.lines("(?i)load.*version.wsgi"))
    server.client().get("/")
    assert len(server.log.lines("(?i)load.*version.wsgi")) == loaded
    (server.root / "apps" / "reload-now").touch()
    assert version(server) == "hooked"
    (server.root / "apps" / "reload-now").unlink()
    server.wait_until(lambda: len(server.log.lines("(?i)load.*version.wsgi")) > loaded, 10, "the script to be loaded again")


def test_mtime_zero_forces_a_reload(server):
    server.write_app("version.wsgi", VERSION.replace('"one"', '"one"\nloads = "loaded"') + '''

import json
_inner = application


def application(environ, start_response):
    global __mtime__
    if environ["PATH_INFO"] == "/forget":
        __mtime__ = 0
    return _inner(environ, start_response)
''')
    assert version(server) == "one"
    loaded = len(server.log.lines("(?i)load.*version.wsgi"))
    version(server, "/forget")
    version(server)
    server.wait_until(lambda: len(server.log.lines("(?i)load.*version.wsgi")) > loaded, 10, "the script to be loaded again")


def test_module_facts(server):
    answer = server.client().get("/process").json()
    path = str(server.root / "apps" / "process.wsgi")
    import hashlib
    assert answer["name"] == "_mod_wsgi_" + hashlib.md5(path.encode()).hexdigest()
    assert answer["file"] == path
    assert answer["mtime"] == (server.root / "apps" / "process.wsgi").stat().st_mtime_ns // 1000
    assert answer["name"] in answer["interpreter_modules"]


class TestUnderLoad:
    """Daemon mode: a change costs nobody an error, and nobody sees old code after new code."""

    @pytest.fixture
    def server(self, fresh_server):
        server = fresh_server(mode="daemon", daemon={"threads": 5, "processes": 2, "shutdown-timeout": 20},
                              apps={"/process": "process.wsgi"}, config="WSGIScriptAlias / {root}/apps/version.wsgi\n")
        server.write_app("version.wsgi", VERSION)
        return server

    def test_all_requests_succeed(self, server):
        stop = threading.Event()

        def work():
            seen = []
            while not stop.is_set():
                response = server.client().get("/")
                seen.append((response.status, response.text.split()[0]))
            return seen

        workers = [Background(work) for _ in range(4)]
        version(server)
        for text in ("two", "three", "four"):
            change(server, text)
            # Another client may have found the change first; until its worker is ready the rest sees the old code.
            server.wait_until(lambda: version(server) == text, 20, "the new code")
        stop.set()
        for worker in workers:
            seen = worker.result()
            assert {status for status, _ in seen} == {200}
            order = [text for index, (_, text) in enumerate(seen) if index == 0 or seen[index - 1][1] != text]
            assert order == [text for text in ("one", "two", "three", "four") if text in order], order

    def test_old_worker_goes_on_when_wanted(self, fresh_server):
        server = fresh_server(mode="daemon", daemon={"threads": 3, "reload-fallback": "old"},
                              config="WSGIScriptAlias / {root}/apps/version.wsgi\n")
        server.write_app("version.wsgi", VERSION)
        assert version(server) == "one"
        server.write_app("version.wsgi", "import a_module_that_does_not_exist\n")
        assert [version(server) for _ in range(3)] == ["one"] * 3
        assert server.log.lines("wsgi:error")
        server.log.allow(*["WSGI%04d" % number for number in range(105, 111)], "WSGI0174", "WSGI0188",
                         *["WSGI%04d" % number for number in range(250, 280)])
        change(server, "repaired")
        assert version(server) == "repaired"

    def test_running_request_finishes_in_the_old_worker(self, server):
        held, = HeldRequests(server, prefix="/process").start()
        old = held.wait_running()
        server.touch_app("process.wsgi")
        answer = server.client().get("/process").json()
        assert answer["pid"] != old
        assert held.release().json()["pid"] == old
        server.wait_until(lambda: not processes.alive(old), 30, "the end of the old worker")
