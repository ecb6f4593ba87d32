"""The timer that makes Apache start the children of a new configuration at once: where its signal is caught, and where not."""
import signal
from pathlib import Path

import pytest


def catches(pid, number):
    """Whether a process has a handler for a signal."""
    line = next(line for line in Path("/proc/{}/status".format(pid)).read_text().splitlines() if line.startswith("SigCgt:"))
    return bool(int(line.split()[1], 16) >> (number - 1) & 1)


@pytest.mark.parametrize("mode", ["embedded", "daemon"])
def test_only_the_parent_catches_the_signal(fresh_server, mode):
    server = fresh_server("process.wsgi", mode=mode)
    assert not catches(server.pid, signal.SIGALRM)
    for _ in range(2):
        server.graceful()
        assert server.client().get("/").status == 200
    assert catches(server.pid, signal.SIGALRM)
    others = [process.pid for process in server.processes() if process.pid != server.pid]
    server.wait_until(lambda: len(server.processes()) >= 2, 10, "children")
    assert not any(catches(pid, signal.SIGALRM) for pid in others if Path("/proc/{}".format(pid)).exists())
    server.restart()
    assert server.client().get("/").status == 200


def test_handler_goes_with_the_module(fresh_server):
    """The next configuration does not load the module: no signal may reach code that is not there any more."""
    server = fresh_server("hello.wsgi")
    server.graceful()
    text = server.conf.read_text().replace(" wsgi:info", "")
    without = "\n".join(line for line in text.splitlines() if not line.startswith(("LoadModule wsgi_module", "WSGI")))
    server.write_config = lambda: server.conf.write_text(without)
    server.graceful()
    assert not catches(server.pid, signal.SIGALRM)
    assert server.client().get("/static.txt").status in (200, 404)
