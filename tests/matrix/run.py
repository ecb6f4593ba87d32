"""The tests on every Python that is to be had, under every MPM: a table of what was seen.

Pythons: those on PATH, in ~/.pyenv, named with --python; and with --suite those of other suites of Debian, in a chroot, with that suite's
Apache, and its own Python built without GIL. A row is only what ran; a Python that could not be had is listed with the reason.
"""
import argparse
import fcntl
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import Dict, Iterator, List

sys.path.insert(0, str(Path(__file__).resolve().parent))

from freethreaded import free_threaded  # noqa: E402
from places import TOP, Place, debian, here  # noqa: E402
from rows import Ledger, Row, good, show  # noqa: E402

TESTS = ["tests/integration/" + name for name in ("request", "embedded", "daemon", "access", "frameworks")]
QUICK = ["tests/integration/request", "tests/integration/embedded"]
BRIDGE = ["tests/bridge"] # knows no MPM and no mode: run once, with the first MPM
DETAIL = """
import platform, sysconfig
print(platform.python_version() + ("t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""))
"""


def version(place: Place, python: str) -> str:
    """Version of a Python, with a t at the end when it has no GIL; "" when it does not start."""
    if not os.path.lexists(str(place.path(python))):
        return ""
    words = [python, "-c", DETAIL] if place.root is None else ["chroot", str(place.root), python, "-c", DETAIL]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, universal_newlines=True)
    return done.stdout.strip()


def startable(python: str, suites: List[str]) -> bool:
    """Whether a path given is of this machine; one of a suite is seen when the suite is there."""
    return bool(suites) or bool(version(here(), python))


def usable(text: str) -> bool:
    return bool(text) and tuple(int(part) for part in text.split(".")[:2]) >= (3, 9)


def local_pythons(more: List[str]) -> List[str]:
    """Paths of Pythons on this machine: those given, and of others one for each minor version, the system's first."""
    others = ["/usr/bin/python3"] + [shutil.which("python3.%d" % minor) or "" for minor in range(9, 20)]
    others += sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/3.*/bin/python3")))
    found: Dict[str, str] = {}
    for path in more + others:
        text = version(here(), path) if path and os.path.exists(path) else ""
        kind = text if path in more else re.sub(r"^(\d+\.\d+)[^t]*", r"\1", text)
        if usable(text) and kind not in found:
            found[kind] = path
    return list(found.values())


def counts(report: Path) -> Dict[str, Counter]:
    """Return mode to counts of results, from a report of pytest; tests that know no mode count as both, those without Apache as bridge."""
    found = {"embedded": Counter(), "daemon": Counter()}
    bridge = Counter()
    if not report.exists():
        return found
    for case in ElementTree.parse(str(report)).iter("testcase"):
        kinds = {child.tag for child in case}
        result = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        name = "%s %s" % (case.get("classname", ""), case.get("name", ""))
        if case.get("classname", "").startswith("tests.bridge."):
            bridge[result] += 1
            continue
        modes = [mode for mode in found if mode in name] or list(found)
        for mode in modes:
            found[mode][result] += 1
    return {**found, "bridge": bridge} if bridge else found


def run(place: Place, python: str, mpm: str, tests: List[str], folder: Path) -> List[Row]:
    """Run the tests for one Python under one MPM and return rows of the table."""
    text = version(place, python)
    name = "%s-%s-%s" % (place.name, text, mpm)
    log = folder / (name + ".log")
    report = place.path("/tmp/matrix-%s.xml" % name)
    if report.exists():
        report.unlink()
    words = ["./dev", "test", "--python", python, "--mpm", mpm, "-q", "--junit-xml", "/tmp/matrix-%s.xml" % name, *tests]
    status = place.run(words, log, 3600)
    rows = []
    for mode, count in counts(report).items():
        result = ", ".join("%d %s" % (count[kind], kind) for kind in ("passed", "failed", "skipped") if count[kind])
        rows.append((place.name, text, mpm, mode, result or "nothing ran (exit status %d): %s" % (status, last_line(log))))
    if report.exists():
        report.unlink()
    return rows


