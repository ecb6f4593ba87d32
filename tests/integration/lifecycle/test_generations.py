"""Generations of process groups: what a graceful restart keeps, what it replaces, and that nothing piles up."""
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from harness import processes
from harness.background import Background, HeldRequests

RESTARTS = 60
SLOW_IMPORT = '''
import os
import time

time.sleep(1)


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode("ascii")]
'''


class Load:
    """Clients that ask for / until they are stopped; gives the statuses."""

    def __init__(self, server, clients=2):
        self.server = server
        self.over = threading.Event()
        self.clients = [Background(self.work) for _ in range(clients)]

    def work(self):
        seen = []
        while not self.over.is_set():
            seen.append(self.server.client().get("/").status)
        return seen

    def stop(self):
        self.over.set()
        return {status for client in self.clients for status in client.result()}


def one_generation(server, workers=1):
    server.wait_until(lambda: len(server.daemon_pids(keepers=True)) == 1 and len(server.daemon_pids()) == workers, 30,
                      "one keeper with its workers")


def sockets(server):
    return server.request_sockets()


def memory(pid):
    return int(processes.status_field(pid, "VmRSS")[0])


def test_restarts_in_quick_succession_leave_nothing(fresh_server):
    """Signals come faster than Apache restarts: no request is lost, no process, descriptor, socket or memory left."""
    server = fresh_server("process.wsgi", mode="daemon", daemon={"threads": 2, "processes": 2})
    assert server.client().get("/").status == 200
    server.graceful()
    one_generation(server, 2)
    descriptors, size = processes.descriptors(server.pid), memory(server.pid)
    load, most = Load(server), 0
    for _ in range(RESTARTS):
        server.signal(signal.SIGUSR1)
        time.sleep(0.02)
        most = max(most, len(server.processes()))
    server.graceful()
    assert load.stop() == {200}
    assert most < 30
    one_generation(server, 2)
    assert len(sockets(server)) == 1
    server.wait_until(lambda: processes.descriptors(server.pid) <= descriptors, 10, "descriptors closed")
    if "WSGI_PRELOAD" not in os.environ: # a sanitizer keeps freed memory for a while
        assert memory(server.pid) < size + 1000


def test_restarts_faster_than_an_import(fresh_server):
    """Generations that never get ready end without piling up, and the one that serves goes on."""
    server = fresh_server.site(mode="daemon", daemon={"threads": 2, "processes": 2, "shutdown-timeout": 2},
                               config="WSGIScriptAlias / {root}/apps/slow.wsgi\n")
    server.write_app("slow.wsgi", SLOW_IMPORT)
    server.start()
    assert server.client().get("/").status == 200
    most = 0
    for _ in range(8):
        server.graceful()
        time.sleep(0.3) # long enough for workers to be started, too short for the import
        most = max(most, len(server.processes()))
    assert most < 25
    assert server.client().get("/").status == 200
    one_generation(server, 2)


def test_no_request_waits_for_an_import(fresh_server):
    """New workers have the scripts that the old ones ran loaded before they take over."""
    server = fresh_server.site(mode="daemon", daemon={"threads": 2}, config="WSGIScriptAlias / {root}/apps/slow.wsgi\n")
    server.write_app("slow.wsgi", SLOW_IMPORT)
    server.start()
    old = server.client().get("/").text
    load = Load(server)
    server.graceful()
    server.wait_until(lambda: server.client().get("/").text != old, 20, "the new generation")
    assert load.stop() == {200}
    first, second = server.log.lines("Loading script")
    pid, thread = re.search(r"pid (\d+):tid (\d+)", second).groups()
    assert pid == thread # on the main thread, before there was a request
    server.wait_until(lambda: "retires" in server.log.all(), 20, "the end of the old generation")
    log = server.log.all()
    assert log.index("Loading script", log.index("Loading script") + 1) < log.index("retires")


def test_several_generations_at_once(fresh_server):
    """Each request finishes in the generation that took it."""
    server = fresh_server("process.wsgi", mode="daemon", children=8, daemon={"threads": 3, "graceful-timeout": 60})
    requests, held = HeldRequests(server), []
    for _ in range(4):
        held += requests.start()
        pid = held[-1].wait_running()
        server.graceful()
        server.wait_until(lambda: server.client().get("/").json()["pid"] != pid, 20, "the new generation")
    assert len({one.wait_running() for one in held}) == 4
    assert len(server.daemon_pids(keepers=True)) == 5
    for one in held:
        assert one.release().json()["pid"] == one.wait_running()
    one_generation(server)


