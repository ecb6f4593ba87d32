"""What the machine is like: the Apache that the module was built for, accounts, locales. Looks, changes nothing."""

import grp
import json
import locale
import os
import pwd
import subprocess
import sys
import sysconfig
from typing import FrozenSet, Iterable, List, Optional, Tuple

from .settings import Host, SettingsError

SERVER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "server")
MPMS = ("event", "worker", "prefork")


def module_path() -> str:
    """Return the path of the compiled module.

    Raises:
        SettingsError: the package was not built for this Python.
    """
    name = "mod_wsgi-py%d%d%s" % (sys.version_info[0], sys.version_info[1], sysconfig.get_config_var("EXT_SUFFIX"))
    path = os.path.join(SERVER, name)
    if not os.path.exists(path):
        raise SettingsError("'%s' is missing: install the package with the pip of this Python" % path)
    return path


def apache_facts() -> dict:
    """Return what was noted when the module was built; the environment variable HTTPD replaces the program."""
    try:
        with open(os.path.join(SERVER, "apache.json"), encoding="utf-8") as file:
            facts = json.load(file)
    except OSError as error:
        raise SettingsError("'%s' cannot be read (%s): install the package anew" % (error.filename, error.strerror))
    facts["httpd"] = os.environ.get("HTTPD") or facts["httpd"]
    return facts


def compiled_in(httpd: str) -> FrozenSet[str]:
    """Return the modules that are part of Apache's program.

    Raises:
        SettingsError: it cannot be run.
    """
    try:
        done = subprocess.run([httpd, "-l"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SettingsError("--httpd-executable: '%s' cannot be run (%s); is Apache installed?" % (httpd, error))
    return frozenset(line.strip()[:-len(".c")] for line in done.stdout.splitlines() if line.strip().endswith(".c"))


def existing_mpms(modules_directory: str) -> Tuple[str, ...]:
    return tuple(name for name in MPMS if os.path.exists(os.path.join(modules_directory, "mod_mpm_%s.so" % name)))


def user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return "#%d" % uid


def group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return "#%d" % gid


def default_group(user: Optional[str], gid: int) -> str:
    """Return the primary group of the account, the caller's without one."""
    if user is None:
        return group_name(gid)
    return group_name(ids(user, None)[1])


def ids(user: str, group: Optional[str]) -> Tuple[int, int]:
    """Return the numbers of an account and a group; without a group that of the account.

    Raises:
        SettingsError: there is no such account or group.
    """
    try:
        entry = pwd.getpwuid(int(user[1:])) if user.startswith("#") else pwd.getpwnam(user)
    except (KeyError, ValueError):
        raise SettingsError("--user: there is no account '%s'" % user)
    if group is None:
        return entry.pw_uid, entry.pw_gid
    try:
        return entry.pw_uid, int(group[1:]) if group.startswith("#") else grp.getgrnam(group).gr_gid
    except (KeyError, ValueError):
        raise SettingsError("--group: there is no group '%s'" % group)


def first_unreadable(paths: Iterable[str], uid: int, gid: int) -> Optional[str]:
    """Return the first of the existing paths that an account cannot read, as found out by a process with its rights.

    Only root may ask. Files have to be readable, folders searchable.
    """
    candidates = [path for path in paths if os.path.exists(path)]
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(os.getgrouplist(user_name(uid), gid) if not user_name(uid).startswith("#") else [gid])
            os.setgid(gid)
            os.setuid(uid)
            modes = [os.X_OK if os.path.isdir(path) else os.R_OK for path in candidates]
            denied = [i for i, path in enumerate(candidates) if not os.access(path, modes[i])]
            os._exit(denied[0] + 1 if denied else 0)
        finally:
            os._exit(255)
    status = os.waitpid(child, 0)[1]
    number = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 255
    return candidates[number - 1] if 0 < number <= len(candidates) else None


def user_locale() -> str:
    """Return the locale of the environment, by the rules of setlocale()."""
    return next((os.environ[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if os.environ.get(name)), "C")


def usable_locales(names: Iterable[str]) -> Tuple[str, ...]:
    """Return those of the names that the system knows."""
    before = locale.setlocale(locale.LC_ALL)
    usable: List[str] = []
    for name in names:
        try:
            locale.setlocale(locale.LC_ALL, name)
            usable.append(name)
        except locale.Error:
            pass
    locale.setlocale(locale.LC_ALL, before)
    return tuple(usable)


def terminal_log(device: str, redirection: str) -> str:
    """Return the log target for a standard stream: its device, or a program when the stream cannot be opened anew.

    The standard error of a service may be a socket, which open() refuses.
    """
    try:
        os.close(os.open(device, os.O_WRONLY | os.O_APPEND | os.O_NOCTTY | os.O_NONBLOCK))
    except OSError:
        return "|$cat" + redirection
    return device


def temporary_directory() -> str:
    return os.environ.get("TMPDIR") or ("/var/tmp" if sys.platform == "darwin" else "/tmp")


def describe(httpd: Optional[str] = None, modules_directory: Optional[str] = None, user: Optional[str] = None) -> Host:
    """Return the facts that settings are made from.

    Args:
        httpd, modules_directory, user: what the options say, None for what was found.
    """
    facts = apache_facts()
    modules = modules_directory or facts["modules_directory"]
    return Host(
        uid=os.getuid(),
        user=user_name(os.getuid()),
        group=default_group(user if os.getuid() == 0 else None, os.getgid()),
        directory=os.getcwd(),
        temporary=temporary_directory(),
        locale=user_locale(),
        usable_locales=usable_locales(("en_US.UTF-8", "C.UTF-8")),
        python_home=sys.prefix,
        module=module_path(),
        httpd=facts["httpd"],
        modules_directory=facts["modules_directory"],
        rotatelogs=facts["rotatelogs"],
        mime_types=facts["mime_types"],
        error_device=terminal_log("/dev/stderr", " >&2"),
        access_device=terminal_log("/dev/stdout", ""),
        compiled_in=compiled_in(httpd or facts["httpd"]),
        mpms=existing_mpms(modules),
    )
