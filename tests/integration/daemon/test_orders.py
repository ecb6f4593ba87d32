"""Orders of the administrator to a process group: mod_wsgi-express status, reload and restart."""
import json
import os
import pwd
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from harness import processes
from harness.background import Background, HeldRequests

PACKAGE = Path(__file__).resolve().parents[3] / "src" / "python"
APP = """
VERSION = 1
import os

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["{} {}".format(VERSION, os.getpid()).encode()]
"""


def express(server, *words, user=None):
    """Run the program as a user would."""
    program = "import sys; sys.path.insert(0, {!r}); from mod_wsgi.express.cli import main; sys.exit(main(sys.argv[1:]))".format(str(PACKAGE))
    def become():
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)

    return subprocess.run([sys.executable, "-c", program, *words, "--socket-prefix", str(server.root / "run" / "wsgi")],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=60,
                          preexec_fn=become if user else None, cwd="/")


def orders_socket(server):
    path, = (server.root / "run").glob("wsgi.*.ctl.sock")
    return path


def say(server, text):
    """What the socket answers to bytes as they are."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(orders_socket(server)))
        connection.sendall(text)
        data = b""
        while True:
            block = connection.recv(65536)
            if not block:
                return data
            data += block


def status(server):
    return json.loads(say(server, b"status\n").split(b"\n")[0])


def versions(server, count=12):
    return {server.client().get("/").body.split()[0] for _ in range(count)}


def all_ready(server, count):
    server.wait_until(lambda: [worker["state"] for worker in status(server)["workers"]] == ["ready"] * count, 30, "all ready")


def have_all_loaded(server, count):
    """Ask until every worker has answered: one that was never asked loads the script as it is then."""
    seen = set()
    server.wait_until(lambda: seen.add(server.client().get("/").body.split()[1]) or len(seen) == count, 30, "answers of all workers")


def versioned(daemon, **options):
    server = daemon("orders.wsgi", **options)
    server.write_app("orders.wsgi", APP)
    all_ready(server, options.get("processes", 1))
    have_all_loaded(server, options.get("processes", 1))
    assert versions(server) == {b"1"}
    return server


def test_status(daemon):
    server = daemon(processes=2, threads=3)
    all_ready(server, 2)
    held, = HeldRequests(server).start()
    answer = status(server)
    assert (answer["group"], answer["processes"], answer["threads"]) == ("site", 2, 3)
    assert {worker["pid"] for worker in answer["workers"]} == server.daemon_pids()
    assert sum(worker["busy"] for worker in answer["workers"]) == 1
    assert all(worker["rss"] > 1 << 20 and 0 < worker["age"] < 60 and worker["leaves_because"] is None for worker in answer["workers"])
    held.release()
    shown = express(server, "status")
    assert shown.returncode == 0
    assert "site: 2 processes wanted, 3 threads each" in shown.stdout
    assert shown.stdout.count(" ready ") == 2


def test_reload(daemon):
    server = versioned(daemon, processes=2, threads=2)
    before = server.daemon_pids()
    path = server.root / "apps" / "orders.wsgi"
    times = os.stat(str(path))
    path.write_text(APP.replace("VERSION = 1", "VERSION = 2"))
    os.utime(str(path), ns=(times.st_atime_ns, times.st_mtime_ns)) # not seen as a change: only the order tells
    assert versions(server) == {b"1"}
    done = express(server, "reload", "site")
    assert (done.returncode, done.stdout) == (0, "site: done\n"), done.stderr
    assert versions(server) == {b"2"}
    server.wait_until(lambda: server.daemon_pids().isdisjoint(before), 30, "the end of the old processes")


@pytest.mark.parametrize("order", ["reload", "restart"])
def test_code_that_cannot_be_loaded(daemon, order):
    server = versioned(daemon, processes=2, threads=2)
    before = server.daemon_pids()
    path = server.root / "apps" / "orders.wsgi"
    times = os.stat(str(path))
    path.write_text("VERSION = 2\nimport no_such_module\n")
    os.utime(str(path), ns=(times.st_atime_ns, times.st_mtime_ns))
    done = express(server, order, "site")
    assert done.returncode == 1
    assert "No module named 'no_such_module'" in done.stderr
    assert "old ones serve on" in done.stderr
    assert versions(server) == {b"1"}
    assert server.daemon_pids() == before
    server.log.expect("WSGI0110")
    server.log.allow("WSGI0174")
    path.write_text(APP.replace("VERSION = 1", "VERSION = 3"))
    os.utime(str(path), ns=(times.st_atime_ns, times.st_mtime_ns))
    done = express(server, order)
    assert done.returncode == 0, done.stderr
    assert versions(server) == {b"3"}


def test_new_process_that_crashes_while_loading(daemon):
    server = versioned(daemon)
    path = server.root / "apps" / "orders.wsgi"
    times = os.stat(str(path))
    path.write_text("import os\nos._exit(3)\n")
    os.utime(str(path), ns=(times.st_atime_ns, times.st_mtime_ns))
    done = express(server, "reload")
    assert done.returncode == 1
    assert "exited with status 3" in done.stderr
    assert versions(server) == {b"1"}
    server.log.allow("WSGI0252")


def test_restart_keeps_the_group_complete(daemon):
    server = versioned(daemon, processes=3, threads=2)
    before = server.daemon_pids()
    done = Background(express, server, "restart")
    fewest = 3
    while not done.is_done:
        fewest = min(fewest, sum(worker["state"] == "ready" for worker in status(server)["workers"]))
    assert done.result().returncode == 0
    assert fewest == 3
    server.wait_until(lambda: server.daemon_pids().isdisjoint(before), 30, "the end of the old processes")


@pytest.mark.parametrize("order", ["reload", "restart"])
def test_process_that_starts_when_the_order_comes(daemon, order):
    """What it loads may be older than the order, so it is replaced like those that serve."""
    server = daemon("orders.wsgi", config="WSGIImportScript {root}/apps/orders.wsgi process-group=site application-group=%{GLOBAL}\n")
    server.write_app("orders.wsgi", APP)
    all_ready(server, 1)
    gate = server.data_folder() / "gate"
    server.write_app("orders.wsgi", "import os, time\nwhile not os.path.exists({!r}):\n    time.sleep(0.01)\n".format(str(gate)) + APP)
    os.kill(*server.daemon_pids(), signal.SIGTERM)
    server.wait_until(lambda: [worker["state"] for worker in status(server)["workers"]] == ["starting"], 30, "a worker that starts")
    early = status(server)["workers"][0]["pid"]
    done = Background(express, server, order)
    server.log.wait_for("is ordered to " + order)
    gate.touch()
    assert done.result().returncode == 0
    assert versions(server) == {b"1"}
    server.wait_until(lambda: not processes.alive(early), 30, "the end of the process that was starting")


def test_requests_in_progress_end_as_they_began(daemon):
    server = daemon(threads=2, graceful_timeout=60)
    held, = HeldRequests(server).start()
    pid = held.wait_running()
    assert express(server, "reload").returncode == 0
    assert held.release().json()["pid"] == pid


def test_second_order_at_the_same_time(daemon):
    server = daemon("orders.wsgi", threads=2)
    folder = server.data_folder()
    server.write_app("orders.wsgi", APP + "import pathlib, time\nwhile pathlib.Path({!r}).exists(): time.sleep(0.01)\n".format(str(folder / "stop")))
    assert versions(server) == {b"1"}
    (folder / "stop").touch()
    first = Background(express, server, "reload")
    server.wait_until(lambda: any(worker["state"] == "starting" for worker in status(server)["workers"]), 20, "a new process")
    second = express(server, "restart")
    assert second.returncode == 1
    assert "Another order is being carried out" in second.stderr
    (folder / "stop").unlink()
    assert first.result().returncode == 0


def test_service(fresh_server):
    server = fresh_server("hello.wsgi", config="WSGIDaemonProcess service threads=0\n"
                          "WSGIImportScript {root}/apps/forever.wsgi process-group=service application-group=%{GLOBAL}\n")
    server.write_app("forever.wsgi", "import time\nwhile True: time.sleep(60)\n")
    server.restart()
    server.wait_until(lambda: status(server)["workers"] and status(server)["workers"][0]["state"] == "ready", 20, "the service")
    before = status(server)["workers"][0]["pid"]
    assert express(server, "restart", "service").returncode == 0
    assert status(server)["workers"][0]["pid"] != before
    assert not processes.alive(before)
    server.log.allow("WSGI0106", "WSGI0252", "WSGI0108", "WSGI0110", "WSGI0174")


@pytest.mark.parametrize("text", [b"\n", b"stop\n", b"reload now\n", b"RELOAD\n", b"\0\n"])
def test_nonsense(daemon, text):
    server = daemon()
    assert say(server, text) == b"ERROR One of status, reload and restart is expected.\n"
    assert status(server)["group"] == "site"


def test_clients_that_say_nothing_or_too_much(daemon):
    server = daemon()
    try:
        assert say(server, b"x" * 100) == b""
    except ConnectionResetError: # it was not read to its end
        pass
    silent = [socket.socket(socket.AF_UNIX) for _ in range(6)]
    for connection in silent:
        connection.connect(str(orders_socket(server)))
    assert status(server)["group"] == "site"
    for connection in silent:
        connection.close()
    assert server.client().get("/").status == 200


def test_unknown_group(daemon):
    server = daemon()
    done = express(server, "reload", "shop")
    assert done.returncode == 2
    assert "no process group 'shop'" in done.stderr and "there is: site" in done.stderr


@pytest.mark.root
def test_only_root_and_the_account_of_the_group(daemon):
    server = daemon()
    info = os.stat(str(orders_socket(server)))
    owner = pwd.getpwnam("www-data")
    assert stat.S_IMODE(info.st_mode) & 0o077 == 0
    assert info.st_uid == owner.pw_uid
    assert express(server, "restart").returncode == 0
    with socket.socket(socket.AF_UNIX) as connection:
        pid = os.fork()
        if pid == 0:
            os.setgid(65534)
            os.setuid(65534)
            try:
                connection.connect(str(orders_socket(server)))
            except PermissionError:
                os._exit(0)
            os._exit(1)
        assert os.waitpid(pid, 0)[1] == 0


def test_socket_stays_over_graceful_restarts(daemon):
    server = daemon()
    path = orders_socket(server)
    for _ in range(3):
        server.graceful()
        assert server.client().get("/").status == 200
    assert orders_socket(server) == path
    server.wait_until(lambda: status(server)["generation"] == 3, 20, "the keeper of the last configuration")
    assert express(server, "reload").returncode == 0


def test_children_of_apache_cannot_take_orders(daemon):
    """The socket is a keeper's: no child of Apache has it open."""
    server = daemon()
    server.client().get("/")
    inode = next(line.split()[6] for line in Path("/proc/net/unix").read_text().splitlines() if line.endswith(str(orders_socket(server))))
    holders = {process.pid for process in server.processes()
               if "socket:[%s]" % inode in {os.readlink(str(path)) for path in Path("/proc/{}/fd".format(process.pid)).iterdir()}}
    keeper = status(server)["keeper"]
    assert holders == {server.pid, keeper}