@pytest.mark.parametrize("umask", [0o077, 0o000])
def test_any_umask(fresh_server, umask):
    server = fresh_server.site("process.wsgi", mode="daemon", daemon={"threads": 1})
    before = os.umask(umask)
    try:
        server.start()
    finally:
        os.umask(before)
    assert server.client().get("/").json()["umask"] == umask
    path, = sockets(server)
    assert os.stat(path).st_mode & 0o777 == 0o700
    server.graceful()
    assert server.client().get("/").status == 200


def test_changed_group_gets_another_socket(fresh_server):
    """Old children reach the old processes until they are gone; then the old socket goes."""
    server = fresh_server("process.wsgi", mode="daemon", daemon={"threads": 1}, config="KeepAliveTimeout 60\n")
    before = sockets(server)
    with server.client().connection() as connection:
        assert connection.get("/").status == 200
        server.site.daemon = {"threads": 1, "listen-backlog": 50}
        server.graceful()
    assert server.client().get("/").status == 200
    server.wait_until(lambda: len(sockets(server)) == 1 and sockets(server) != before, 30, "the new socket alone")
    one_generation(server)


class TestWithoutRotation:
    """The path of a socket does not change with a restart, whatever it is that listens there."""

    @pytest.fixture
    def server(self, fresh_server):
        return fresh_server("process.wsgi", mode="daemon", daemon={"threads": 1}, before="WSGISocketRotation Off\n")

    def test_path_stays_when_the_group_changes(self, server):
        before = sockets(server)
        pid = server.client().get("/").json()["pid"]
        server.site.daemon = {"threads": 1, "listen-backlog": 50}
        server.graceful()
        server.wait_until(lambda: server.client().get("/").json()["pid"] != pid, 20, "the new process")
        one_generation(server)
        assert sockets(server) == before
        server.graceful()
        assert server.client().get("/").status == 200
        assert sockets(server) == before

    def test_change_and_change_back(self, server):
        """The first station may still be in use when its description comes back."""
        requests = HeldRequests(server)
        held, = requests.start()
        for options in ({"threads": 1, "listen-backlog": 50}, {"threads": 1}, {"threads": 1, "listen-backlog": 50}):
            server.site.daemon = options
            server.graceful()
            assert server.client().get("/").status == 200
        assert held.release().status == 200
        one_generation(server)
        assert len(sockets(server)) == 1

    def test_groups_that_move(self, server):
        """A new group with the number of an old one does not take its socket."""
        assert server.client().get("/").json()["process_group"] == "site"
        server.site.before += ("WSGIDaemonProcess first threads=1\n"
                               "WSGIScriptAlias /first {root}/apps/process.wsgi process-group=first application-group=%{GLOBAL}\n")
        server.graceful()
        for _ in range(3):
            assert server.client().get("/").json()["process_group"] == "site"
            assert server.client().get("/first").json()["process_group"] == "first"
        server.site.before = "WSGISocketRotation Off\n"
        server.graceful()
        server.wait_until(lambda: len(sockets(server)) == 1, 20, "the socket of the removed group to go")
        assert server.client().get("/").json()["process_group"] == "site"


def test_keeper_that_ends_again_and_again(fresh_server):
    """Killed or told to end: another follows, and the parent keeps nothing of the ones before."""
    server = fresh_server("process.wsgi", mode="daemon", daemon={"threads": 1})
    assert server.client().get("/").status == 200
    descriptors = processes.descriptors(server.pid)
    for number in (signal.SIGTERM, signal.SIGKILL):
        keeper, = server.daemon_pids(keepers=True)
        os.kill(keeper, number)
        server.wait_until(lambda: server.daemon_pids(keepers=True) - {keeper}, 30, "another keeper")
        assert server.client().get("/").status == 200
        one_generation(server)
    server.log.expect("WSGI0257")
    assert processes.descriptors(server.pid) == descriptors
    assert len(sockets(server)) == 1


def test_graceful_restart_after_the_death_of_a_keeper(fresh_server):
    server = fresh_server("process.wsgi", mode="daemon", daemon={"threads": 1})
    assert server.client().get("/").status == 200
    keeper, = server.daemon_pids(keepers=True)
    server.signal(signal.SIGSTOP) # it dies while nobody looks
    os.kill(keeper, signal.SIGKILL)
    server.signal(signal.SIGUSR1)
    server.signal(signal.SIGCONT)
    server.log.wait_for("AH00493|Graceful restart requested")
    assert server.client().get("/").status == 200
    one_generation(server)
    server.log.allow("WSGI0257")


