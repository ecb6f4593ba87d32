"""A real Apache with the module loaded, from start to what it must not leave behind."""
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Dict, List, Optional, Set

from harness import apache, processes
from harness.client import Client
from harness.config import Site, render
from harness.errorlog import ErrorLog
from harness.waiting import wait_until

APPS = Path(__file__).resolve().parents[1] / "apps"
START_SECONDS = 30
STOP_SECONDS = 30
PORT_ATTEMPTS = 5


class StartError(RuntimeError):
    """Apache did not start; carries its output and log."""


def free_port() -> int:
    """A port nobody listens on now; it can be lost until Apache binds it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_readable(folder: Path) -> None:
    """Let Apache's account read what lies in ``folder``, whatever the umask."""
    for path, _, files in os.walk(str(folder)):
        os.chmod(path, 0o755)
        for name in files:
            os.chmod(os.path.join(path, name), 0o644)


class Server:
    """One Apache. Use through the fixtures ``make_server`` and ``fresh_server``.

    Attributes:
        root: folder with ``httpd.conf``, ``logs``, ``run``, ``apps`` (a copy of tests/apps) and ``htdocs``.
        port, log, site: see there.
    """

    def __init__(self, site: Site, module: Optional[Path]):
        self.site = site
        self.module = module
        self.root = Path(tempfile.mkdtemp(prefix="ap-"))
        self.log = ErrorLog(self.root / "logs" / "error.log")
        self.port = 0
        self.process: Optional[subprocess.Popen] = None
        self.variables: Dict[str, str] = {} # further ones of its environment
        self.made_by: Set[int] = set() # every parent this server had: creators of shared segments
        self.lay_out()

    def lay_out(self) -> None:
        """Make the folders and copy the applications."""
        self.root.chmod(0o755)
        for name in ("logs", "run", "htdocs"):
            (self.root / name).mkdir()
            (self.root / name).chmod(0o755)
        shutil.copytree(str(APPS), str(self.root / "apps"), ignore=shutil.ignore_patterns("__pycache__"))
        (self.root / "mime.types").write_text("text/plain txt\ntext/html html\ntext/css css\n")
        (self.root / "htdocs" / "static.txt").write_text("static\n")
        make_readable(self.root / "apps")
        make_readable(self.root / "htdocs")
        (self.root / "mime.types").chmod(0o644)

    def data_folder(self, name: str = "data") -> Path:
        """A folder that the application may write to."""
        folder = self.root / name
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)
        return folder

    # Configuration

    @property
    def conf(self) -> Path:
        return self.root / "httpd.conf"

    def write_config(self) -> None:
        """Write ``httpd.conf`` anew from ``site``; takes effect with the next start or restart."""
        self.conf.write_text(render(self.site, self.root, self.port, self.module).replace("{root}", str(self.root)))
        self.conf.chmod(0o644)

    def command(self, *words: str) -> List[str]:
        return [apache.program(), "-d", str(self.root), "-f", str(self.conf), *words]

    def environment(self) -> dict:
        """Of the server process: little, the same everywhere, and with the mark that its processes are found by."""
        kept = {name: os.environ[name] for name in ("PATH", "TZ", "ASAN_OPTIONS", "UBSAN_OPTIONS")
                if name in os.environ}
        if "WSGI_PRELOAD" in os.environ: # for Apache alone
            kept["LD_PRELOAD"] = os.environ["WSGI_PRELOAD"]
        wanted = {**kept, "LANG": "C", processes.MARK: str(self.root), **self.variables}
        if "WSGI_PRELOAD" in os.environ and "LD_PRELOAD" in self.variables:
            wanted["LD_PRELOAD"] = os.environ["WSGI_PRELOAD"] + ":" + self.variables["LD_PRELOAD"]
        return wanted

    def check_config(self) -> subprocess.CompletedProcess:
        """``apache2 -t``: exit code and the output in ``stdout``."""
        if not self.port:
            self.port = free_port()
        self.write_config()
        return subprocess.run(self.command("-t"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=self.environment(),
                              universal_newlines=True, timeout=60)

    # Life

    def start(self) -> "Server":
        """Start and wait until connections are accepted; another port is taken when the first was lost."""
        for _ in range(PORT_ATTEMPTS):
            self.port = free_port()
            self.write_config()
            output = open(str(self.root / "logs" / "output"), "ab")
            with output:
                self.process = subprocess.Popen(self.command("-DFOREGROUND"), stdin=subprocess.DEVNULL, stdout=output,
                                                stderr=output, env=self.environment(), cwd="/", start_new_session=True)
            self.made_by.add(self.process.pid)
            if self.came_up():
                return self
            if "Address already in use" not in self.output() + self.log.all():
                break
        text = "{}\n{}".format(self.output(), self.log.all())[-4000:]
        self.destroy()
        raise StartError("Apache did not start:\n" + text)

    def output(self) -> str:
        """What Apache wrote to its standard streams."""
        return (self.root / "logs" / "output").read_text(errors="replace")

    def came_up(self) -> bool:
        """Wait for the pid file, which is written after all is set up, and for the port. False when the process ended."""
        pid_file = self.root / "run" / "httpd.pid"
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                return False
            if pid_file.exists() and self.accepts():
                return True
            time.sleep(0.02)
        return False

    def accepts(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        except OSError:
            return False
        return True

    @property
    def pid(self) -> int:
        """Of the Apache parent."""
        return self.process.pid

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def graceful(self, wait: bool = True) -> None:
        """SIGUSR1, as ``apachectl graceful`` sends it; waits until the new configuration is in force."""
        self.restart_by(signal.SIGUSR1, wait)

    def restart(self, wait: bool = True) -> None:
        """SIGHUP, as ``apachectl restart`` sends it."""
        self.wait_idle()
        self.restart_by(signal.SIGHUP, wait)

    def restart_by(self, number: int, wait: bool) -> None:
        self.write_config()
        pattern = r"AH00489|AH00163|AH00292|resuming normal operations"
        # Before its first such line Apache has not installed its handlers, and the signal would end it.
        wait_until(lambda: re.search(pattern, self.log.all()), START_SECONDS, "Apache to take signals")
        before = len(re.findall(pattern, self.log.all()))
        self.signal(number)
        if wait:
            wait_until(lambda: len(re.findall(pattern, self.log.all())) > before, START_SECONDS, "restart of Apache")
            wait_until(self.accepts, START_SECONDS, "port open after restart")

    def wait_idle(self) -> None:
        """Wait for connections to be closed, if they are about to be.

        The event MPM of Apache 2.4.71 can crash when it stops while a worker frees a connection: its main thread then
        closes the socket of that connection a second time.
        """
        deadline = time.monotonic() + 1
        while processes.open_connections(self.port) and time.monotonic() < deadline:
            time.sleep(0.01)

    def stop(self) -> None:
        """TERM, wait for the end, and fail when something of the server is still there."""
        if self.process is None:
            return
        problems = []
        if self.process.poll() is None:
            self.wait_idle()
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                problems.append("Apache did not stop within {} s of SIGTERM".format(STOP_SECONDS))
        problems += self.leftovers()
        problems += self.log.unexpected()
        log = self.log.all()[-6000:]
        self.destroy()
        assert not problems, "\n".join(problems + ["the log ended with:", log])

    def leftovers(self) -> List[str]:
        """What is still there of a server that ended."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self.processes():
            time.sleep(0.02)
        return (["process left behind: {}".format(entry) for entry in self.processes()]
                + ["socket left behind: {}".format(path) for path in self.sockets()]
                + ["shared memory left behind: {}".format(line) for line in processes.shared_segments(self.made_by)])

    def destroy(self) -> None:
        """End all processes of the server, by pid, and remove its folder."""
        for entry in self.processes():
            try:
                os.kill(entry.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if self.process is not None:
            self.process.wait()
            self.process = None
        shutil.rmtree(str(self.root), ignore_errors=True)

    def verify(self) -> None:
        """Fail on what the log holds beyond what the test expected. The fixtures call it after each test."""
        problems = self.log.unexpected() if self.process is not None else []
        assert not problems, "not expected in the log of this server:\n" + "\n".join(problems)

    # Looking inside

    def client(self) -> Client:
        return Client(self.port)

    def processes(self) -> List[processes.Process]:
        """All running processes of the server, the parent included."""
        if self.process is None:
            return []
        return processes.belonging_to(self.process.pid, str(self.root))

    def sockets(self) -> List[str]:
        """Socket files and lock files in the run folder."""
        return sorted(str(path) for path in (self.root / "run").glob("wsgi*"))

    def request_sockets(self) -> List[str]:
        """Those that Apache sends requests to; each has one for orders beside it."""
        paths = self.sockets()
        return [path for path in paths if path.endswith(".sock") and path[:-len(".sock")] + ".ctl.sock" in paths]

    def daemon_pids(self, keepers: bool = False) -> Set[int]:
        """Pids of the daemon processes that run Python: grandchildren of the parent, children of a keeper.

        Args:
            keepers: give their parents instead.
        """
        entries = {entry.pid: entry for entry in self.processes()}
        workers = {pid for pid, entry in entries.items() if entry.parent in entries and entry.parent != self.pid
                   and entries[entry.parent].parent == self.pid}
        workers = {pid for pid in workers if self.is_worker(pid)}
        return {entries[pid].parent for pid in workers} if keepers else workers

    @staticmethod
    def is_worker(pid: int) -> bool:
        """Whether a process has the bridge mapped: only those that run Python load it."""
        return b"wsgi_bridge." in processes.read_file(pid, "maps")

    def access_log(self) -> List[str]:
        """Lines ``status bytes "request line" connection-state``."""
        return (self.root / "logs" / "access.log").read_text(errors="replace").splitlines()

    def edit_app(self, name: str, old: str, new: str) -> None:
        """Replace a text in the server's copy of an application, with a modification time that differs."""
        path = self.root / "apps" / name
        text = path.read_text()
        assert old in text, "{!r} is not in {}".format(old, name)
        self.write_app(name, text.replace(old, new))

    def write_app(self, name: str, text: str) -> None:
        """Write an application file in one step, as an editor or a deployment does."""
        path = self.root / "apps" / name
        stamp = path.stat().st_mtime_ns + 1_000_000_000 if path.exists() else None
        draft = path.with_name(path.name + ".new")
        draft.write_text(text)
        draft.chmod(0o644)
        if stamp is not None:
            os.utime(str(draft), ns=(stamp, stamp))
        os.replace(str(draft), str(path))

    def touch_app(self, name: str) -> None:
        """Change the modification time only."""
        path = self.root / "apps" / name
        stamp = path.stat().st_mtime_ns + 1_000_000_000
        os.utime(str(path), ns=(stamp, stamp))

    @staticmethod
    def wait_until(condition, seconds: float = 10, what: str = ""):
        return wait_until(condition, seconds, what)