def run_under_all(place: Place, python: str, mpms: List[str], tests: List[str], folder: Path, ledger: Ledger) -> List[Row]:
    """Run the tests for one Python under each MPM; each row is also shown at once, since the whole table takes its time."""
    rows = []
    for mpm in mpms:
        wanted = tests + BRIDGE * (mpm == mpms[0])
        name = " ".join([place.name, version(place, python), mpm, *wanted])
        seen = ledger.passed(name)
        if seen is None:
            seen = run(place, python, mpm, wanted, folder)
            ledger.add(name, seen)
        for row in seen:
            print(*row, file=sys.stderr, sep="  ", flush=True)
        rows += seen
    return rows


def suite_pythons(place: Place, given: argparse.Namespace, log: Path) -> Iterator[str]:
    """Paths in a suite: those asked for, or every one that it has and, last, one without GIL.

    Raises:
        RuntimeError: the one without GIL could not be built.
    """
    named = [path for path in given.python if not version(here(), path)]
    for path in named or ["/usr/bin/python3.%d" % minor for minor in range(9, 20)]:
        if place.path(path).exists():
            yield path
    if not named and not given.without_free_threaded:
        built = free_threaded(place, version(place, "/usr/bin/python3"), log)
        if built:
            yield built


def last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n") if log.exists() else []
    return next((line for line in reversed(lines) if line.strip()), "no output")


def end(number, frame) -> None:
    """A signal ends this program as an exception does: what was mounted is unmounted."""
    sys.exit(128 + number)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One matrix at a time: a second one would mount over the first, and replace its rows."""
    with open(str(folder / "lock"), "w") as held: # the lock ends with the file, or with this program
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit("./dev matrix: another one runs in this checkout")
        yield


def all_rows(given: argparse.Namespace, folder: Path) -> List[Row]:
    """Run what is asked for."""
    ledger = Ledger(folder / "rows.json", given.resume)
    tests = QUICK if given.quick else TESTS
    mpms = given.mpm or (["event"] if given.quick else ["event", "worker", "prefork"])
    rows = [("here", "-", "-", "-", "not to be had: %s does not start" % path) for path in given.python if not startable(path, given.suite)]
    for python in [path for path in given.python if version(here(), path)] if given.only else local_pythons(given.python):
        rows += run_under_all(here(), python, mpms, tests, folder, ledger)
    for suite in given.suite:
        log = folder / (suite + ".log")
        try:
            with debian(suite, Path(given.roots) / suite, log) as place:
                for python in suite_pythons(place, given, log):
                    rows += run_under_all(place, python, mpms, tests, folder, ledger)
        except RuntimeError as error:
            rows.append((suite, "-", "-", "-", "not to be had: %s" % error))
    return rows


def main() -> int:
    signal.signal(signal.SIGINT, end) # also when started in the background, where it is ignored, by what is started too
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGHUP, end)
    parser = argparse.ArgumentParser(prog="./dev matrix", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer tests; event MPM only, unless others are named")
    parser.add_argument("--mpm", action="append", choices=["event", "worker", "prefork"], help="instead of all three; may be repeated")
    parser.add_argument("--python", action="append", default=[], metavar="PATH", help="a further one; what is not on this machine is meant in the suites")
    parser.add_argument("--only", action="store_true", help="no Python of this machine but those given")
    parser.add_argument("--suite", action="append", default=[], metavar="SUITE", help="a suite of Debian, such as trixie or sid (as root)")
    parser.add_argument("--without-free-threaded", action="store_true", help="build no Python without GIL in the suites")
    parser.add_argument("--resume", action="store_true", help="go on with a matrix that was interrupted: what passed is not run again")
    parser.add_argument("--roots", default=str(TOP / ".dev" / "roots"), metavar="FOLDER", help="where suites are kept")
    given = parser.parse_args()
    folder = TOP / ".dev" / "matrix"
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder):
        rows = all_rows(given, folder)
    print(show(rows))
    return 0 if all(good(row) for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
