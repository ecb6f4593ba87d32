"""Replays the corpus of every fuzz target, and changed copies of it, under sanitizers."""

import contextlib
import fcntl
import os
import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent
TARGETS = sorted(path.stem for path in HERE.glob("fuzz_*.c"))
CHANGED_COPIES = 2000  # of each file; a second or two for a target


@contextlib.contextmanager
def only_builder():
    """Keep the workers of pytest-xdist from building into the same folder at once."""
    (HERE / "build").mkdir(exist_ok=True)
    with open(HERE / "build" / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(command, folder, **environ):
    kept = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    return subprocess.run(command, cwd=str(folder), env=dict(kept, **environ), text=True, errors="replace",
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)


@pytest.mark.parametrize("target", TARGETS)
def test_corpus(target, tmp_path):
    corpus = HERE / "corpus" / target[len("fuzz_"):]
    assert any(corpus.iterdir())
    with only_builder():
        build = run(["make", "-s", "build/replay/" + target], HERE)
    assert build.returncode == 0, build.stdout
    replay = run([str(HERE / "build" / "replay" / target), "-m", str(CHANGED_COPIES), str(corpus)], tmp_path,
                 ASAN_OPTIONS="abort_on_error=1:detect_leaks=1", UBSAN_OPTIONS="abort_on_error=1:print_stacktrace=1")
    failing = tmp_path / "failing-input"
    shown = "\ninput: %r" % failing.read_bytes() if failing.exists() else ""
    assert replay.returncode == 0, replay.stdout + shown
    inputs = len(list(corpus.iterdir()))
    assert replay.stdout.splitlines()[-1] == "%d inputs" % (inputs * (CHANGED_COPIES + 1))


def test_every_corpus_has_its_target():
    assert sorted("fuzz_" + path.name for path in (HERE / "corpus").iterdir()) == TARGETS
