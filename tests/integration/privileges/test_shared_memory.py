"""Memory that a process of a group shares with others: the board of its group, and nothing of Apache's."""
import os
import re

import pytest

from harness import apache, processes


def shared(pid):
    """Writable shared mappings of a process, by what tells them from each other: device and inode."""
    with open("/proc/{}/maps".format(pid)) as file:
        areas = [line.split() for line in file]
    return {(words[3], words[4]) for words in areas if re.match(r".w.s", words[1])}


@pytest.fixture
def server(fresh_server):
    modules = [name for name in ("slotmem_shm", "socache_shmcb", "ssl") if (apache.module_folder() / "mod_{}.so".format(name)).exists()]
    cache = 'SSLSessionCache "shmcb:{root}/run/tls(512000)"\n' if len(modules) == 3 else ""
    server = fresh_server("process.wsgi", mode="daemon", modules=modules, config=cache + (
        "WSGIDaemonProcess second threads=1\n<Location /second>\nWSGIProcessGroup second\n</Location>\n"))
    return server


def check(server):
    """Apache's children and its parent share more, so that there is something to be kept from the groups."""
    boards = []
    for path in ("/", "/second"):
        worker = server.client().get(path).json()["pid"]
        keeper = processes.inspect(worker).parent
        assert len(shared(worker)) == 1, path
        assert shared(keeper) == shared(worker)
        boards += shared(worker)
    assert len(set(boards)) == 2
    assert len(shared(server.pid)) >= len(boards) + 1
    assert set(boards) < shared(server.pid)


def test_at_the_start(server):
    check(server)


def test_after_a_restart(server):
    check(server)
    before = server.daemon_pids()
    server.graceful()
    server.wait_until(lambda: not any(map(processes.alive, before)), 20, "the end of the first generation")
    check(server)


def test_after_the_death_of_a_keeper(server):
    check(server)
    before = server.daemon_pids()
    for keeper in server.daemon_pids(keepers=True):
        os.kill(keeper, 9)
    server.log.expect("WSGI0257", "site")
    server.log.expect("WSGI0257", "second")
    server.wait_until(lambda: not any(map(processes.alive, before)), 20, "the end of the old workers")
    check(server)
