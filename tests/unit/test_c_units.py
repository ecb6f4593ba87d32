"""Builds and runs the C unit tests: plain, under ASan and UBSan, and those of processes and threads under TSan."""

import contextlib
import fcntl
import os
import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent
PROGRAMS = sorted(path.stem for path in HERE.glob("test_*.c"))
MODES = {"plain": [], "sanitized": ["SANITIZE=1"], "threads": ["SANITIZE=thread"]}

# TSan holds signals back from a thread that waits, and has a thread of its own.
NEEDS_SIGNALS = {"test_nativestack"}


def shares_memory(program):
    """Whether it tests code of the folders whose objects several threads or processes use."""
    if program in NEEDS_SIGNALS:
        return False
    first = (HERE / (program + ".c")).read_text().splitlines()[0]
    return "daemon/" in first or "stats/" in first


CASES = [(program, mode) for program in PROGRAMS for mode in MODES if mode != "threads" or shares_memory(program)]


@contextlib.contextmanager
def only_builder():
    """Keep the workers of pytest-xdist from building into the same folder at once."""
    (HERE / "build").mkdir(exist_ok=True)
    with open(HERE / "build" / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make(*arguments):
    # A make that runs pytest must not hand its own flags and job slots down to this one.
    environ = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    return subprocess.run(["make", "-s", "-C", str(HERE), *arguments], env=environ, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.fixture(scope="session")
def built():
    """Build all there is, two at a time; a program that does not compile fails its own test below."""
    with only_builder():
        for mode, flags in MODES.items():
            chosen = " ".join(program for program, its_mode in CASES if its_mode == mode)
            make("-k", "-j2", "all", "TESTS=" + chosen, *flags)


@pytest.mark.parametrize("program, mode", CASES)
def test_program(program, mode, built, tmp_path):
    target = "build/%s/%s" % (mode, program)
    with only_builder():
        build = make(target, *MODES[mode])
    assert build.returncode == 0, build.stdout
    environ = dict(os.environ, TMPDIR=str(tmp_path), ASAN_OPTIONS="detect_leaks=1", UBSAN_OPTIONS="print_stacktrace=1",
                   TSAN_OPTIONS="die_after_fork=0")
    run = subprocess.run([str(HERE / target)], env=environ, cwd=str(HERE), text=True, errors="replace",
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    if "ThreadSanitizer: unexpected memory mapping" in run.stdout:
        pytest.skip("this kernel places memory where the thread sanitizer of this compiler cannot work")
    plan = [line for line in run.stdout.splitlines() if line.startswith("1..")]
    assert run.returncode == 0 and "\nnot ok" not in "\n" + run.stdout, run.stdout
    assert plan and int(plan[0][3:]) > 0, "no case was run:\n" + run.stdout