@pytest.mark.root
@pytest.mark.parametrize("option", ["chroot=/nonexistent", "user=daemon cpu-priority=0 home=/nonexistent"])
def test_group_that_cannot_be_set_up(fresh_server, option):
    """It is tried again with growing pauses, and Apache and the other groups do not mind."""
    server = fresh_server.site("process.wsgi", mode="daemon", daemon={"threads": 1},
                               before="WSGIDaemonProcess broken {}\n<Location /broken>\nWSGIProcessGroup broken\n</Location>\n".format(option))
    server.log.allow("WSGI0003", "WSGI0009", "WSGI0025", "WSGI0252", "WSGI0257")
    server.start()
    assert server.client().get("/").status == 200
    server.log.wait_for("WSGI0025", 20)
    time.sleep(2)
    assert len(re.findall("WSGI0025", server.log.all())) < 8
    server.graceful()
    assert server.client().get("/").status == 200


SERVICE = '''
import os
import socket
import time

with open(os.path.join({folder!r}, "starts"), "a") as file:
    file.write("{{}}\\n".format(os.getpid()))

listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", {port}))
listener.listen(1)
try:
    while True:
        time.sleep(0.05)
finally:
    time.sleep(0.3)
    with open(os.path.join({folder!r}, "ends"), "a") as file:
        file.write("{{}}\\n".format(os.getpid()))
'''


def test_service_is_restarted_in_order(fresh_server):
    """A script of a group without threads ends before the one of the next generation starts: it may hold a port."""
    from harness.server import free_port
    server = fresh_server.site(apps={}, mode="daemon", daemon={"threads": 0},
                               config="WSGIImportScript {root}/apps/service.wsgi process-group=site application-group=%{GLOBAL}\n")
    folder = server.data_folder()
    server.write_app("service.wsgi", SERVICE.format(folder=str(folder), port=free_port()))

    def pids(name):
        return (folder / name).read_text().split() if (folder / name).exists() else []

    server.start()
    for number in range(1, 4):
        server.wait_until(lambda: len(pids("starts")) == number, 20, "start number {}".format(number))
        time.sleep(0.1) # let it get behind its preparations
        server.graceful()
        server.wait_until(lambda: len(pids("ends")) == number, 20, "end number {}".format(number))
    server.wait_until(lambda: len(pids("starts")) == 4, 20, "the last start")
    assert pids("ends") == pids("starts")[:3]


def test_module_of_another_build(fresh_server):
    """After an upgrade in place a graceful restart starts afresh, and what was before goes with its clients."""
    server = fresh_server("process.wsgi", mode="daemon", daemon={"threads": 2})
    pid = server.client().get("/").json()["pid"]
    descriptors, before = processes.descriptors(server.pid), sockets(server)
    stamp = os.stat(str(server.module)).st_mtime
    try:
        for number in range(1, 4):
            os.utime(str(server.module), (stamp + number, stamp + number))
            server.graceful()
            server.wait_until(lambda: server.client().get("/").json()["pid"] != pid, 20, "the new process")
            pid = server.client().get("/").json()["pid"]
    finally:
        os.utime(str(server.module), (stamp, stamp))
    one_generation(server)
    assert len(sockets(server)) == 1 and sockets(server) != before
    assert processes.descriptors(server.pid) <= descriptors


def test_module_that_is_removed(fresh_server):
    """A restart without the module: its processes hear nothing more, and end some time after their last client."""
    server = fresh_server("hello.wsgi", mode="daemon", daemon={"threads": 1})
    assert server.client().get("/").status == 200
    daemons = server.daemon_pids() | server.daemon_pids(keepers=True)
    text = "\n".join(line for line in server.conf.read_text().splitlines() if "wsgi" not in line.lower())
    server.conf.write_text(text + "\n")
    server.signal(signal.SIGUSR1)
    server.wait_until(lambda: server.client().get("/").status == 404, 20, "Apache without the module")
    server.wait_until(lambda: not any(processes.alive(pid) for pid in daemons), 60, "the end of its processes")
    for path in server.sockets():
        os.unlink(path)


def test_sockets_of_a_killed_server_are_removed(fresh_server):
    server = fresh_server.site("hello.wsgi", mode="daemon", daemon={"threads": 1})
    (server.root / "run" / "wsgi.0.1.1.sock").touch()
    left = server.root / "run" / "wsgi.{}.1.1.sock".format(dead_pid())
    alive = server.root / "run" / "wsgi.{}.1.1.sock".format(os.getpid())
    new = server.root / "run" / "wsgi.{}.2.1.sock".format(dead_pid())
    for path in (left, alive, new):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(str(path))
    os.utime(str(left), (1_000_000_000, 1_000_000_000))
    os.utime(str(alive), (1_000_000_000, 1_000_000_000))
    server.start()
    assert not left.exists()
    assert alive.exists() and new.exists()
    for path in (alive, new, server.root / "run" / "wsgi.0.1.1.sock"):
        path.unlink()


def dead_pid():
    """Of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid
