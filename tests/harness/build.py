"""Where the module under test comes from.

``WSGI_MODULE`` names a ``mod_wsgi.so`` with its bridges beside it. Without it ``./dev build`` is run, once per test session
however many pytest workers there are.
"""
import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BUILT = TOP / ".dev" / "configured" / "build" / "mod_wsgi.so"


def locate(session_id: str) -> Path:
    """Path of the module to test; builds it if nobody says where it is.

    Args:
        session_id: the same in all pytest workers of one run.
    Raises:
        RuntimeError: with the output of the build when it failed.
    """
    named = os.environ.get("WSGI_MODULE")
    if named:
        path = Path(named).resolve()
        if not path.exists():
            raise RuntimeError("WSGI_MODULE names {}, which does not exist".format(path))
        return path
    build_once(session_id)
    return BUILT


def build_once(session_id: str) -> None:
    """Run ``./dev build`` unless a worker of the same session has done so."""
    stamp = TOP / ".dev" / "tested-session"
    stamp.parent.mkdir(exist_ok=True)
    with open(TOP / ".dev" / "tests.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == session_id and BUILT.exists():
            return
        done = subprocess.run([str(TOP / "dev"), "build"], cwd=str(TOP), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              universal_newlines=True)
        if done.returncode != 0 or not BUILT.exists():
            raise RuntimeError("./dev build failed:\n" + done.stdout[-4000:])
        stamp.write_text(session_id)


def stage(module: Path) -> Path:
    """Copy the module and its bridges to a folder that Apache's account can read; the caller removes the folder."""
    folder = Path(tempfile.mkdtemp(prefix="wsgi-module-"))
    folder.chmod(0o755)
    for source in [module, *module.parent.glob("wsgi_bridge.*.so")]:
        target = folder / source.name
        shutil.copyfile(str(source), str(target))
        target.chmod(0o755)
    return folder / module.name
