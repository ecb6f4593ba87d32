"""A bridge in a process of its own: build it, send commands, read answers."""
import contextlib
import fcntl
import json
import os
import pathlib
import subprocess
import tempfile
import time
from typing import Callable, Dict, Iterator, List, Optional

HERE = pathlib.Path(__file__).resolve().parent
APPS = HERE / "apps"

# Values of wsgi_outcome_t and wsgi_log_level_t.
DONE, FAILED, NO_CALLABLE, TIMED_OUT, TRUNCATED, REJECTED = range(6)
CRIT, ERR, WARNING, INFO, DEBUG, TRACE1 = 2, 3, 4, 6, 7, 8


def ask(python: str, expression: str) -> str:
    return subprocess.run([python, "-c", "import sys, sysconfig; print(%s)" % expression], check=True,
                          stdout=subprocess.PIPE, universal_newlines=True).stdout.strip()


class Build:
    """Bridge and host program for one Python; made once, however many pytest processes ask for it."""

    def __init__(self, python: str):
        self.python = python
        self.soabi = ask(python, "sysconfig.get_config_var('SOABI')")
        self.prefix = ask(python, "sys.prefix")
        self.version = tuple(int(part) for part in ask(python, "'%d.%d' % sys.version_info[:2]").split("."))
        self.settings = list(filter(None, os.environ.get("WSGI_TEST_SETTINGS", "").split(",")))
        self.can_be_free_threaded = self.soabi.split("-")[1].endswith("t")
        self.is_free_threaded = "free_threading=1" in self.settings
        self.sanitizer = os.environ.get("WSGI_TEST_SANITIZE", "") # 1: address and undefined behaviour; thread
        self.sanitized = bool(self.sanitizer)
        self.folder = HERE / "build" / (self.soabi + {"": "", "thread": "-threads"}.get(self.sanitizer, "-sanitized"))
        self.program = self.folder / "bridge_host"
        self.bridge = self.folder / ("wsgi_bridge.%s.so" % self.soabi)

    def make(self) -> "Build":
        (HERE / "build").mkdir(exist_ok=True)
        with open(HERE / "build" / ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            command = ["make", "-s", "-j2", "-C", str(HERE), "PYTHON=" + self.python]
            done = subprocess.run(command + ["SANITIZE=" + self.sanitizer], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, universal_newlines=True)
        assert done.returncode == 0, done.stdout
        return self


class Log:
    """One record that reached the error log."""

    def __init__(self, fields: Dict):
        self.scope, self.level, self.text = fields["scope"], fields["level"], utf8(fields["text"])
        self.plain, self.file, self.line = bool(fields["plain"]), utf8(fields["file"]), fields["line"]

    def __repr__(self):
        return "%s/%d%s %r" % (self.scope, self.level, "/plain" if self.plain else "", self.text)


def utf8(text: str) -> str:
    return text.encode("latin-1").decode("utf-8", "replace")


class Response:
    """What one request led to, and the records logged meanwhile."""

    def __init__(self, fields: Dict, logs: List[Log]):
        self.__dict__.update(fields)
        self.body = fields["body"].encode("latin-1")
        self.headers = [tuple(header) for header in fields["headers"]]
        self.logs = logs

    def header(self, name: str) -> Optional[str]:
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) < 2, values
        return values[0] if values else None

    def texts(self, level: int = ERR) -> List[str]:
        return [log.text for log in self.logs if log.level <= level]


