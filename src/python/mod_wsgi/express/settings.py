"""From what was asked for, and what this machine is like, to one complete and consistent set of values."""

import math
import os
import posixpath
import re
from dataclasses import dataclass, field, make_dataclass
from typing import Any, Dict, FrozenSet, Mapping, NamedTuple, Optional, Tuple

from .options import OPTIONS


class SettingsError(Exception):
    """The options do not fit together; the text names the one to change."""


@dataclass(frozen=True)
class Host:
    """The machine and the Python that run the command, as platform.py finds them."""

    uid: int
    user: str
    group: str
    directory: str
    temporary: str
    locale: str
    usable_locales: Tuple[str, ...]
    python_home: str
    module: str
    httpd: str
    modules_directory: str
    rotatelogs: str
    mime_types: str
    error_device: str = "/dev/stderr"
    access_device: str = "/dev/stdout"
    compiled_in: FrozenSet[str] = frozenset()
    mpms: Tuple[str, ...] = ("event", "worker", "prefork")


class MpmSize(NamedTuple):
    """What one process model of Apache is limited to; the numbers are those of the directives."""

    limit: int
    threads: int
    maximum: int
    start: int
    minimum_spare: int
    maximum_spare: int


_DERIVED = [
    ("url_host", str), ("user_given", bool), ("daemon_title", str), ("multiprocess", bool), ("total", int),
    ("mpm", str), ("prefork", MpmSize), ("threaded", MpmSize), ("keep_alive_requests", int), ("reloader", bool),
    ("https", bool), ("redirect_www", bool), ("error_log", str), ("access_log_file", str), ("startup_log_file", str),
    ("host_facts", Host), ("original_command", Tuple[str, ...], field(default=())),
]

# One field per row of the table, and what follows from them; instances are made by resolve() only.
Settings = make_dataclass("Settings", [(option.setting, Any) for option in OPTIONS] + _DERIVED, frozen=True)


def size_prefork(clients: int, initial: Optional[float], spare: Optional[float], most: Optional[float]) -> MpmSize:
    """Size the prefork MPM, where each client occupies a process.

    Args:
        clients: connections served at once.
        initial, spare, most: shares of them that are started first, kept idle at least and at most; None for 0.05,
            the value of ``initial`` and 0.1.
    Source:
        Apache, mpm_common: ``MaxRequestWorkers`` must not exceed ``ServerLimit``.
    """
    first = 0.05 if initial is None else initial
    counts = [max(1, math.floor(part * clients)) for part in _shares(first, spare, most, 0.1)]
    return MpmSize(clients, 1, clients, *counts)


def size_threaded(clients: int, initial: Optional[float], spare: Optional[float], most: Optional[float]) -> MpmSize:
    """Size the event and worker MPMs, in processes of about twenty threads.

    Args: as for size_prefork(); the defaults of the shares are 0.2, the value of ``initial`` and 0.6.
    Source:
        Apache, worker MPM: ``MaxRequestWorkers`` is a multiple of ``ThreadsPerChild``, the spare counts are threads.
    """
    first = 0.2 if initial is None else initial
    threads = clients // (clients // 20 + 1) if clients > 20 else 10
    limit = math.ceil(clients / threads)
    start, low, high = (math.floor(part * limit) for part in _shares(first, spare, most, 0.6))
    return MpmSize(limit, threads, limit * threads, max(1, start), max(threads, low * threads),
                   max(threads, high * threads))


def _shares(first: float, spare: Optional[float], most: Optional[float], usual_most: float) -> Tuple[float, ...]:
    return first, first if spare is None else spare, usual_most if most is None else most


def _sizes(given: Mapping[str, Any], processes: int, threads: int) -> Tuple[MpmSize, MpmSize]:
    """Return the sizes for prefork and for the threaded MPMs."""
    total = processes * threads
    if given["debug_mode"]:
        return MpmSize(1, 1, 1, 1, 1, 1), MpmSize(1, 1, 1, 1, 1, 1)
    if given["embedded_mode"]:
        return (MpmSize(total, 1, total, total, total, total),
                MpmSize(processes, threads, total, processes, total, total))
    clients = 10 + max(10, int(1.5 * total)) if given["max_clients"] is None else max(given["max_clients"], total)
    shares = [given[name] for name in ("initial_workers", "minimum_spare_workers", "maximum_spare_workers")]
    return size_prefork(clients, *shares), size_threaded(clients, *shares)


def choose_mpm(wanted: Tuple[str, ...], embedded: bool, host: Host) -> str:
    """Return the process model to use.

    Raises:
        SettingsError: none of those wanted is there.
    """
    allowed = wanted or (("worker", "prefork") if embedded else ("event", "worker", "prefork"))
    for name in ("event", "worker", "prefork"):
        if name in host.compiled_in:
            return name
    for name in ("event", "worker", "prefork"):
        if name in allowed and name in host.mpms:
            return name
    raise SettingsError("--server-mpm: Apache has none of %s (found: %s)"
                        % (", ".join(allowed), ", ".join(host.mpms) or "none"))


def choose_locale(given: Mapping[str, Any], host: Host) -> str:
    """Return the locale for the application: the one wanted, else the user's, else one that can say everything."""
    wanted = given["locale"] or given["lang"] or host.locale
    if given["locale"] or given["lang"] or wanted not in ("C", "POSIX", ""):
        return wanted
    return next((name for name in ("en_US.UTF-8", "C.UTF-8") if name in host.usable_locales), wanted or "C")


