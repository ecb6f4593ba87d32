"""What the processes of groups have open: their own, and nothing that is the parent's or somebody else's."""
import os
import re

import pytest

from harness import processes

HOST = ("<VirtualHost *>\nServerName {0}.example.com\nErrorLog logs/{0}-error.log\nCustomLog logs/{0}-access.log tests\n"
        "WSGIDaemonProcess {0} threads=1\n<Location /{0}>\nWSGIProcessGroup {0}\n</Location>\n</VirtualHost>\n")


def open_in(pid):
    """What each descriptor of a process leads to."""
    found = {}
    for name in os.listdir("/proc/{}/fd".format(pid)):
        try:
            found[int(name)] = os.readlink("/proc/{}/fd/{}".format(pid, name))
        except OSError:
            continue
    return found


def listening_inodes():
    """Inodes of all listening sockets, of TCP and of UNIX sockets."""
    inodes = set()
    for name in ("tcp", "tcp6"):
        with open("/proc/net/" + name) as file:
            inodes |= {line.split()[9] for line in list(file)[1:] if line.split()[3] == "0A"}
    with open("/proc/net/unix") as file:
        inodes |= {line.split()[6] for line in list(file)[1:] if int(line.split()[3], 16) & 0x10000}
    return {"socket:[{}]".format(inode) for inode in inodes}


@pytest.fixture(scope="module")
def server(make_server):
    """Two hosts with groups and logs of their own, piped logs, a group of the main server."""
    server = make_server("process.wsgi", mode="daemon", config=(
        'CustomLog "|/bin/cat >>{root}/logs/piped" tests\n' + HOST.format("one") + HOST.format("two")
        + '<VirtualHost *>\nServerName three.example.com\nErrorLog "|/bin/cat >>{root}/logs/three-error.log"\n</VirtualHost>\n'))
    server.wait_until(lambda: len(server.daemon_pids()) == 3, 20, "all groups")
    return server


def pids_of_groups(server):
    """(keeper, worker) by the name of the group, which the log tells."""
    started = re.findall(r"\[pid (\d+)[^\n]*Starting a process of daemon process group '(\w+)'", server.log.all())
    workers = {name: int(pid) for pid, name in started} # of several the last
    return {name: (processes.inspect(pid).parent, pid) for name, pid in workers.items()}


def counts(server):
    return {name: [len(open_in(pid)) for pid in pair] for name, pair in pids_of_groups(server).items()}


def settled(server):
    """The counts when no connection is about to be closed any more: the same three times in a row."""
    seen = []

    def is_steady():
        seen.append(counts(server))
        return len(seen) >= 3 and seen[-1] == seen[-2] == seen[-3]

    server.wait_until(is_steady, 20, "descriptors that stay")
    return seen[-1]


def files_of(pid):
    """Names of the regular files in the server's folder that a process has open."""
    return {os.path.basename(target) for target in open_in(pid).values() if "/logs/" in target}


@pytest.mark.parametrize("group, logs", [
    ("site", {"one-error.log", "two-error.log"}), # every host may use it and have its messages
    ("one", {"one-error.log"}),
    ("two", {"two-error.log"}),
])
def test_logs(server, group, logs):
    """The main error log is standard error; an access log is nobody's but Apache's."""
    keeper, worker = pids_of_groups(server)[group]
    assert files_of(worker) - {"output", "error.log"} == logs
    assert files_of(keeper) - {"output", "error.log"} == logs
    if group != "site":
        assert "error.log" not in files_of(worker)


def test_pipes_of_the_parent(server):
    """Those of piped logs above all: a logger ends when the last process that holds the pipe is gone."""
    parents = {target for target in open_in(server.pid).values() if target.startswith("pipe:")}
    for group, (keeper, worker) in pids_of_groups(server).items():
        shared = [target for target in open_in(worker).values() if target in parents]
        if group == "site": # the error log of the third host is a pipe, and it may use this group
            assert len(shared) == 1
        else:
            assert not shared
        assert len([target for target in open_in(keeper).values() if target in parents]) == len(shared) + 1 # its life line


def test_listeners(server):
    """One, its own group's, and in a keeper that for orders: neither Apache's port nor the socket of another group."""
    listening = listening_inodes()
    seen = set()
    for keeper, worker in pids_of_groups(server).values():
        own = [target for target in open_in(worker).values() if target in listening]
        assert len(own) == 1
        kept = [target for target in open_in(keeper).values() if target in listening]
        assert len(kept) == 2 and set(own) < set(kept)
        seen.update(kept)
    assert len(seen) == 6


def test_sockets_of_others(server):
    """Of sockets a worker has its listener and its end to its keeper, which has one to the parent and one for orders as well."""
    for keeper, worker in pids_of_groups(server).values():
        sockets = {pid: {target for target in open_in(pid).values() if target.startswith("socket:")} for pid in (keeper, worker)}
        assert len(sockets[worker]) == 2 and len(sockets[keeper]) == 4
        assert len(sockets[worker] & sockets[keeper]) == 1


def test_other_generations(fresh_server):
    """After a graceful restart nothing of the generation before is open in the new processes."""
    server = fresh_server("process.wsgi", mode="daemon", config=HOST.format("one"))
    server.wait_until(lambda: len(server.daemon_pids()) == 2, 20, "all groups")

    def ask(): # each group has done all that it does once, and has a connection to a child
        server.client().get("/")
        server.client().get("/one", host="one.example.com")

    ask()
    first = settled(server)
    for _ in range(3):
        before = server.daemon_pids()
        server.graceful()
        server.wait_until(lambda: not any(map(processes.alive, before)) and len(server.daemon_pids()) == 2, 20, "the new generation")
    ask()
    server.wait_until(lambda: counts(server) == first, 10, "as many descriptors as before")
