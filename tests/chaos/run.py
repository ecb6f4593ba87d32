"""Faults under load, for some seconds: every answer is right, every failure has its cause in the log, nothing is left over."""
import argparse
import os
import random
import re
import shutil
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Dict, List, Optional

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE.parent / "measure"))
sys.path.insert(0, str(HERE.parents[1] / "src" / "python"))

from chaos.clients import Crowd, Record  # noqa: E402
from common import make  # noqa: E402
from harness import processes  # noqa: E402
from harness.server import Server  # noqa: E402
from mod_wsgi.express import groups  # noqa: E402

LOST = re.compile(r"WSGI0(146|119|118|120|114|116|117|280): ")      # a request's own log says why it was lost
EXPLAINED = re.compile(r"WSGI0(146|119|250|252|253|256|257|258): ") # messages that the faults lead to


class Faults:
    """Does one thing after the other to a server."""

    def __init__(self, server: Server, dice: random.Random):
        self.server, self.dice = server, dice
        self.done = Counter()
        self.version = 0
        self.kinds = [self.graceful, self.touch, self.ask_to_leave, self.end, self.kill, self.crash, self.kill_keeper, self.reload, self.restart]
        self.weights = [3, 4, 3, 2, 2, 2, 1, 2, 2]

    def any(self) -> None:
        kind = self.dice.choices(self.kinds, self.weights)[0]
        try:
            kind()
        except (ProcessLookupError, IndexError):
            return # whom it was meant for is not there at the moment
        self.done[kind.__name__] += 1

    def worker(self, keepers: bool = False) -> int:
        return self.dice.choice(sorted(self.server.daemon_pids(keepers=keepers)))

    def graceful(self) -> None:
        self.server.signal(signal.SIGUSR1)

    def touch(self) -> None:
        self.server.edit_app("app.wsgi", "VERSION = %d" % self.version, "VERSION = %d" % (self.version + 1))
        self.version += 1

    def ask_to_leave(self) -> None:
        os.kill(self.worker(), signal.SIGUSR1)

    def end(self) -> None:
        os.kill(self.worker(), signal.SIGTERM)

    def kill(self) -> None:
        os.kill(self.worker(), signal.SIGKILL)

    def crash(self) -> None:
        os.kill(self.worker(), signal.SIGSEGV)

    def kill_keeper(self) -> None:
        os.kill(self.worker(keepers=True), signal.SIGKILL)

    def order(self, name: str) -> None:
        for path in groups.find_sockets([str(self.server.root / "run" / "wsgi")]):
            try:
                groups.ask(path, name)
            except OSError:
                pass # its keeper has just been killed

    def reload(self) -> None:
        self.order("reload")

    def restart(self) -> None:
        self.order("restart")


def start(options: Dict[str, str]) -> Server:
    server = make(apps={"/": "app.wsgi"}, mode="daemon", children=4, config="WSGIChunkedRequest On\nTimeout 30\n",
                  daemon={"processes": 2, "threads": 4, "graceful-timeout": 10, "maximum-requests": 400, "maximum-requests-jitter": 200, **options})
    shutil.copy(str(HERE / "app.wsgi"), str(server.root / "apps" / "app.wsgi"))
    (server.root / "apps" / "app.wsgi").chmod(0o644)
    return server.start()


def settle(server: Server) -> List[str]:
    """Wait until the group is complete and quiet; what is wrong then."""
    count = 3 if server.site.daemon.get("preload") == "On" else 2 # with the template
    try:
        server.wait_until(lambda: len(server.daemon_pids()) == count and len(server.daemon_pids(keepers=True)) == 1, 60, "one keeper and two workers")
    except AssertionError as error:
        return [str(error).splitlines()[0]]
    return [] if server.client().get("/?token=last").status == 200 else ["the last request failed"]


def judge(record: Record, log: str, faults: Counter) -> List[str]:
    """What breaks the rule."""
    problems = ["wrong answer to %s: %s" % (failure.what, failure.result) for failure in record.wrong]
    told = len(LOST.findall(log))
    if len(record.failed) > told:
        problems.append("%d requests failed, but the log explains %d: %s" % (len(record.failed), told, [failure.result for failure in record.failed[:10]]))
    fatal = faults["kill"] + faults["crash"] + faults["kill_keeper"] + faults["end"]
    if record.failed and not fatal:
        problems.append("%d requests failed although no process was killed" % len(record.failed))
    unknown = Counter(number for number in re.findall(r"WSGI0\d{3}(?=: )", log) if not EXPLAINED.match(number + ": "))
    if unknown:
        problems.append("messages nobody expected: %s" % dict(unknown))
    return problems


def finish(server: Server) -> List[str]:
    """Stop, and say what is left over; what the log has to say is judged elsewhere."""
    server.process.terminate()
    try:
        server.process.wait(40)
    except Exception: # noqa: BLE001  whatever it is, Apache did not stop
        return ["Apache did not stop"]
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and server.leftovers():
        time.sleep(0.1)
    return server.leftovers()


def run(seconds: float, seed: int, options: Optional[Dict[str, str]] = None) -> List[str]:
    """One session. Returns what breaks the rule, [] when all is well; prints counts.

    Args:
        options: further ones of the group.
    """
    server = start(options or {})
    crowd = Crowd(server, 10, seed)
    faults = Faults(server, random.Random(seed))
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(faults.dice.uniform(0.2, 1.5))
        faults.any()
    record = crowd.stop()
    problems = settle(server)
    log = server.log.all()
    problems += judge(record, log, faults.done) + finish(server)
    print("seed %d, %d s; requests: %s; failed: %s; faults: %s" % (
        seed, seconds, dict(sorted(record.right.items())), dict(Counter(failure.result for failure in record.failed)), dict(faults.done)))
    if problems:
        Path("/tmp/chaos-%d.log" % seed).write_text(log)
    server.destroy()
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev chaos", description=__doc__)
    parser.add_argument("seconds", nargs="?", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="of the group, e.g. preload=On; may be repeated")
    given = parser.parse_args()
    problems = run(given.seconds, given.seed, dict(word.split("=", 1) for word in given.option))
    print("\n".join(problems) if problems else "nothing unexplained")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
