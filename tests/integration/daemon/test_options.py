"""Options of WSGIDaemonProcess, each seen by its effect."""
import grp
import os
import pwd
import socket
import sys
import time

import pytest

from harness import apache, processes
from harness.background import Background, HeldRequests


def inspect(server, path="/"):
    return server.client().get(path).json()


# Identity

@pytest.mark.root
def test_user_and_group(daemon):
    entry = pwd.getpwnam("daemon")
    group = grp.getgrnam("nogroup")
    answer = inspect(daemon(user="daemon", group="nogroup"))
    assert (answer["uid"], answer["euid"], answer["gid"]) == (entry.pw_uid, entry.pw_uid, group.gr_gid)
    assert 0 not in answer["groups"]
    assert answer["HOME"] == entry.pw_dir
    assert answer["cwd"] == os.path.realpath(entry.pw_dir)


@pytest.mark.root
def test_user_and_group_as_numbers(daemon):
    entry = pwd.getpwnam("daemon")
    server = daemon(user="#{}".format(entry.pw_uid), group="#{}".format(entry.pw_gid))
    answer = inspect(server)
    assert (answer["uid"], answer["gid"]) == (entry.pw_uid, entry.pw_gid)
    uids = processes.status_field(answer["pid"], "Uid")
    assert set(uids) == {str(entry.pw_uid)} # real, effective, saved and file system: no way back


@pytest.mark.root
def test_default_identity_is_that_of_apache(daemon):
    answer = inspect(daemon())
    assert (answer["uid"], answer["gid"]) == (apache.account().pw_uid, apache.account().pw_gid)


@pytest.mark.root
def test_supplementary_groups(daemon):
    wanted = [grp.getgrnam("games").gr_gid, grp.getgrnam("mail").gr_gid]
    answer = inspect(daemon(**{"supplementary_groups": "games,#{}".format(wanted[1])}))
    assert answer["groups"] == sorted({answer["gid"], *wanted})


@pytest.mark.root
def test_socket_user(daemon):
    server = daemon(socket_user="daemon")
    paths = server.request_sockets()
    # The children of Apache run under another account here and cannot connect: that is what the option is about.
    assert [os.stat(path).st_uid for path in paths] == [pwd.getpwnam("daemon").pw_uid]
    assert server.client().get("/").status == 503
    server.log.expect("WSGI0117")


@pytest.mark.root
def test_socket_belongs_to_apache(daemon):
    server = daemon()
    path, = server.request_sockets()
    facts = os.stat(path)
    assert facts.st_uid == apache.account().pw_uid
    assert facts.st_mode & 0o777 == 0o700


# Size

def test_processes(daemon):
    server = daemon(processes=3, threads=2)
    server.wait_until(lambda: len(server.daemon_pids()) == 3, 20, "three processes")
    held = HeldRequests(server).start(6)
    assert len({one.wait_running() for one in held}) == 3
    for one in held:
        answer = one.release().json()
        assert (answer["maximum_processes"], answer["threads_per_process"]) == (3, 2)


def test_threads(daemon):
    server = daemon(threads=2)
    requests = HeldRequests(server)
    first, second = requests.start(2)
    third = requests.send()
    thread = first.release().json()["thread"]
    third.wait_running()
    assert third.release().json()["thread"] == thread # it had to wait for a thread
    assert second.release().json()["thread"] != thread


def test_default_number_of_threads(daemon):
    answer = inspect(daemon())
    assert (answer["threads_per_process"], answer["maximum_processes"]) == (15, 1)


@pytest.mark.parametrize("options, flags", [
    ({}, [True, False, False]), ({"processes": 1}, [True, True, False]), ({"threads": 1}, [False, False, False]),
    ({"threads": 1, "maximum_requests": 1}, [False, False, True]), ({"processes": 2, "threads": 1}, [False, True, False]),
])
def test_flags(daemon, options, flags):
    environ = inspect(daemon("environ.wsgi", **options))["environ"]
    assert [environ["wsgi." + name] for name in ("multithread", "multiprocess", "run_once")] == flags


# Environment

