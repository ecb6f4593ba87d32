"""Where a Python and an Apache are to be had: this machine, or another Debian in a folder."""
import os
import re
import shutil
import signal
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List, Optional

TOP = Path(__file__).resolve().parents[2]
NEEDED = ("apache2", "apache2-dev", "gcc", "libc6-dev", "make", "autoconf", "curl", "procps", "python3", "python3-dev", "python3-venv", "media-types",
          "ca-certificates")
LAGGING = ("-o", "Acquire::Check-Valid-Until=false") # of apt-get: a mirror may be behind; signatures are checked all the same


def end_group(process: subprocess.Popen) -> None:
    """End a command that still runs, and all that it started: asked first, so that pytest stops its servers."""
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@dataclass(frozen=True)
class Place:
    """A root directory in which `./dev test` is run.

    Attributes:
        name: for people.
        root: of another system; None for this machine.
        source: the checkout, as seen from inside.
    """

    name: str
    root: Optional[Path]
    source: str

    def run(self, command: List[str], log: Path, seconds: int) -> int:
        """Run a command in the checkout; its output goes to a file. Returns the exit status, 124 after ``seconds``."""
        words = command if self.root is None else ["chroot", str(self.root), "/bin/sh", "-c", 'cd "$0" && exec "$@"', self.source, *command]
        with open(str(log), "ab") as output:
            process = subprocess.Popen(words, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=self.environment(),
                                       cwd=self.source if self.root is None else "/", start_new_session=True)
            try:
                return process.wait(seconds)
            except subprocess.TimeoutExpired:
                return 124
            finally:
                end_group(process)

    def environment(self) -> dict:
        """Of the commands: settings of the network, and little else where it is another system."""
        if self.root is None:
            return dict(os.environ)
        kept = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy") or name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL")}
        return {**kept, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive",
                "PIP_CERT": "/etc/ssl/certs/ca-certificates.crt"}

    def path(self, inside: str) -> Path:
        return Path(inside) if self.root is None else self.root / inside.lstrip("/")


def here() -> Place:
    return Place("here", None, str(TOP))


def mirror() -> str:
    """The archive that this machine's Debian comes from."""
    for path in [*Path("/etc/apt").glob("sources.list.d/*.sources"), Path("/etc/apt/sources.list")]:
        if not path.exists():
            continue
        for line in path.read_text().splitlines():
            words = line.split()
            if line.startswith("URIs:") or line.startswith("deb "):
                archive = next((word for word in words if "://" in word), "")
                if archive.rstrip("/").endswith("/debian"): # not the one for security, nor somebody else's
                    return archive
    raise RuntimeError("no Debian archive is named in /etc/apt")


def copy_checkout(target: Path) -> None:
    """The tracked files, and those that are new but not ignored, as they are now."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(words, cwd=str(TOP), stdout=subprocess.PIPE, check=True).stdout
    for name in names.decode().split("\0"):
        if name and (TOP / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(str(TOP / name), str(target / name))
    subprocess.run(["chmod", "-R", "go+rX", str(target)], check=True)


def apt_get(place: Place, words: List[str], log: Path) -> None:
    if place.run(["apt-get", "-q", *words], log, 1200) != 0:
        raise RuntimeError("apt-get %s failed, see %s" % (words[0], log))


def python_packages(place: Place) -> List[str]:
    """Names of packages of every Python that a suite has, the usual one and those that are to follow it."""
    known = subprocess.run(["chroot", str(place.root), "apt-cache", "pkgnames", "python3."], stdout=subprocess.PIPE, universal_newlines=True).stdout
    versions = sorted(set(re.findall(r"^python3\.(\d+)-dev$", known, re.MULTILINE)), key=int)
    return ["python3.%s-%s" % (version, part) for version in versions if int(version) >= 9 for part in ("dev", "venv")]


@contextmanager
def debian(suite: str, root: Path, log: Path) -> Iterator[Place]:
    """Another suite of Debian in a folder, made on first use, with this checkout in it; what is mounted is unmounted again.

    Raises:
        RuntimeError: it could not be made, saying why.
    """
    if os.getuid() != 0 or not shutil.which("debootstrap"):
        raise RuntimeError("needs root and debootstrap")
    if not (root / "usr" / "bin" / "dpkg").exists():
        with open(str(log), "ab") as output:
            done = subprocess.run(["debootstrap", "--variant=minbase", suite, str(root), mirror()], stdout=output, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            raise RuntimeError("debootstrap failed, see " + str(log))
    shutil.copy("/etc/resolv.conf", str(root / "etc" / "resolv.conf"))
    mounted = []
    try:
        for kind, point in (("proc", "proc"), ("devtmpfs", "dev"), ("devpts", "dev/pts"), ("tmpfs", "dev/shm")):
            (root / point).mkdir(parents=True, exist_ok=True)
            if subprocess.run(["mount", "-t", kind, kind, str(root / point)]).returncode != 0:
                raise RuntimeError("cannot mount %s in %s" % (kind, root))
            mounted.append(root / point)
        place = Place(suite, root, "/srv/checkout")
        inside = Place(suite, root, "/")
        apt_get(inside, ["update", *LAGGING], log)
        apt_get(inside, ["install", "-y", "--no-install-recommends", *NEEDED, *python_packages(inside)], log)
        certificates = Path("/etc/ssl/certs/ca-certificates.crt")
        if certificates.exists():
            shutil.copy(str(certificates), str(root / "etc" / "ssl" / "certs" / "ca-certificates.crt"))
        for entry in (root / "srv" / "checkout").glob("*"):
            if entry.name != ".dev":
                shutil.rmtree(str(entry)) if entry.is_dir() else entry.unlink()
        copy_checkout(root / "srv" / "checkout")
        yield place
    finally:
        for point in reversed(mounted):
            subprocess.run(["umount", "-l", str(point)], check=False)
