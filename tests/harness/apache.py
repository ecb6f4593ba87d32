"""Facts about the Apache of this system."""
import functools
import os
import pwd
import shutil
import subprocess
from pathlib import Path

PROGRAMS = ("apache2", "httpd", "/usr/sbin/apache2", "/usr/sbin/httpd", "/usr/local/sbin/httpd", "/opt/homebrew/bin/httpd")
MODULE_FOLDERS = ("lib/apache2/modules", "lib64/httpd/modules", "lib/httpd/modules", "libexec/apache2", "lib/apache2")
ACCOUNTS = ("www-data", "apache", "www", "_www", "nobody")


@functools.lru_cache(maxsize=None)
def program() -> str:
    """Path of the server program; ``HTTPD`` in the environment overrides the search."""
    for name in (os.environ.get("HTTPD"), *PROGRAMS):
        path = name and shutil.which(name)
        if path:
            return path
    raise RuntimeError("no Apache found: install apache2, or name the program in HTTPD")


@functools.lru_cache(maxsize=None)
def compiled_in() -> frozenset:
    """Names of the modules that are part of the program, e.g. ``mod_so``."""
    text = subprocess.run([program(), "-l"], stdout=subprocess.PIPE, check=True, universal_newlines=True).stdout
    return frozenset(line.strip()[:-2] for line in text.splitlines() if line.strip().endswith(".c"))


@functools.lru_cache(maxsize=None)
def module_folder() -> Path:
    """Where the loadable modules lie."""
    named = os.environ.get("HTTPD_MODULES")
    prefix = Path(program()).resolve().parent.parent
    candidates = [Path(named)] if named else [root / name for root in (prefix, Path("/usr")) for name in MODULE_FOLDERS]
    for folder in candidates:
        if (folder / "mod_alias.so").exists():
            return folder
    raise RuntimeError("no folder with Apache's modules found: name it in HTTPD_MODULES")


def load_lines(names) -> str:
    """``LoadModule`` lines for modules such as ``alias``; those compiled in are left out."""
    wanted = [name for name in names if "mod_" + name not in compiled_in() and name not in compiled_in()]
    return "".join("LoadModule {0}_module {1}/mod_{0}.so\n".format(name, module_folder()) for name in wanted)


@functools.lru_cache(maxsize=None)
def account() -> pwd.struct_passwd:
    """The account that Apache's children run under: an unprivileged one when the tests run as root."""
    if os.getuid() != 0:
        return pwd.getpwuid(os.getuid())
    for name in ACCOUNTS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("no unprivileged account found")
