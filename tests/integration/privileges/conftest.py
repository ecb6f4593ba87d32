"""Servers in which chosen system calls fail or lie, and somebody who watches what their processes are."""
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from harness import apache, processes
from harness.watcher import Watcher

CANDIDATES = ("nobody", "daemon", "bin", "games")


def accounts(count):
    """Unprivileged accounts other than Apache's."""
    found = []
    for name in CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid not in (0, apache.account().pw_uid) and entry.pw_gid != 0:
            found.append(entry)
    return found[:count]


@pytest.fixture(scope="session")
def library():
    """Path of the compiled ``faults.c``."""
    folder = Path(tempfile.mkdtemp(prefix="wsgi-faults-"))
    folder.chmod(0o755)
    target = folder / "faults.so"
    source = Path(__file__).with_name("faults.c")
    subprocess.run(["cc", "-D_GNU_SOURCE", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-o", str(target),
                    str(source), "-ldl"], check=True)
    target.chmod(0o755)
    yield target
    shutil.rmtree(str(folder), ignore_errors=True)


class Faulty:
    """A server with two groups: ``broken``, whose processes the faults are for, and ``other``, which is to notice nothing.

    Attributes:
        account: of the group ``broken``; no other process of the server has it.
        watcher: notes what each process of the server ever was.
    """

    def __init__(self, servers, library):
        self.servers = servers
        self.library = library
        self.account, = accounts(1)
        self.server = None
        self.watcher = None

    def start(self, faults=(), options="", config="", home="home={data}", prepare=None, **fields):
        """Start it.

        Args:
            faults: lines for ``faults.c``.
            options: further options of the group ``broken``; ``{data}`` is the folder that all may write to.
            config: further lines of the configuration.
            home: its working directory, for accounts without one.
            prepare: called with the server before it starts.
        """
        server = self.servers.site("identity.wsgi", mode="embedded", apps={"/broken": "identity.wsgi"}, **fields)
        data = server.data_folder()
        server.site.config = (
            "WSGIDaemonProcess broken user={user} group=#{gid} threads=2 socket-timeout=2 connect-timeout=2 {home} {options}\n"
            "WSGIDaemonProcess other threads=2\n"
            "WSGIRestrictEmbedded On\nWSGIProcessGroup other\n"
            "<Location /broken>\nWSGIProcessGroup broken\n</Location>\n"
            "{config}\n").format(
                user=self.account.pw_name, gid=self.account.pw_gid, options=options.format(data=data, root=server.root),
                home=home.format(data=data), root=server.root, config=config)
        server.variables = {"LD_PRELOAD": str(self.library), "WSGI_TEST_FAULTS": str(server.root / "faults")}
        if prepare is not None:
            prepare(server)
        self.server = server
        self.inject(*faults)
        self.watcher = Watcher(str(server.root))
        self.watcher.start()
        return server.start()

    def inject(self, *faults):
        """From now on these lines hold."""
        draft = self.server.root / "faults.new"
        draft.write_text("".join(line + "\n" for line in faults))
        draft.chmod(0o644)
        draft.replace(self.server.root / "faults")

    def identities(self):
        """What the application wrote down about each process that loaded it."""
        return sorted(self.server.data_folder().glob("loaded-*"))

    def keepers(self):
        """Pids of the children of the parent that run as the group ``broken``."""
        return {pid for pid in processes.children(self.server.pid)
                if str(self.account.pw_uid) in processes.status_field(pid, "Uid")}


@pytest.fixture
def faulty(fresh_server, library):
    made = Faulty(fresh_server, library)
    yield made
    if made.watcher is not None:
        made.watcher.stop()
