"""The configuration file of one server."""
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Mapping, Optional, Sequence, Union

from harness import apache

BASE_MODULES = ("authz_core", "authz_host", "alias", "mime", "dir", "env", "setenvif", "headers", "rewrite")

# Few processes, so that a server starts quickly; more than one, so that a graceful restart has room.
MPM_SIZES = {
    "event": "ServerLimit {limit}\nStartServers 1\nThreadLimit {per_child}\nThreadsPerChild {per_child}\nMinSpareThreads 1\n"
             "MaxSpareThreads {threads}\nMaxRequestWorkers {threads}\n",
    "prefork": "ServerLimit {processes}\nStartServers {start}\nMinSpareServers 1\nMaxSpareServers {processes}\n"
               "MaxRequestWorkers {processes}\n",
}
MPM_SIZES["worker"] = MPM_SIZES["event"]

Options = Mapping[str, Union[str, int, float]]


@dataclass
class Site:
    """What a test wants to be served.

    Attributes:
        apps: URL path to the name of a file in ``tests/apps``; several servers never share a copy.
        mode: ``embedded`` or ``daemon``; daemon defines one group called ``group`` and sends everything there.
        daemon: options of that group.
        application_group: interpreter, None to leave the default.
        config: further lines for the main server, after the rest.
        before: further lines before the group and the aliases.
        log_level: of Apache; the module's own stays at ``wsgi_level``.
        children: limit of Apache child processes; 1 when a test counts on one interpreter in embedded mode.
        threads: of each child, where the MPM has them.
        access_log: whether Apache writes ``logs/access.log``.
        python_home: environment to run, None for the one the module was built for.
        modules: further Apache modules.
    """

    apps: Dict[str, str] = field(default_factory=dict)
    mode: str = "embedded"
    daemon: Options = field(default_factory=dict)
    group: str = "site"
    application_group: Optional[str] = "%{GLOBAL}"
    config: str = ""
    before: str = ""
    log_level: str = "warn"
    wsgi_level: str = "info"
    children: int = 4
    threads: int = 20
    access_log: bool = True
    mpm: str = "event"
    python_home: Optional[str] = None
    modules: Sequence[str] = ()


def word(value) -> str:
    """A word of the configuration language, quoted."""
    return '"{}"'.format(str(value).replace("\\", "\\\\").replace('"', '\\"'))


def option_words(options: Options) -> str:
    """``name=value`` words of a definition."""
    return "".join(" {}={}".format(name, word(value)) for name, value in options.items())


def group_lines(site: Site) -> str:
    """The daemon process group, or the home of embedded Python."""
    home = site.python_home
    if site.mode == "embedded":
        return "WSGIPythonHome {}\n".format(word(home)) if home else ""
    options = dict(site.daemon)
    if home:
        options.setdefault("python-home", home)
    return "WSGIDaemonProcess {0}{1}\nWSGIProcessGroup {0}\n".format(site.group, option_words(options))


def render(site: Site, root: Path, port: int, module: Optional[Path]) -> str:
    """Text of ``httpd.conf``.

    Args:
        root: folder of the server, with ``logs``, ``run``, ``apps`` and ``htdocs``.
        module: path of ``mod_wsgi.so``, None for an Apache without it.
    """
    threads = site.threads * site.children
    sizes = MPM_SIZES[site.mpm].format(limit=site.children, threads=threads, per_child=site.threads,
                                       processes=site.children * 4 if site.children > 1 else 1, start=min(2, site.children))
    user = apache.account()
    aliases = "".join("WSGIScriptAlias {} {}\n".format(path, root / "apps" / name)
                      for path, name in sorted(site.apps.items(), key=lambda item: -len(item[0])))
    group = "WSGIApplicationGroup {}\n".format(site.application_group) if site.application_group else ""
    return "".join([
        "ServerRoot {0}\nDefaultRuntimeDir run\nPidFile run/httpd.pid\nListen 127.0.0.1:{1}\nServerName localhost\n".format(root, port),
        "User {}\nGroup #{}\n".format(user.pw_name, user.pw_gid),
        apache.load_lines(("mpm_" + site.mpm, *BASE_MODULES, *site.modules)),
        "LoadModule wsgi_module {}\n".format(module) if module else "",
        sizes,
        "Timeout 20\nKeepAliveTimeout 5\nMaxKeepAliveRequests 0\nGracefulShutdownTimeout 20\n",
        "ErrorLog logs/error.log\nLogLevel {}".format(site.log_level),
        " wsgi:{}\nWSGISocketPrefix run/wsgi\n".format(site.wsgi_level) if module else "\n",
        'LogFormat "%>s %B \\"%r\\" %X" tests\nCustomLog logs/access.log tests\n' if site.access_log else "",
        "TypesConfig {}\n".format(root / "mime.types"),
        "DocumentRoot {0}/htdocs\n<Directory {0}>\n  Require all granted\n  Options FollowSymLinks\n</Directory>\n".format(root),
        site.before, group_lines(site) + group + aliases if module else "", site.config, "\n",
    ])
