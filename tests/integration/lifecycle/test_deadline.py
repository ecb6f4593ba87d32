"""Whatever hangs at the end of a process, it ends in time: nothing waits for it, Apache kills nobody (AH00045)."""
import os
import signal

import pytest

from harness import processes
from harness.background import Background

APP = '''
import atexit, ctypes, os, threading, time
import mod_wsgi

FOLDER = {folder!r}


def note(name):
    with open(os.path.join(FOLDER, name), "a") as file:
        file.write("{{}}\\n".format(os.getpid()))


def hang(*arguments, **keywords):
    note("hanging")
    while True:
        time.sleep(0.05)


class Body:
    def __iter__(self):
        return iter([b"body"])

    def close(self):
        hang()


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/atexit":
        atexit.register(hang)
    elif path == "/subscriber":
        mod_wsgi.subscribe_shutdown(hang)
    elif path == "/event":
        mod_wsgi.subscribe_events(lambda name, **payload: name == "process_stopping" and hang())
    elif path == "/thread":
        threading.Thread(target=hang).start()
    start_response("200 OK", [("Content-Type", "text/plain")])
    if path == "/request":
        hang()
    if path == "/busy":
        note("hanging")
        while True:
            pass
    if path == "/c-call":
        note("hanging")
        while True:
            ctypes.CDLL(None).sleep(30)  # without the GIL
    return Body() if path == "/close" else [str(os.getpid()).encode("ascii")]
'''

IN_REQUEST = ["/request", "/busy", "/c-call", "/close"]
AT_END = ["/atexit", "/subscriber", "/event", "/thread"]
SHUTDOWN = 2


@pytest.fixture
def server(fresh_server, mode):
    server = fresh_server("hello.wsgi", mode=mode, children=1, daemon={"threads": 3, "shutdown-timeout": SHUTDOWN, "graceful-timeout": 1})
    server.write_app("hello.wsgi", APP.format(folder=str(server.data_folder())))
    return server


def begin(server, path):
    """Give the process in which something hangs, or will."""
    pid = int(server.client().get("/").text)
    if path in AT_END:
        assert server.client().get(path).status == 200
    else:
        Background(server.client().get, path)
        server.wait_until(lambda: (server.root / "data" / "hanging").exists(), 20, "the request to hang")
    server.log.allow("WSGI0146", "WSGI0119", "WSGI0174", "WSGI0264")
    return pid


@pytest.mark.parametrize("path", IN_REQUEST + AT_END)
def test_stop(server, path):
    """The harness fails when Apache has to kill a child, and when a process stays behind."""
    begin(server, path)
    server.stop()


@pytest.mark.parametrize("path", IN_REQUEST + AT_END)
def test_worker_is_replaced(fresh_server, path):
    server = fresh_server("hello.wsgi", mode="daemon", daemon={"threads": 3, "shutdown-timeout": SHUTDOWN})
    server.write_app("hello.wsgi", APP.format(folder=str(server.data_folder())))
    pid = begin(server, path)
    os.kill(pid, signal.SIGTERM)
    server.wait_until(lambda: not processes.alive(pid), 30, "the end of the worker")
    assert int(server.client().get("/").text) != pid
    assert not server.log.lines("killed|SIGKILL"), "it ended by itself"


def test_exit_functions_run_after_a_request_that_hangs(server, mode):
    """In the same time that the request was given, not after it."""
    path = server.root / "apps" / "hello.wsgi"
    server.write_app("hello.wsgi", path.read_text() + "\natexit.register(note, 'atexit')\n")
    begin(server, "/request")
    server.process.terminate()
    server.wait_until((server.root / "data" / "atexit").exists, 20, "the exit function")
