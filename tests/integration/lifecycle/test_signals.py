"""Signals and what subscribers are told: in Apache children, in workers, in services, in each kind of interpreter."""
import os
import re
import signal

import pytest

from harness import processes

APP = '''
import json, os, signal
import mod_wsgi

FOLDER = {folder!r}


def note(name, text):
    path = os.path.join(FOLDER, "{{}}-{{}}".format(name, mod_wsgi.application_group or "main"))
    with open(path, "a") as file:
        file.write(text + "\\n")


@mod_wsgi.subscribe_events
def first(name, **payload):
    if name.startswith("process_"):
        note("events", json.dumps([name, payload]))
        return {{"added": "by the first"}}


@mod_wsgi.subscribe_events
def failing(name, **payload):
    if name.startswith("process_"):
        raise ValueError("subscriber")


@mod_wsgi.subscribe_signals
def told(name, **payload):
    note("signals", json.dumps([name, payload]))


@mod_wsgi.subscribe_shutdown
def ending(name, **payload):
    note("shutdown", json.dumps([name, payload]))


def application(environ, start_response):
    body = json.dumps({{"pid": os.getpid(), "callable": [callable(each) for each in (first, failing, told, ending)],
                       "lists": [len(mod_wsgi.event_callbacks), len(mod_wsgi.signal_callbacks), len(mod_wsgi.shutdown_callbacks)]}})
    start_response("200 OK", [("Content-Type", "application/json")])
    return [body.encode("ascii")]
'''

SERVICE = '''
import atexit, os, signal, sys, time
import mod_wsgi

FOLDER = {folder!r}


def note(name, text=""):
    with open(os.path.join(FOLDER, name), "a") as file:
        file.write("{{}} {{}}\\n".format(os.getpid(), text))


atexit.register(note, "atexit")
mod_wsgi.subscribe_shutdown(lambda name, **payload: note("shutdown"))
mod_wsgi.subscribe_signals(lambda name, **payload: note("signals"))
signal.signal(signal.SIGUSR2, lambda number, frame: note("handler"))
note("started")
try:
    while not os.path.exists(os.path.join(FOLDER, "return")):
        time.sleep(0.02)
except SystemExit:
    note("exit")
    raise
os.rename(os.path.join(FOLDER, "return"), os.path.join(FOLDER, "returned"))
'''


@pytest.fixture
def server(fresh_server, mode):
    server = fresh_server(mode=mode, children=1, daemon={"threads": 2, "shutdown-timeout": 3},
                          config="WSGIScriptAlias /named {root}/apps/hello.wsgi application-group=named\n"
                                 "WSGIScriptAlias / {root}/apps/hello.wsgi\n")
    server.write_app("hello.wsgi", APP.format(folder=str(server.data_folder())))
    return server


def notes(server, name):
    path = server.root / "data" / name
    return path.read_text().splitlines() if path.exists() else []


def test_functions_can_be_used_as_decorators(server, mode):
    server.log.allow("WSGI0112", "WSGI0174") # at its end
    for path in ("/", "/named"):
        answer = server.client().get(path).json()
        assert answer["callable"] == [True] * 4
        assert answer["lists"] == [2, 1 if mode == "daemon" else 0, 1]
    if mode == "embedded":
        assert server.log.lines("(?i)subscribe_signals|signal.*ignored"), "the callback is refused aloud"


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR2])
def test_signal_reaches_every_interpreter_of_a_worker(fresh_server, number):
    server = fresh_server(mode="daemon", daemon={"threads": 2},
                          config="WSGIScriptAlias /named {root}/apps/hello.wsgi application-group=named\n"
                                 "WSGIScriptAlias / {root}/apps/hello.wsgi\n")
    server.write_app("hello.wsgi", APP.format(folder=str(server.data_folder())))
    pid = server.client().get("/").json()["pid"]
    assert server.client().get("/named").json()["pid"] == pid
    os.kill(pid, number)
    for name in ("main", "named"):
        server.wait_until(lambda: notes(server, "signals-" + name), 20, "the subscriber in {}".format(name))
        line, = notes(server, "signals-" + name)
        assert line == '["process_signal", {{"signame": "{}", "signum": {}, "added": "by the first"}}]'.format(number.name, number.value)
        assert len(notes(server, "events-" + name)) == 1
    server.log.expect("WSGI0112", "process_signal")
    server.log.allow("WSGI0174")
    assert server.client().get("/").json()["pid"] == pid