def test_environment(daemon):
    server = daemon(umask="0027", home="/tmp", lang="C.UTF-8", locale="C.UTF-8", python_path="/usr/lib:/usr/share", python_eggs="/tmp/eggs",
                    switch_interval="0.02", display_name="%{GROUP}")
    answer = inspect(server)
    assert answer["umask"] == 0o027
    assert answer["cwd"] == os.path.realpath("/tmp")
    assert answer["path"][:3] == ["/tmp", "/usr/lib", "/usr/share"]
    assert (answer["LANG"], answer["LC_ALL"], answer["ctype"]) == ("C.UTF-8", "C.UTF-8", "C.UTF-8")
    assert answer["eggs"] == "/tmp/eggs"
    assert answer["switch_interval"] == pytest.approx(0.02)
    assert processes.title(answer["pid"]).startswith("(wsgi:site)")


def test_default_environment(daemon):
    answer = inspect(daemon())
    assert answer["umask"] == 0o022
    assert answer["LANG"] == "C" and answer["LC_ALL"] is None
    assert answer["argv"] == ["mod_wsgi"]
    assert answer["process_group"] == "site"


def test_display_name_as_given(daemon):
    assert processes.title(inspect(daemon(display_name="my-title"))["pid"]).startswith("my-title")


def test_unsupported_locale(daemon):
    server = daemon(locale="xx_YY.nonsense")
    assert inspect(server)["LC_ALL"] == "xx_YY.nonsense"
    assert "xx_YY.nonsense" in server.log.expect("WSGI0079")


def test_python_home(daemon, virtual_environment):
    answer = inspect(daemon(python_home=str(virtual_environment)))
    assert os.path.realpath(answer["prefix"]) == os.path.realpath(str(virtual_environment))
    assert any(str(virtual_environment) in entry for entry in answer["path"])


def test_python_home_that_does_not_exist(daemon):
    server = daemon(**{"python-home": "/nonexistent/python"})
    assert server.client().get("/").status == 500
    server.log.expect("WSGI0028", "/nonexistent/python")
    server.log.allow("WSGI0297", "WSGI0036", "WSGI0100", "WSGI0087")


@pytest.mark.plain_memory
def test_limits(daemon):
    server = daemon(cpu_time_limit=1000, memory_limit=4 << 30, virtual_memory_limit=8 << 30, cpu_priority=5)
    answer = inspect(server, "/limits")
    assert answer["RLIMIT_CPU"][0] == 1000
    assert answer["RLIMIT_DATA"] == [4 << 30] * 2
    assert answer["RLIMIT_AS"] == [8 << 30] * 2
    assert answer["priority"] == 5


def test_home_that_cannot_be_entered(daemon):
    server = daemon(home="/nonexistent/home", connect_timeout=0, socket_timeout=1)
    server.log.expect("WSGI0009", "/nonexistent/home", seconds=20)
    assert server.client().get("/").status in (502, 503, 504)
    server.log.allow("WSGI0025", "WSGI0116", "WSGI0145", "WSGI0146", "WSGI0117", "WSGI0252")


# Connection between Apache and the group

def test_buffer_sizes_of_the_listener(daemon):
    sizes = inspect(daemon(send_buffer_size=40000, receive_buffer_size=50000), "/sockets")
    assert [80000, 100000] in sizes # Linux doubles what it is given


def test_listen_backlog_and_connect_timeout(daemon):
    server = daemon(threads=1, listen_backlog=1, connect_timeout=0)
    held, = HeldRequests(server).start()
    others = [Background(server.client().get, "/") for _ in range(8)]
    server.wait_until(lambda: sum(other.is_done for other in others) >= 4, 10, "refused requests")
    server.log.expect("WSGI0116")
    held.release()
    statuses = sorted(other.result().status for other in others)
    assert set(statuses) == {200, 503} # some found room in the queue
    assert statuses.count(200) <= 4


def test_socket_timeout(daemon):
    server = daemon(socket_timeout=1, shutdown_timeout=1)
    held, = HeldRequests(server).start()
    assert held.result().status == 504
    server.log.expect("WSGI0145", "site")
    held.gate.touch()


def test_queue_timeout(daemon):
    server = daemon(threads=1, queue_timeout=1)
    requests = HeldRequests(server)
    held, = requests.start()
    late = Background(server.client().get, "/")
    sent = time.monotonic()
    server.wait_until(lambda: time.monotonic() > sent + 2, 10, "the request to grow older than the limit")
    assert not late.is_done
    assert held.release().status == 200
    assert late.result().status == 504
    server.log.expect("WSGI0084", "site")
    assert server.client().get("/").status == 200


