"""The servers under measurement: an Apache each, with the same settings, and behind some of them a server of another kind."""
import http.client
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import List, Optional

import peer
from bench import cases, environments
from common import make
from harness import apache, processes
from harness.client import Connection, Response
from harness.config import Site
from harness.server import Server, free_port, make_readable
from harness.waiting import wait_until

HERE = Path(__file__).resolve().parent
CERTIFICATE = HERE.parent / "harness" / "localhost.pem"
THREADS = 15
COMMON = """
KeepAliveTimeout 60
ServerLimit 1
H2MaxWorkerIdleSeconds 600
Listen 127.0.0.1:{tls} https
<VirtualHost *:{tls}>
  ServerName localhost
  SSLEngine on
  SSLCertificateFile {certificate}
  Protocols h2 http/1.1
</VirtualHost>
<Directory />
  Options FollowSymLinks
  AllowOverride None
</Directory>
<Directory {data}>
  Require all granted
</Directory>
"""
MODULES = ("ssl", "socache_shmcb", "http2")
START_SECONDS = 30


def finish(server: Server) -> None:
    """Stop it. What the harness has to complain of is told; the figures stay good."""
    try:
        server.stop()
    except AssertionError as error:
        print("at the end of {}: {}".format(server.module, str(error).splitlines()[0]), file=sys.stderr)
    finally:
        server.destroy()


class Subject:
    """One server, and Apache alone when nothing else is said.

    Attributes:
        name: as in ``cases.EVERYBODY``.
        workers: processes of the group.
    """

    lines = ""
    modules: tuple = ()

    def __init__(self, name: str, workers: int = 1):
        self.name = name
        self.workers = workers
        self.tls = free_port()
        self.apache = self.make_apache()
        self.lay_out_apps()

    def site(self) -> dict:
        config = COMMON.format(tls=self.tls, certificate=CERTIFICATE, data=environments.FOLDER)
        return {"children": 1, "threads": cases.APACHE_THREADS, "access_log": False, "wsgi_level": "warn", "config": config,
                "modules": (*MODULES, *self.modules)}

    def make_apache(self) -> Server:
        return Server(Site(**self.site()), None)

    def lay_out_apps(self) -> None:
        """Put the application, and what it sends, beside the others of the tests."""
        apps = self.apache.root / "apps"
        shutil.copy(str(HERE / "apps" / "bench.py"), str(apps / "bench.py"))
        (apps / "big.bin").symlink_to(environments.big_file())
        (self.apache.root / "htdocs" / "small").write_bytes(b"Hello, World\n")
        make_readable(apps)
        make_readable(self.apache.root / "htdocs")

    def start(self) -> "Subject":
        self.apache.site.config += self.lines
        self.apache.start()
        wait_until(self.answers, START_SECONDS, "an answer of " + self.name)
        return self

    def answers(self) -> bool:
        return self.ask("GET", "/small").status == 200

    def stop(self) -> None:
        finish(self.apache)

    def url(self, path: str, tls: bool = False) -> str:
        return "https://127.0.0.1:%d%s" % (self.tls, path) if tls else "http://127.0.0.1:%d%s" % (self.apache.port, path)

    def ask(self, method: str, path: str, body=None, tls: bool = False) -> Response:
        with Connection(self.tls if tls else self.apache.port, timeout=120) as connection:
            if tls:
                context = ssl.create_default_context(cafile=str(CERTIFICATE))
                context.check_hostname = False
                connection.http = http.client.HTTPSConnection("127.0.0.1", self.tls, timeout=120, context=context)
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            return connection.request(method, path, body=body, headers=headers)

    def group(self) -> List[int]:
        """Pids of the processes that run the application and of those that watch them."""
        return []

    def everything(self) -> List[int]:
        """Pids of all processes, Apache's included."""
        return [entry.pid for entry in self.apache.processes()]


class Handler(Subject):
    """13 bytes by a module written in C: what Apache allows."""

    def make_apache(self) -> Server:
        self.lines = "LoadModule bench_ceiling_module {}\n<Location />\n  SetHandler bench-ceiling\n</Location>\n".format(environments.ceiling())
        return super().make_apache()


class Static(Subject):
    """The same as files."""

    def make_apache(self) -> Server:
        self.lines = "Alias /file {}\n".format(environments.big_file())
        return super().make_apache()


