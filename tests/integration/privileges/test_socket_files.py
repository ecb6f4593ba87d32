"""The files of sockets: who may use them, and what root does not do to files that somebody else put in their place."""
import errno
import os
import socket
import stat

import pytest

from harness import apache

pytestmark = pytest.mark.root


def path_of(server, group_id, generation=0):
    """Socket of a group under ``WSGISocketRotation On``."""
    return server.root / "run" / "wsgi.{}.{}.{}.sock".format(server.pid, generation, group_id)


def named_sockets(path):
    """How many sockets of the system are bound to a path, also a path that leads to another file by now."""
    with open("/proc/net/unix") as file:
        return sum(line.split()[7:] == [str(path)] for line in file)


def serves_other(server):
    assert server.client().get("/").status == 200


def make_victim(faulty_root):
    """A file of root that nobody else may have."""
    victim = faulty_root / "victim"
    victim.write_text("secret\n")
    victim.chmod(0o600)
    return victim


def is_untouched(victim):
    info = victim.lstat()
    return victim.read_text() == "secret\n" and (info.st_uid, stat.S_IMODE(info.st_mode)) == (0, 0o600)


def reopen(faulty):
    """Restart gracefully with a group ``broken`` that needs another socket."""
    server = faulty.server
    server.site.config = server.site.config.replace("broken user", "broken listen-backlog=77 user")
    server.graceful()


@pytest.mark.parametrize("options, owner", [("", None), ("socket-user=daemon", "daemon")])
def test_owner_and_mode(faulty, options, owner):
    server = faulty.start(options=options)
    info = path_of(server, 1).lstat()
    wanted = apache.account().pw_uid if owner is None else apache.pwd.getpwnam(owner).pw_uid
    assert stat.S_ISSOCK(info.st_mode)
    assert stat.S_IMODE(info.st_mode) & 0o077 == 0
    assert info.st_uid == wanted
    if owner:
        server.log.allow("WSGI0117")
        assert server.client().get("/broken").status == 503
        server.log.expect("WSGI0117")


@pytest.mark.parametrize("rule", ["swap-symlink", "swap-hardlink", "open-to-all"])
def test_file_changed_between_bind_and_chown(faulty, rule):
    """Whoever can write to the folder cannot have root give a file away that is not the socket."""
    server = faulty.start(["{} .1.sock 0".format(rule)], prepare=lambda made: made.variables.update(
        WSGI_TEST_VICTIM=str(make_victim(made.root))))
    server.log.expect("WSGI0261", "broken")
    assert is_untouched(server.root / "victim")
    assert server.client().get("/broken").status == 503
    server.log.expect("WSGI0280")
    serves_other(server)
    path_of(server, 1).unlink()


@pytest.mark.parametrize("kind", ["symlink", "dangling symlink", "socket of another", "socket of nobody"])
def test_something_that_can_be_removed_is_in_the_way(faulty, kind):
    server = faulty.start()
    victim, path = make_victim(server.root), path_of(server, 1, generation=1)
    listening = None
    if kind == "symlink":
        path.symlink_to(victim)
    elif kind == "dangling symlink":
        path.symlink_to(server.root / "nothing")
    else:
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(path))
        os.chown(str(path), faulty.account.pw_uid, -1)
        if kind == "socket of another":
            listening.listen()
        else:
            listening.close()
    reopen(faulty)
    server.log.expect("WSGI0065", "Removing")
    server.wait_until(lambda: server.client().get("/broken").status == 200, 20, "an answer of the group")
    assert is_untouched(victim)
    assert not (server.root / "nothing").exists()
    info = path.lstat()
    assert stat.S_ISSOCK(info.st_mode) and info.st_uid == apache.account().pw_uid
    if listening is not None:
        listening.close()
    server.log.allow("WSGI0116", "WSGI0117")


@pytest.mark.parametrize("kind", ["file", "folder", "fifo"])
def test_something_that_is_no_socket_is_in_the_way(faulty, kind):
    server = faulty.start()
    path = path_of(server, 1, generation=1)
    {"file": lambda: path.write_text("precious\n"), "folder": path.mkdir, "fifo": lambda: os.mkfifo(str(path))}[kind]()
    before = path.lstat()
    reopen(faulty)
    server.log.expect("WSGI0013", str(path))
    after = path.lstat()
    assert (before.st_ino, before.st_uid, before.st_mode) == (after.st_ino, after.st_uid, after.st_mode)
    assert server.client().get("/broken").status == 503
    server.log.expect("WSGI0280")
    serves_other(server)
    path.rmdir() if kind == "folder" else path.unlink()


def test_a_path_that_was_taken_over_is_not_removed(faulty):
    """Another server, say in another container with the same process ids, listens at the same path by now."""
    server = faulty.start()
    assert server.client().get("/broken").status == 200
    path = path_of(server, 1)
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        inode = path.lstat().st_ino
        reopen(faulty)
        server.wait_until(lambda: server.client().get("/broken").status == 200, 20, "an answer of the new generation")
        server.wait_until(lambda: named_sockets(path) == 1, 20, "the end of the old listener, after what is removed with it")
        assert path.lstat().st_ino == inode
    path.unlink()


@pytest.mark.parametrize("number", ["EPERM", "EROFS"])
def test_owner_cannot_be_changed(faulty, number):
    server = faulty.start(["fchownat {} {}".format(apache.account().pw_uid, getattr(errno, number))])
    for group_id in (1, 2):
        server.log.expect("WSGI0015", str(path_of(server, group_id)))
        assert not path_of(server, group_id).exists()
    for path in ("/broken", "/"):
        assert server.client().get(path).status == 503
    server.log.expect("WSGI0280")


def test_socket_cannot_be_removed(faulty):
    server = faulty.start()
    path = path_of(server, 1)
    assert server.client().get("/broken").status == 200
    faulty.inject("unlink {} {}".format(path, errno.EPERM))
    reopen(faulty)
    server.log.expect("WSGI0073", str(path))
    serves_other(server)
    path.unlink()


def test_folder_that_the_children_of_apache_cannot_search(faulty):
    """Root makes the socket, but the account that has to connect cannot reach it."""
    server = faulty.start()
    (server.root / "run").chmod(0o700)
    try:
        assert server.client().get("/broken").status == 503
        server.log.expect("WSGI0117", "uid|user id")
    finally:
        (server.root / "run").chmod(0o755)
    assert server.client().get("/broken").status == 200
