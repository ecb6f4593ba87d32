"""The throw-away environments below .dev/: servers from PyPI, the handler in C, the files to send."""
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parents[1] / ".dev" / "bench"
REQUIREMENTS = HERE / "peers.txt"
BIG_SIZE = 64 << 20
BIG_BLOCK = bytes(range(256)) * 256


def peers() -> Path:
    """The environment with gunicorn, granian and uWSGI; made anew when the list of them changed."""
    venv, stamp = FOLDER / "peers", FOLDER / "peers.stamp"
    if not stamp.exists() or stamp.read_text() != REQUIREMENTS.read_text():
        print("installing uWSGI, gunicorn and granian into", venv, file=sys.stderr)
        subprocess.run(["/usr/bin/python3", "-m", "venv", "--clear", str(venv)], check=True)
        subprocess.run([str(venv / "bin" / "pip"), "install", "-qq", "--no-cache-dir", "--disable-pip-version-check", "-r", str(REQUIREMENTS)], check=True)
        stamp.write_text(REQUIREMENTS.read_text())
    return venv


def ceiling() -> Path:
    """The Apache module that answers in C, compiled by apxs."""
    source, folder = HERE / "apps" / "mod_bench_ceiling.c", FOLDER / "ceiling"
    built = folder / ".libs" / "mod_bench_ceiling.so"
    if not built.exists() or built.stat().st_mtime < source.stat().st_mtime:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(str(source), str(folder / source.name))
        apxs = shutil.which("apxs") or shutil.which("apxs2") or "/usr/sbin/apxs"
        done = subprocess.run([apxs, "-c", source.name], cwd=str(folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True,
                              check=False)
        if done.returncode != 0:
            sys.exit("apxs does not compile the handler:\n" + done.stdout)
    return built


def big_file() -> Path:
    """64 MiB, for those who send files and for uploads."""
    path = FOLDER / "big.bin"
    if not path.exists() or path.stat().st_size != BIG_SIZE:
        FOLDER.mkdir(parents=True, exist_ok=True)
        path.write_bytes(BIG_BLOCK * (BIG_SIZE // len(BIG_BLOCK)))
    return path


def big_digest() -> str:
    return hashlib.sha256(big_file().read_bytes()).hexdigest()


PACKAGES = {"wrk": "wrk", "h2load": "nghttp2-client", "curl": "curl"}


def require_tools() -> None:
    """The programs that make the load; Debian has them all."""
    missing = [package for tool, package in PACKAGES.items() if not shutil.which(tool)]
    if missing:
        sys.exit("please install: apt-get install " + " ".join(missing))
