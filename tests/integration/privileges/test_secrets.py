"""The secret by which a group knows that a request comes from Apache: who holds it and where it must not be seen."""
import os
import re

import pytest

from harness import processes

pytestmark = [pytest.mark.root, pytest.mark.plain_memory]

BEGINNING = bytes(byte ^ 32 for byte in b"zyxwvutsrqponmlkjihgfedcbazyxwv") # as faults.c makes them; a number follows


def secret(number):
    return BEGINNING + str(number).encode()


def memory_of(pid):
    """All that a process can write to, and so all that it may have copied."""
    with open("/proc/{}/maps".format(pid)) as file:
        areas = [re.match(r"([0-9a-f]+)-([0-9a-f]+) rw.p", line) for line in file]
    found = []
    with open("/proc/{}/mem".format(pid), "rb", 0) as memory:
        for area in filter(None, areas):
            start, end = (int(text, 16) for text in area.groups())
            try:
                memory.seek(start)
                found.append(memory.read(end - start))
            except (OSError, ValueError): # vvar and the like
                continue
    return b"".join(found)


def holds(pid, number):
    return secret(number) in memory_of(pid)


@pytest.fixture
def server(faulty):
    return faulty.start(["random * 0"])


def workers_of(server):
    """Pid of one worker of each group, ``broken`` first."""
    return [server.client().get(path).json()["pid"] for path in ("/broken", "/")]


def test_each_group_knows_its_own_secret_only(server):
    """Group n has secret n: they are made in the order of the configuration."""
    before = workers_of(server)
    server.graceful() # keepers of a later generation inherit more of what the parent has had
    server.wait_until(lambda: not any(map(processes.alive, before)), 20, "the end of the first generation")
    for number, worker in enumerate(workers_of(server), 1):
        keeper = processes.inspect(worker).parent
        for pid in (worker, keeper):
            assert holds(pid, number)
            assert not holds(pid, 3 - number), "process {} knows the secret of the other group".format(pid)
    assert holds(server.pid, 1) and holds(server.pid, 2)


def test_a_keeper_that_is_replaced_knows_its_own_secret_only(server):
    workers = workers_of(server)
    keepers = [processes.inspect(worker).parent for worker in workers]
    for keeper in keepers:
        os.kill(keeper, 9)
    server.log.expect("WSGI0257", "broken")
    server.log.expect("WSGI0257", "other")
    server.log.allow("WSGI0146", "WSGI0116")
    server.wait_until(lambda: not any(map(processes.alive, workers)), 20, "the end of the old workers")
    for number, worker in enumerate(workers_of(server), 1):
        for pid in (worker, processes.inspect(worker).parent):
            assert holds(pid, number) and not holds(pid, 3 - number)


def test_secrets_are_in_no_environment_command_line_or_log(server):
    """Neither as bytes nor written out."""
    before = workers_of(server)
    server.site.wsgi_level = "trace8"
    server.graceful()
    server.wait_until(lambda: not any(map(processes.alive, before)), 20, "the end of the first generation")
    workers_of(server)
    for number in (1, 2):
        forms = (secret(number), secret(number).hex().encode(), secret(number).hex().upper().encode())
        for entry in server.processes():
            for name in ("environ", "cmdline", "comm"):
                assert not any(form in processes.read_file(entry.pid, name) for form in forms)
        for path in [*(server.root / "logs").iterdir(), server.conf]:
            assert not any(form in path.read_bytes() for form in forms), path
    assert BEGINNING[:8].decode() not in repr(server.client().get("/environ").json())