class Wsgi(Subject):
    """This module or the other one of that name."""

    module: Optional[Path] = None

    def make_apache(self) -> Server:
        mode = self.name.rpartition("-")[2]
        group = {"processes": self.workers, "threads": THREADS} if mode == "daemon" else {}
        server = make(apps={"/": "bench.py"}, mode=mode, before="WSGIChunkedRequest On\n", daemon=group, python_home=str(environments.peers()), **self.site())
        server.module = self.module or server.module
        return server

    def group(self) -> List[int]:
        return sorted(self.apache.daemon_pids() | self.apache.daemon_pids(keepers=True))


class Other(Wsgi):
    """mod_wsgi 6.1.1."""

    def make_apache(self) -> Server:
        self.module = peer.shared_object()
        return super().make_apache()

    def group(self) -> List[int]:
        """Ask who answers, until as many as there should be have done so: they look like Apache's own processes."""
        seen = set()

        def complete() -> bool:
            seen.update(int(self.ask("GET", "/process").body) for _ in range(4))
            return len(seen) >= self.workers
        if self.name.endswith("daemon"):
            wait_until(complete, START_SECONDS, "all processes of " + self.name)
        return sorted(seen)


class Proxied(Subject):
    """A server of its own, behind Apache."""

    modules = ("proxy", "proxy_http")

    def make_apache(self) -> Server:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="bench-"))
        shutil.chown(str(self.folder), apache.account().pw_uid, apache.account().pw_gid)
        self.process: Optional[subprocess.Popen] = None
        self.lines = "ProxyPass / http://127.0.0.1:{}/\n".format(self.port)
        return super().make_apache()

    def command(self, program: Path) -> List[str]:
        raise NotImplementedError

    def start(self) -> "Subject":
        account = apache.account()
        program = environments.peers() / "bin"
        with open(str(self.apache.root / "logs" / "backend"), "wb") as log:
            self.process = subprocess.Popen(self.command(program), cwd=str(self.apache.root / "apps"), stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, start_new_session=True, env=self.environment(),
                                            **({"user": account.pw_uid, "group": account.pw_gid} if os.getuid() == 0 else {}))
        return super().start()

    def environment(self) -> dict:
        return {"PATH": os.environ["PATH"], "LANG": "C", processes.MARK: str(self.folder), "HOME": str(self.folder)}

    def answers(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError("{} ended:\n{}".format(self.name, (self.apache.root / "logs" / "backend").read_text(errors="replace")[-2000:]))
        return super().answers()

    def group(self) -> List[int]:
        return [entry.pid for entry in processes.belonging_to(self.process.pid, str(self.folder))]

    def everything(self) -> List[int]:
        return super().everything() + self.group()

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                pass
            for pid in self.group():
                os.kill(pid, signal.SIGKILL)
            self.process.wait()
        shutil.rmtree(str(self.folder), ignore_errors=True)
        super().stop()


class Uwsgi(Proxied):
    modules = ("proxy", "proxy_uwsgi")

    def command(self, program: Path) -> List[str]:
        self.lines = "ProxyPass / unix:{}/socket|uwsgi://localhost/\n".format(self.folder)
        return [str(program / "uwsgi"), "--socket", str(self.folder / "socket"), "--home", str(program.parent), "--wsgi-file", "bench.py",
                "--master", "--processes", str(self.workers), "--threads", str(THREADS), "--disable-logging", "--need-app", "--die-on-term"]


class Gunicorn(Proxied):
    def command(self, program: Path) -> List[str]:
        return [str(program / "gunicorn"), "--worker-class", "gthread", "--workers", str(self.workers), "--threads", str(THREADS),
                "--keep-alive", "75", "--log-level", "warning", "--bind", "127.0.0.1:%d" % self.port, "bench:application"]


class Granian(Proxied):
    def command(self, program: Path) -> List[str]:
        return [str(program / "granian"), "--interface", "wsgi", "--workers", str(self.workers), "--blocking-threads", str(THREADS),
                "--log-level", "warning", "--host", "127.0.0.1", "--port", str(self.port), "bench:application"]


KINDS = {"c-handler": Handler, "static": Static, "embedded": Wsgi, "daemon": Wsgi, "6.1.1-embedded": Other, "6.1.1-daemon": Other,
         "uwsgi": Uwsgi, "gunicorn": Gunicorn, "granian": Granian}


def make_subject(name: str, workers: int = 1) -> Subject:
    """A server, laid out but not running."""
    return KINDS[name](name, workers)