class Host:
    def __init__(self, build: Build, stderr, settings: Dict):
        self.build = build
        self.stderr = stderr
        self.logs: List[Log] = []
        self.spawned: List[Dict] = []
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        environment.update(settings.pop("environment", {}))
        if build.sanitized:
            environment.update(PYTHONMALLOC="malloc", ASAN_OPTIONS="detect_leaks=0",
                               TSAN_OPTIONS="suppressions=" + str(HERE / "threads.supp"))
        self.process = subprocess.Popen([str(build.program), str(build.bridge)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=stderr, env=environment)
        self.ended = False
        self.command("setting python_home " + build.prefix)
        for setting in build.settings:
            self.command("setting " + setting.replace("=", " "))
        for scope in settings.pop("scopes", []):
            self.command("scope")
            for name, value in scope.items():
                self.command("scoped %s %s" % (name, value))
        for name, value in settings.items():
            self.command("setting %s %s" % (name, value))

    def command(self, line: str) -> List[Dict]:
        """Send a command, collect its log records, return its other answers."""
        self.process.stdin.write(line.encode("latin-1") + b"\n")
        self.process.stdin.flush()
        answers = []
        while True:
            raw = self.process.stdout.readline()
            assert raw, "the host ended with %s in %r\n%s" % (self.process.wait(), line, self.read_stderr())
            answer = json.loads(raw.decode("ascii"))
            if answer["type"] == "log":
                self.logs.append(Log(answer))
            elif answer["type"] == "response" and line != "run":
                self.spawned.append(answer) # of a request in the background, which ends when it likes
            elif answer["type"] == "done":
                return answers
            else:
                assert answer["type"] != "unknown", line
                answers.append(answer)

    def join(self) -> List[Dict]:
        """Wait for the requests in the background. Returns their responses."""
        self.command("join")
        taken, self.spawned = self.spawned, []
        return taken

    def wait_until(self, condition: Callable[[], bool], seconds: float = 120) -> None:
        """Wait for something that happens in the background, and collect log records meanwhile.

        Asks seldom enough to leave a lone processor to what is waited for.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.logs
            time.sleep(0.002)
            self.command("rss")

    def wait_for_log(self, text: str) -> None:
        self.wait_until(lambda: any(log.text == text for log in self.logs))

    def value(self, line: str) -> int:
        return self.command(line)[0]["value"]

    def read_stderr(self) -> str:
        self.stderr.seek(0)
        return self.stderr.read().decode("utf-8", "replace")

    def take_logs(self) -> List[Log]:
        taken, self.logs = self.logs, []
        return taken

    def start(self) -> "Host":
        assert self.value("start") == 0, self.logs
        return self

    def prepare(self, script, callable: str = "application", group: str = "", plan: Dict = {}, variables: Dict = {}):
        """Say what the next requests are."""
        self.command("route script %s" % script)
        self.command("route resource %s" % script)
        self.command("route callable_object " + callable)
        self.command("route application_group " + group)
        for name, value in plan.items():
            self.command("plan %s %s" % (name, value))
        for name, value in variables.items():
            self.command("var %s %s" % (name, value))

    def run(self, script, callable: str = "application", group: str = "", plan: Dict = {},
            variables: Dict = {}) -> Response:
        self.prepare(script, callable, group, plan, variables)
        self.take_logs()
        answers = self.command("run")
        return Response(answers[0], self.take_logs())

    def stop(self, reason: str = "") -> List[Log]:
        """End the process in good order."""
        self.take_logs()
        self.command("stopping " + reason)
        self.command("stop")
        self.close()
        return self.take_logs()

    def close(self) -> None:
        if not self.ended:
            self.ended = True
            self.process.stdin.close()
            try:
                status = self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
            finally:
                self.process.stdout.close()
            assert status == 0, "the host ended with %s\n%s" % (status, self.read_stderr())


@contextlib.contextmanager
def open_host(build: Build, **settings) -> Iterator[Host]:
    """A host whose bridge is started; settings are those of wsgi_runtime_settings_t."""
    with tempfile.TemporaryFile() as stderr:
        host = Host(build, stderr, settings)
        try:
            yield host.start()
        except BaseException:
            host.process.kill()
            host.process.wait()
            raise
        host.close()
        assert "Sanitizer" not in host.read_stderr() and "runtime error" not in host.read_stderr(), host.read_stderr()
