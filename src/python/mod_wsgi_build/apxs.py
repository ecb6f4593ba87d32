"""Ask the apxs of the Apache that is built for."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from typing import Dict, List

NAMES = ("mod_wsgi-apxs", "apxs2", "apxs")
INSTALL_APACHE = (
    "%s; install the development package of Apache:\n"
    "    Debian, Ubuntu:  apt install apache2-dev\n"
    "    Fedora, RHEL:    dnf install httpd-devel\n"
    "    Alpine:          apk add apache2-dev\n"
    "    macOS:           brew install httpd\n"
    "or name another Apache by the environment variable APXS"
)


class ApacheError(Exception):
    """There is no Apache to build for; the text says what to install."""


def find() -> str:
    """Return the apxs to use: ``APXS``, one beside this Python, then ``PATH`` and ``/usr/sbin``.

    Raises:
        ApacheError: there is none.
    """
    wanted = os.environ.get("APXS")
    beside = os.path.dirname(sys.executable)
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])
    candidates = [shutil.which(wanted, path=path)] if wanted else [shutil.which(NAMES[0], path=beside)]
    if not wanted:
        candidates += [shutil.which(name, path=path) for name in NAMES]
    for candidate in candidates:
        if candidate:
            return candidate
    problem = "APXS names '%s', which is not there" % wanted if wanted else "apxs is missing"
    raise ApacheError(INSTALL_APACHE % problem)


class Apache:
    """The Apache of one apxs: flags to compile with, and where its files are."""

    def __init__(self, apxs: str) -> None:
        self.apxs = apxs
        header = os.path.join(self.query("INCLUDEDIR"), "httpd.h")
        if not os.path.isfile(header):
            raise ApacheError(INSTALL_APACHE % ("%s is missing" % header))

    def query(self, name: str) -> str:
        """Return what ``apxs -q`` knows by that name, an empty string if nothing."""
        done = subprocess.run([self.apxs, "-q", name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""

    def apr(self, *options: str) -> List[str]:
        """Return what the apr-config of this Apache prints for the options, as words."""
        command = [self.query("APR_CONFIG") or "apr-1-config", *options]
        try:
            return shlex.split(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
        except (OSError, subprocess.CalledProcessError) as error:
            raise ApacheError(INSTALL_APACHE % error) from error

    def compile_flags(self) -> List[str]:
        return ["-I" + self.query("INCLUDEDIR")] + self.apr("--includes", "--cppflags")

    def facts(self) -> Dict[str, str]:
        """Return what the command line program has to know about this Apache when it runs."""
        folders = [self.query("SBINDIR"), self.query("BINDIR")]
        return {
            "version": self.query("HTTPD_VERSION"),
            "httpd": first_existing([os.path.join(d, self.query("PROGNAME")) for d in folders]),
            "modules_directory": self.query("LIBEXECDIR"),
            "rotatelogs": first_existing([os.path.join(d, "rotatelogs") for d in reversed(folders)]),
            "mime_types": first_existing([os.path.join(self.query("SYSCONFDIR"), "mime.types"), "/etc/mime.types"]),
        }

    def write_facts(self, path: str) -> None:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(self.facts(), file, indent=4)
            file.write("\n")


def first_existing(paths: List[str]) -> str:
    """Return the first path that exists; the first of all if none does, so that a message can name it."""
    return next((path for path in paths if os.path.exists(path)), paths[0])