def _check(given: Mapping[str, Any]) -> None:
    """Refuse what argparse cannot judge because it takes two options."""
    for name in ("ssl_certificate", "ssl_certificate_file", "ssl_certificate_key_file", "ssl_certificate_chain_file"):
        if given[name] and not given["https_port"]:
            raise SettingsError("--%s needs --https-port" % name.replace("_", "-"))
    if given["https_port"] and not (given["ssl_certificate_file"] and given["ssl_certificate_key_file"]):
        raise SettingsError("--https-port needs --ssl-certificate, or --ssl-certificate-file and "
                            "--ssl-certificate-key-file")
    if given["https_only"] and not given["https_port"]:
        raise SettingsError("--https-only needs --https-port")
    if given["hsts_policy"] and not given["https_only"]:
        raise SettingsError("--hsts-policy needs --https-only")
    if given["https_port"] == given["port"]:
        raise SettingsError("--https-port and --port must differ")
    for status, _ in given["error_document"]:
        if not re.fullmatch("[1-5][0-9][0-9]", status):
            raise SettingsError("--error-document: %r is not a status" % status)
    for key, _ in given["setenv"]:
        if not key or "=" in key:
            raise SettingsError("--setenv: %r is not a name" % key)
    for option in ("url_alias", "proxy_mount_point"):
        for place, _ in given[option]:
            if not place.startswith("/"):
                raise SettingsError("--%s: %r does not begin with /" % (option.replace("_", "-"), place))
    if given["entry_point"] is None and given["application_type"] in ("module", "paste"):
        raise SettingsError("--application-type %s needs an entry point" % given["application_type"])


def _application(given: Dict[str, Any], host: Host) -> None:
    """Complete what says which application runs where."""
    kind = given["application_type"]
    if given["entry_point"] is not None and kind != "module":
        given["entry_point"] = os.path.join(host.directory, given["entry_point"])
    if kind == "static":
        given["document_root"] = given["document_root"] or given["entry_point"] or host.directory
    given["working_directory"] = given["working_directory"] or host.directory
    mount = posixpath.normpath("/" + given["mount_point"].strip("/"))
    given["mount_point"] = mount


def _places(given: Dict[str, Any], host: Host, name: str) -> None:
    """Complete where this server's files are."""
    root = given["server_root"] or os.path.join(host.temporary, "mod_wsgi-%s:%d:%d" % (name, given["port"], host.uid))
    logs = given["log_directory"] or root
    given["log_to_terminal"] = given["log_to_terminal"] and not given["log_directory"]
    given["rotate_logs"] = given["rotate_logs"] and not given["log_to_terminal"]
    defaults = {
        "server_root": root,
        "log_directory": logs,
        "document_root": os.path.join(root, "htdocs"),
        "python_eggs": os.path.join(root, "python-eggs"),
        "pid_file": os.path.join(root, "httpd.pid"),
        "socket_prefix": root,
        "rewrite_rules": os.path.join(root, "rewrite.conf"),
        "httpd_executable": host.httpd,
        "modules_directory": host.modules_directory,
        "rotatelogs_executable": host.rotatelogs,
        "mime_types": host.mime_types,
        "user": host.user,
        "group": host.group,
        "process_name": "%s (mod_wsgi-express)" % (given["httpd_executable"] or host.httpd),
    }
    for key, value in defaults.items():
        given[key] = given[key] or value
    given["error_log"] = os.path.join(logs, given["error_log_name"])
    given["access_log_file"] = os.path.join(logs, given["access_log_name"])
    given["startup_log_file"] = os.path.join(logs, given["startup_log_name"])


def _keep_alive_requests(mpm: str, embedded: bool) -> int:
    if mpm == "event":
        return 0
    return 100 if embedded else 500


def resolve(options: Mapping[str, Any], host: Host, command: Tuple[str, ...] = ()) -> "Settings":
    """Return the complete settings.

    Args:
        options: what options.parse() returned, by the names of the table; missing ones get their default.
        host: the machine.
        command: the command line, for a comment in a generated file.
    Raises:
        SettingsError: naming the option that does not fit.
    """
    given: Dict[str, Any] = {option.setting: option.default for option in OPTIONS}
    given.update(options)
    given["https_port"] = given["https_port"] or given["ssl_port"]
    prefix = given["ssl_certificate"]
    if prefix:
        given["ssl_certificate_file"] = given["ssl_certificate_file"] or prefix + ".crt"
        given["ssl_certificate_key_file"] = given["ssl_certificate_key_file"] or prefix + ".key"
    _check(given)
    given["user_given"] = given["user"] is not None
    name = given["host"] or "localhost"
    address = "%s:%d" % (name, given["port"])
    given["daemon_title"] = "(wsgi:%s)" % (given["process_group"] or "%s:%d" % (address, host.uid))
    given["process_group"] = given["process_group"] or address
    _application(given, host)
    _places(given, host, name)
    alone = given["embedded_mode"] or given["debug_mode"]
    processes, threads = given["processes"] or 1, given["threads"]
    given["multiprocess"] = given["processes"] is not None
    given["total"] = processes * threads
    given["mpm"] = choose_mpm(given["server_mpm"], alone, host)
    given["prefork"], given["threaded"] = _sizes(given, processes, threads)
    given["keep_alive_requests"] = _keep_alive_requests(given["mpm"], given["embedded_mode"])
    given["disable_reloading"] = given["disable_reloading"] or alone
    given["reloader"] = given["reload_on_changes"] and not given["disable_reloading"]
    given["locale"] = choose_locale(given, host)
    given["https"] = bool(given["https_port"])
    given["redirect_www"] = bool(given["server_name"] and given["server_name"].startswith("www."))
    given["url_host"] = given["server_name"] or ("[%s]" % name if ":" in name else name)
    return Settings(host_facts=host, original_command=tuple(command), **given)