def test_header_buffer_size(daemon):
    server = daemon("response.wsgi", config="LimitRequestFieldSize 60000\n", header_buffer_size=8192)
    client = server.client()

    def get(size):
        return client.get("/headers", headers={"X-Headers": '[["X-Long", "{}"]]'.format("v" * size)}).status

    assert get(4000) == 200
    assert get(7000) == 200
    assert get(9000) == 500
    server.log.expect("WSGI0144", "site")


def test_response_flush_delay(daemon):
    server = daemon("stream.wsgi", response_flush_delay=600000, response_buffer_size=65536)
    folder = server.data_folder()
    with server.client().raw() as raw:
        raw.get("/?folder={}".format(folder), "Connection: close")
        raw.socket.settimeout(1)
        with pytest.raises(socket.timeout): # the first block waits for more
            raw.receive_until(b"first\n")
        raw.socket.settimeout(30)
        (folder / "go").touch()
        (folder / "end").touch()
        assert raw.receive_until(b"third\n").count(b"second\n") == 1


def test_response_buffer_size(daemon):
    server = daemon("process.wsgi", before="WSGIScriptAlias /big {root}/apps/big.wsgi\n", response_flush_delay=600000,
                    response_buffer_size=65536)
    server.write_app("big.wsgi", BIG_FIRST_BLOCK)
    folder = server.data_folder()
    with server.client().raw() as raw:
        raw.get("/big?{}/go".format(folder), "Connection: close")
        raw.receive_until(b"m" * 1000) # although no time to flush has come
        (folder / "go").touch()
        raw.receive_all()


BIG_FIRST_BLOCK = '''
import os, time

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"m" * 300000
    deadline = time.monotonic() + 30
    while not os.path.exists(environ["QUERY_STRING"]) and time.monotonic() < deadline:
        time.sleep(0.01)
'''


def test_response_socket_timeout(daemon):
    """A client that does not read holds a thread for so long, not for Apache's Timeout."""
    server = daemon("stream.wsgi", config="Timeout 300\n", response_socket_timeout=1)
    folder = server.data_folder()
    with server.client().raw() as raw:
        raw.get("/endless?folder={}".format(folder))
        server.wait_until(lambda: (folder / "closed").exists(), 20, "close() of the application")
        server.log.allow("WSGI0118", "WSGI0120")


def test_request_buffer_size(daemon):
    """A body that comes slowly is collected before a thread of the group is bothered."""
    server = daemon(app="input.wsgi", threads=1)
    with server.client().raw() as slow:
        slow.send("POST /?do=read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\nConnection: close\r\n\r\n0123456789")
        for _ in range(3):
            assert server.client().post("/?do=read", b"quick").json() == ["quick"]
        slow.send("0123456789")
        assert slow.receive_all().endswith(b'["01234567890123456789"]')


def test_request_buffer_size_zero_relays_at_once(daemon):
    server = daemon(app="input.wsgi", request_buffer_size=0)
    folder = server.data_folder()
    with server.client().raw() as slow:
        slow.send("POST /?do=read:4&do=note:{}/seen&do=read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8\r\n"
                  "Connection: close\r\n\r\n0123".format(folder))
        server.wait_until(lambda: (folder / "seen").exists(), 10, "the application to read the first bytes")
        slow.send("4567")
        assert slow.receive_all().endswith(b'["0123", null, "4567"]')


# Ownership of scripts

@pytest.mark.root
@pytest.mark.parametrize("option, value, change, number", [
    ("script-user", "root", None, None),
    ("script-user", "daemon", None, "WSGI0164"),
    ("script-user", "root", ("script", 0o664), "WSGI0166"),
    ("script-user", "root", ("script", 0o646), "WSGI0168"),
    ("script-user", "root", ("folder", 0o757), "WSGI0172"),
    ("script-user", "root", ("folder", 0o775), "WSGI0173"),
    ("script-group", "root", None, None),
    ("script-group", "daemon", None, "WSGI0155"),
    ("script-group", "root", ("script", 0o646), "WSGI0157"),
    ("script-group", "root", ("folder", 0o757), "WSGI0161"),
])
def test_ownership_of_scripts(daemon, option, value, change, number):
    server = daemon("hello.wsgi", **{option: value})
    if change:
        path = server.root / "apps" / ("hello.wsgi" if change[0] == "script" else "")
        path.chmod(change[1])
    assert server.client().get("/").status == (403 if number else 200)
    if number:
        server.log.expect(number)


def test_version_of_python(daemon):
    assert inspect(daemon())["version"][0] == sys.version_info[0]
