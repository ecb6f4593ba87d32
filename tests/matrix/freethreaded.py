"""A Python without GIL in another Debian, which has none: built from the source of the suite's own Python."""
from dataclasses import replace
from pathlib import Path

from places import LAGGING, Place, apt_get, mirror

LIBRARIES = ("libssl-dev", "zlib1g-dev", "libffi-dev", "libsqlite3-dev", "libbz2-dev", "liblzma-dev")
OLDEST = (3, 13) # can be built without GIL
COMPLETE = "complete" # a file that is made last
BUILD = """
set -eu
umask 022
package=$1 prefix=$2 work=$3
rm -rf "$prefix" "$work"
mkdir -p "$work"
cd "$work"
apt-get -q source --download-only "$package"
tar xf "$package"_*.orig.tar.xz --strip-components=1
./configure -q --disable-gil --enable-shared --disable-test-modules --with-ensurepip=no --prefix="$prefix" LDFLAGS="-Wl,-rpath,$prefix/lib"
make -s -j"$(nproc)"
make -s install
cd /
rm -rf "$work"
touch "$prefix/%s"
""" % COMPLETE


def free_threaded(place: Place, version: str, log: Path) -> str:
    """Path, inside the place, of a Python like the suite's own but without GIL; built on first use and kept with the suite.

    Args:
        version: of the suite's own Python, such as ``3.13.5``.
        log: gets what the commands have to say.
    Returns:
        "" for a version that cannot be built so.
    Raises:
        RuntimeError: it could not be built.
    """
    numbers = version.split(".")
    if len(numbers) < 2 or (int(numbers[0]), int(numbers[1])) < OLDEST:
        return ""
    prefix = "/opt/python%st" % version
    if not place.path(prefix + "/" + COMPLETE).exists():
        inside = replace(place, source="/")
        place.path("/etc/apt/sources.list.d/source.list").write_text("deb-src %s %s main\n" % (mirror(), place.name))
        apt_get(inside, ["update", *LAGGING], log)
        apt_get(inside, ["install", "-y", "--no-install-recommends", "dpkg-dev", "xz-utils", *LIBRARIES], log)
        words = ["/bin/sh", "-c", BUILD, "build", "python" + ".".join(numbers[:2]), prefix, "/usr/src/python%st" % version]
        if inside.run(words, log, 3600) != 0:
            raise RuntimeError("Python %s without GIL could not be built, see %s" % (version, log))
    return prefix + "/bin/python3"
