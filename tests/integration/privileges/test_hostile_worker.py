"""A worker that was taken over harms its own group at most: neither Apache, nor its parent, nor another group."""
import os
import pwd

import pytest

from harness import processes

pytestmark = pytest.mark.root

DAEMON = pwd.getpwnam("daemon")
DEEDS = ["zeros", "ones", "words", "scribble-1", "scribble-2", "scribble-3", "speak-1", "speak-2", "speak-3", "misaddress"]
ANY = ["WSGI{:04}".format(number) for number in range(20, 300)] # of its own group: what it says of itself is its own affair


@pytest.fixture
def server(fresh_server):
    return fresh_server("process.wsgi", mode="daemon", daemon={"threads": 2}, apps={"/hostile": "hostile.wsgi"}, children=2, config=(
        "WSGIDaemonProcess hostile user=daemon group=daemon home=/ threads=2 processes=2 socket-timeout=3 connect-timeout=3 "
        "shutdown-timeout=2 graceful-timeout=2\n"
        "<Location /hostile>\nWSGIProcessGroup hostile\n</Location>\n"))


@pytest.mark.parametrize("deed", DEEDS)
def test_others_notice_nothing(server, deed):
    client = server.client()
    assert client.get("/hostile/hello").status == 200
    victim = client.get("/").json()
    children = processes.children(server.pid)
    server.log.allow(*ANY)
    assert client.get("/hostile/" + deed).body == b"done"
    for _ in range(3):
        client.get("/hostile/" + deed)
        client.get("/hostile/hello")
        assert client.get("/").json()["pid"] == victim["pid"]
    assert processes.alive(server.pid)
    keeper = processes.inspect(victim["pid"]).parent
    assert processes.alive(keeper)
    apache_children = {pid for pid in children if processes.status_field(pid, "Uid")[:1] != [str(DAEMON.pw_uid)]}
    assert all(map(processes.alive, apache_children)), "a child of Apache is gone"


@pytest.mark.parametrize("deed", ["ones", "scribble-4"])
def test_the_group_is_well_after_a_restart(server, deed):
    """Apache's restart, with a new socket and board for the group, ends what the old one can do."""
    client = server.client()
    client.get("/hostile/" + deed)
    server.log.allow(*ANY)
    server.site.config = server.site.config.replace("shutdown-timeout=2", "shutdown-timeout=1 listen-backlog=50")
    server.restart()
    server.wait_until(lambda: server.client().get("/hostile/hello").status == 200, 30, "an answer of the group")
    server.log.allow(*ANY)


def test_a_stopped_keeper_holds_nobody_up(server):
    """SIGSTOP is something that the account of the group can do to it."""
    client = server.client()
    assert client.get("/hostile/hello").status == 200
    own = {pid for pid in server.daemon_pids(keepers=True) if processes.status_field(pid, "Uid")[0] == str(DAEMON.pw_uid)}
    keeper, = own
    os.kill(keeper, 19)
    try:
        server.graceful()
        server.wait_until(lambda: server.client().get("/hostile/hello").status == 200, 20, "an answer")
        assert server.client().get("/").status == 200
    finally:
        os.kill(keeper, 18)
    server.log.allow("WSGI0116", "WSGI0145")
