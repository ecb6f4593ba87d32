"""The end of a process: subscribers, atexit functions, and what must not stand in their way."""
import os
import signal

import pytest

from harness.background import Background

APP = '''
import atexit, os, sys, threading, time
import mod_wsgi

FOLDER = {folder!r}


def note(name):
    with open(os.path.join(FOLDER, "{{}}-{{}}".format(name, mod_wsgi.application_group or "main")), "a") as file:
        file.write("{{}}\\n".format(os.getpid()))


atexit.register(note, "atexit")


@mod_wsgi.subscribe_shutdown
def stopping(name, **payload):
    note("{{}}-{{}}".format(name, payload["shutdown_reason"] or "none"))


def stay():
    while True:
        time.sleep(0.05)


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/thread":
        threading.Thread(target=stay).start()
    start_response("200 OK", [("Content-Type", "text/plain")])
    if path == "/busy":
        note("busy")
        while True:
            pass
    return [str(os.getpid()).encode("ascii")]
'''


@pytest.fixture
def server(fresh_server, mode):
    server = fresh_server.site(mode=mode, children=1, daemon={"threads": 3, "shutdown-timeout": 3, "graceful-timeout": 1},
                               config="WSGIScriptAlias /named {root}/apps/ending.wsgi application-group=named\n"
                                      "WSGIScriptAlias / {root}/apps/ending.wsgi\n")
    server.write_app("ending.wsgi", APP.format(folder=str(server.data_folder())))
    return server


def notes(server):
    return sorted(path.name for path in (server.root / "data").iterdir())


def end(server, mode):
    """End the process that ran the application, in an orderly way."""
    if mode == "daemon":
        pid = int(server.client().get("/").text)
        os.kill(pid, signal.SIGTERM)
    else:
        server.graceful()


@pytest.mark.parametrize("destroy", ["On", "Off"])
def test_exit_functions(server, mode, destroy):
    server.site.before = "WSGIDestroyInterpreter {}\n".format(destroy)
    server.start()
    for path in ("/", "/named"):
        assert server.client().get(path).status == 200
    end(server, mode)
    reason = "shutdown_signal" if mode == "daemon" else "none"
    expected = ["process_stopping-{}-{}".format(reason, name) for name in ("main", "named")]
    if destroy == "On":
        expected = ["atexit-main", "atexit-named"] + expected
    server.wait_until(lambda: set(expected) <= set(notes(server)), 20, "{} of {}".format(expected, notes(server)))
    assert ("atexit-main" in notes(server)) is (destroy == "On")


@pytest.mark.parametrize("path", ["/thread", "/busy"])
def test_code_that_cannot_be_interrupted(server, mode, path):
    """Exit functions run all the same, and the process ends by itself: Apache need not kill it (AH00045 fails the test)."""
    server.start()
    stuck = Background(server.client().get, path)
    if path == "/busy":
        server.wait_until(lambda: "busy-main" in notes(server), 10, "the loop")
    else:
        assert stuck.result().status == 200
    if mode == "daemon":
        pid, = server.daemon_pids()
        os.kill(pid, signal.SIGTERM)
    else:
        server.process.terminate()
    server.wait_until(lambda: "atexit-main" in notes(server), 20, "exit functions")
    server.log.allow("WSGI0146", "WSGI0119", "WSGI0174")
