"""A copy of the sources to build in, and how programs are run there."""
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
IGNORED = shutil.ignore_patterns(".git", ".dev", ".pytest_cache", "__pycache__", "build", "dist", "*.egg-info",
                                 "configure", "config.log", "config.status", "autom4te.cache", "Makefile", "pythons.mk", "_build")


@contextmanager
def temporary_folder(prefix: str):
    """A folder that every account can read, unlike those of pytest; removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(str(folder), ignore_errors=True)


def copy_to(folder: Path) -> Path:
    """Copy what a fresh clone holds of what a build needs."""
    copy = folder / "source"
    copy.mkdir()
    for name in ("configure.ac", "Makefile.in", "setup.py", "pyproject.toml", "MANIFEST.in", "LICENSE", "README.rst",
                 "dev"):
        shutil.copy2(str(TOP / name), str(copy / name))
    shutil.copytree(str(TOP / "src"), str(copy / "src"), ignore=IGNORED)
    shutil.copytree(str(TOP / "tests" / "package"), str(copy / "tests" / "package"), ignore=IGNORED)
    return copy


def run(*command, cwd: Path, succeeds: bool = True, **environment) -> str:
    """Run a program and return all that it printed; fails when its status is not the one expected."""
    done = subprocess.run([str(word) for word in command], cwd=str(cwd), env={**os.environ, **environment},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    assert (done.returncode == 0) == succeeds, done.stdout[-6000:]
    return done.stdout


def path_without(folder: Path, *names: str) -> str:
    """A PATH on which everything is found but these programs."""
    shadow = folder / "bin"
    shadow.mkdir()
    for place in ("/usr/bin", "/bin"):
        for program in os.scandir(place):
            link = shadow / program.name
            if program.name not in names and not link.is_symlink():
                link.symlink_to(program.path)
    return str(shadow)
