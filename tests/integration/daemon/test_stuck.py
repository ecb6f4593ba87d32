"""What the log says about threads that are stuck when a worker ends."""
import os
import re
import signal

import pytest

from harness import processes
from harness.background import Background, HeldRequests

APP = '''
import atexit, ctypes, os, sys, threading

library = ctypes.PyDLL(None)  # its functions are called with the GIL held


def hold_gil():
    mutex = ctypes.create_string_buffer(64)
    while True:
        library.pthread_mutex_lock(mutex)  # the second time it waits for itself


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/thread":
        threading.Thread(target=hold_gil, daemon=True).start()
    if environ["PATH_INFO"] == "/exit":
        atexit.register(hold_gil)
    return [str(os.getpid()).encode("ascii")]
'''

only_glibc = pytest.mark.skipif("CS_GNU_LIBC_VERSION" not in os.confstr_names, reason="native stacks are read with glibc only")


def gone(server, pid, seconds=30):
    server.wait_until(lambda: not processes.alive(pid), seconds, "the end of process {}".format(pid))


def test_request_that_takes_too_long(daemon):
    """Which request, and where it is in Python."""
    server = daemon(threads=2, request_timeout=1, graceful_timeout=1, shutdown_timeout=2)
    held, = HeldRequests(server).start()
    pid = held.wait_running()
    assert held.result().status in (502, 504)
    server.log.allow("WSGI0146")
    gone(server, pid)
    assert server.log.lines(r"request thread \d, running 'GET /wait\?folder=[^ ]+' for \d+\.\d seconds")
    assert server.log.lines(r"Stack of thread \d+ in the main interpreter")
    assert server.log.lines(r"in wait_for")


def test_interrupted_request(daemon):
    """The stack shows where it was before the exception was raised there."""
    server = daemon(threads=1, request_timeout=1, interrupt_timeout=20)
    held, = HeldRequests(server).start()
    assert held.result().status == 504
    assert server.log.lines(r"in wait_for")


@only_glibc
def test_extension_that_holds_the_gil(daemon):
    server = daemon(threads=2, deadlock_timeout=1, shutdown_timeout=1)
    pid = int(server.client().get("/").json()["pid"])
    stuck = Background(server.client().get, "/hold-gil")
    line = server.log.expect("WSGI0264", seconds=20)
    assert re.search(r"holds the GIL .* request thread \d, running 'GET /hold-gil' for \d+\.\d seconds", line)
    gone(server, pid)
    assert stuck.result().status == 502
    server.log.expect("WSGI0146")
    ident = re.search(r"Thread (\d+) ", line).group(1)
    assert server.log.lines(r"Native stack of thread {} ".format(ident))
    assert server.log.lines(r"#\d+ .*pthread_mutex_lock")
    assert len(server.log.lines("WSGI0264")) == 1


@only_glibc
def test_thread_of_the_application_that_holds_the_gil(fresh_server):
    """It serves no request: its native stack is shown all the same."""
    server = fresh_server("hello.wsgi", mode="daemon", daemon={"threads": 1, "deadlock-timeout": 1, "shutdown-timeout": 1})
    server.write_app("hello.wsgi", APP)
    pid = int(server.client().get("/").text)
    stuck = Background(server.client().get, "/thread")
    gone(server, pid)
    assert stuck.result().status in (200, 502)
    server.log.allow("WSGI0146", "WSGI0264")
    assert server.log.lines(r"Native stack of thread \d+ \(\d+\), not a request thread")
    assert server.log.lines(r"#\d+ .*pthread_mutex_lock")


@only_glibc
def test_exit_function_that_hangs(fresh_server):
    """shutdown-timeout ends the process, and the log says in what it was."""
    server = fresh_server("hello.wsgi", mode="daemon", daemon={"threads": 1, "shutdown-timeout": 1})
    server.write_app("hello.wsgi", APP)
    pid = int(server.client().get("/").text)
    pid = int(server.client().get("/exit").text)
    os.kill(pid, signal.SIGTERM)
    gone(server, pid)
    assert server.log.lines("did not end within shutdown-timeout")
    server.log.expect("WSGI0264", "main thread")
    assert server.log.lines(r"Native stack of thread \d+ \({}\), main thread".format(pid))
    assert server.log.lines(r"#\d+ .*pthread_mutex_lock")