def test_end_of_a_process(server, mode):
    """Event subscribers come before shutdown subscribers, what one returns is there for the next, failures stop nobody."""
    pid = server.client().get("/").json()["pid"]
    assert server.client().get("/named").json()["pid"] == pid
    if mode == "daemon":
        os.kill(pid, signal.SIGTERM)
    else:
        server.graceful()
    reason = "shutdown_signal" if mode == "daemon" else ""
    for name in ("main", "named"):
        server.wait_until(lambda: notes(server, "shutdown-" + name), 20, "the subscriber in {}".format(name))
        assert notes(server, "events-" + name) == ['["process_stopping", {{"shutdown_reason": "{}"}}]'.format(reason)]
        assert notes(server, "shutdown-" + name) == ['["process_stopping", {{"shutdown_reason": "{}", "added": "by the first"}}]'.format(reason)]
    server.log.expect("WSGI0112", "process_stopping")
    server.log.allow("WSGI0174")


class TestService:
    @pytest.fixture
    def service(self, fresh_server):
        server = fresh_server.site("hello.wsgi", mode="embedded", config=(
            "WSGIDaemonProcess service threads=0 shutdown-timeout=3\n"
            "WSGIImportScript {root}/apps/service.py process-group=service application-group=%{GLOBAL}\n"))
        server.write_app("service.py", SERVICE.format(folder=str(server.data_folder())))
        server.start()
        server.wait_until(lambda: notes(server, "started"), 20, "the service")
        return server

    @staticmethod
    def pid(server, count=1):
        server.wait_until(lambda: len(notes(server, "started")) >= count, 20, "start number {}".format(count))
        return int(notes(server, "started")[count - 1].split()[0])

    def test_sigterm_unwinds_the_script(self, service):
        """SystemExit is raised in it, silently; it is replaced."""
        pid = self.pid(service)
        os.kill(pid, signal.SIGTERM)
        second = self.pid(service, 2)
        assert second != pid
        service.wait_until(lambda: not processes.alive(pid), 20, "its end")
        assert [line.split()[0] for line in notes(service, "exit")] == [str(pid)]
        assert [line.split()[0] for line in notes(service, "atexit")] == [str(pid)]
        assert not notes(service, "shutdown")

    def test_script_that_ends_is_started_again(self, service):
        pid = self.pid(service)
        (service.root / "data" / "return").touch()
        assert self.pid(service, 2) != pid
        assert not notes(service, "exit")

    def test_own_handlers(self, service):
        """signal.signal is the real one there, and subscribers are never called."""
        pid = self.pid(service)
        os.kill(pid, signal.SIGUSR2)
        service.wait_until(lambda: notes(service, "handler"), 20, "its own handler")
        assert not notes(service, "signals")
        assert processes.alive(pid)


def test_service_that_ends_at_once_is_started_with_growing_pauses(fresh_server):
    """One line for each step, and no flood of processes."""
    server = fresh_server.site("hello.wsgi", mode="embedded", config=(
        "WSGIDaemonProcess service threads=0\nWSGIImportScript {root}/apps/service.py process-group=service application-group=%{GLOBAL}\n"))
    server.write_app("service.py", "raise SystemExit(3)\n")
    server.start()
    server.wait_until(lambda: len(server.log.lines("WSGI0252: ")) >= 4, 30, "four messages about pauses")
    pauses = [float(pause) for pause in re.findall(r"WSGI0252: .* started in ([0-9.]+) seconds", server.log.all())]
    assert pauses[:4] == [0.2, 0.4, 0.8, 1.6]
    starts = server.log.all().count("Starting a process of daemon process group 'service'")
    assert starts <= len(pauses) + 3
    server.log.allow("WSGI0252")
