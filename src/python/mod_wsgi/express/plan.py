"""Which files a server consists of, and what is in them. Decides everything, writes nothing."""

import os
import re
import shlex
import sys
from dataclasses import dataclass
from typing import Callable, Dict, List, Optional, Tuple

from .render import fill, quote, shell, words
from .settings import MpmSize, Settings

# Apache's modules in the order they are loaded: name, and the switch that asks for it.
MODULES: Tuple[Tuple[str, Optional[str]], ...] = (
    ("http2", "MOD_WSGI_WITH_HTTP2"),
    ("access_compat", None),
    ("unixd", None),
    ("authn_core", None),
    ("authz_core", None),
    ("authz_host", None),
    ("mime", None),
    ("rewrite", None),
    ("alias", None),
    ("dir", None),
    ("env", None),
    ("headers", None),
    ("filter", None),
    ("reqtimeout", None),
    ("autoindex", "MOD_WSGI_DIRECTORY_LISTING"),
    ("deflate", "MOD_WSGI_COMPRESS_RESPONSES"),
    ("proxy", "MOD_WSGI_WITH_PROXY"),
    ("proxy_http", "MOD_WSGI_WITH_PROXY"),
    ("log_config", "MOD_WSGI_ACCESS_LOG"),
    ("ssl", "MOD_WSGI_WITH_HTTPS"),
)

# Replaces itself by its second argument, which gets the third as the name it is shown under.
EXEC_AS = "import os, sys; os.execv(sys.argv[1], sys.argv[2:])"


@dataclass(frozen=True)
class File:
    """One file to write. ``keep``: an existing one is left as it is."""

    path: str
    content: str
    mode: int = 0o644
    keep: bool = False


@dataclass(frozen=True)
class Plan:
    """What serverroot.py has to make: folders first. ``owned`` folders are given to the account of the server."""

    directories: Tuple[str, ...]
    owned: Tuple[str, ...]
    files: Tuple[File, ...]
    apachectl: str


def switches(settings: Settings) -> List[str]:
    """Return the names that are defined on Apache's command line; users' own files may test them."""
    known: Dict[str, object] = {
        "ONE_PROCESS": settings.debug_mode,
        "EMBEDDED_MODE": settings.embedded_mode,
        "ORPHAN_INTERPRETER": settings.orphan_interpreter,
        "MOD_WSGI_MULTIPROCESS": settings.multiprocess,
        "MOD_WSGI_VIRTUAL_HOST": settings.server_name,
        "MOD_WSGI_REDIRECT_WWW": settings.redirect_www,
        "MOD_WSGI_SERVER_ALIAS": settings.server_alias,
        "MOD_WSGI_ALLOW_LOCALHOST": settings.allow_localhost,
        "MOD_WSGI_WITH_LISTENER_HOST": settings.host,
        "MOD_WSGI_WITH_HTTP2": settings.http2,
        "MOD_WSGI_WITH_HTTPS": settings.https,
        "MOD_WSGI_CERTIFICATE_CHAIN": settings.ssl_certificate_chain_file,
        "MOD_WSGI_SSL_ENVIRONMENT": settings.ssl_environment,
        "MOD_WSGI_HTTPS_ONLY": settings.https_only,
        "MOD_WSGI_HSTS_POLICY": settings.hsts_policy,
        "MOD_WSGI_STATIC_ONLY": settings.application_type == "static",
        "MOD_WSGI_ENABLE_SENDFILE": settings.enable_sendfile,
        "MOD_WSGI_SWITCH_INTERVAL": settings.switch_interval,
        "MOD_WSGI_DIRECTORY_INDEX": settings.directory_index,
        "MOD_WSGI_DIRECTORY_LISTING": settings.directory_listing,
        "MOD_WSGI_ERROR_LOG_FORMAT": settings.error_log_format,
        "MOD_WSGI_ACCESS_LOG": settings.access_log,
        "MOD_WSGI_ROTATE_LOGS": settings.rotate_logs,
        "MOD_WSGI_KEEP_ALIVE": settings.keep_alive_timeout,
        "MOD_WSGI_COMPRESS_RESPONSES": settings.compress_responses,
        "MOD_WSGI_ERROR_OVERRIDE": settings.error_override,
        "MOD_WSGI_CHUNKED_REQUEST": settings.chunked_request,
        "MOD_WSGI_WITH_PROXY": settings.proxy_mount_point,
        "MOD_WSGI_WITH_PROXY_HEADERS": settings.trust_proxy_header,
        "MOD_WSGI_WITH_TRUSTED_PROXIES": settings.trust_proxy,
        "MOD_WSGI_WITH_PYTHON_PATH": settings.python_path,
        "MOD_WSGI_WITH_SOCKET_PREFIX": settings.socket_prefix != settings.server_root,
        "MOD_WSGI_DISABLE_RELOADING": settings.disable_reloading,
        "MOD_WSGI_IMPORT_HANDLER_SCRIPT": imports_handler(settings),
    }
    names = [name for name, wanted in known.items() if wanted]
    if settings.mpm not in settings.host_facts.compiled_in:
        names.append("MOD_WSGI_MPM_ENABLE_%s_MODULE" % settings.mpm.upper())
    names += ["MOD_WSGI_MPM_EXISTS_%s_MODULE" % name.upper() for name in settings.host_facts.mpms]
    return names


def imports_handler(settings: Settings) -> bool:
    """Return whether the interpreter is known before a request comes, so that the application can be loaded first."""
    group = settings.application_group
    return settings.application_type != "static" and (group == "%{GLOBAL}" or "%" not in group)


def load_modules(settings: Settings) -> str:
    """Return the lines that load what is not compiled into Apache."""
    lines = []
    for name in ("event", "worker", "prefork"):
        module = "    LoadModule mpm_%s_module ${MOD_WSGI_MODULES_DIRECTORY}/mod_mpm_%s.so" % (name, name)
        lines += ["<IfDefine MOD_WSGI_MPM_ENABLE_%s_MODULE>" % name.upper(), module, "</IfDefine>"]
    for name, switch in MODULES:
        block = ["<IfModule !mod_%s.c>" % name,
                 "    LoadModule %s_module ${MOD_WSGI_MODULES_DIRECTORY}/mod_%s.so" % (name, name), "</IfModule>"]
        lines += ["<IfDefine %s>" % switch] + block + ["</IfDefine>"] if switch else block
    lines.append("LoadModule wsgi_module %s" % quote(settings.host_facts.module))
    return "\n".join(lines)


def daemon_process(settings: Settings) -> str:
    """Return the definition of the application's process group."""
    options: List[Tuple[str, object]] = [
        ("display-name", settings.daemon_title),
        ("home", settings.working_directory),
        ("threads", settings.threads),
        ("python-eggs", settings.python_eggs),
        ("lang", settings.locale),
        ("locale", settings.locale),
        ("listen-backlog", settings.daemon_backlog),
    ]
    for name in ("maximum-requests", "queue-timeout", "socket-timeout", "connect-timeout", "request-timeout",
                 "interrupt-timeout", "inactivity-timeout", "startup-timeout", "deadlock-timeout", "graceful-timeout",
                 "eviction-timeout", "restart-interval", "cpu-time-limit", "shutdown-timeout", "send-buffer-size",
                 "receive-buffer-size", "header-buffer-size", "response-buffer-size", "response-socket-timeout",
                 "response-flush-delay"):
        options.append((name, getattr(settings, name.replace("-", "_"))))
    if settings.multiprocess:
        options.append(("processes", settings.processes))
    if settings.python_path:
        options.append(("python-path", ":".join(settings.python_path)))
    if settings.switch_interval is not None:
        options.append(("switch-interval", settings.switch_interval))
    parts = ["%s=%s" % (name, quote(value)) for name, value in options]
    return " \\\n        ".join(["WSGIDaemonProcess %s" % quote(settings.process_group)] + parts)


def request_read_timeout(settings: Settings) -> str:
    """Return the limits for slow clients, nothing if both are off."""
    parts = []
    for name in ("header", "body"):
        names = ["%s_%s" % (name, what) for what in ("timeout", "max_timeout", "min_rate")]
        start, end, rate = (getattr(settings, setting) for setting in names)
        if start > 0:
            most = "-%d" % end if end > 0 else ""
            parts.append("%s=%d%s%s" % (name, start, most, ",MinRate=%d" % rate if rate > 0 else ""))
    return "RequestReadTimeout %s" % " ".join(parts) if parts else ""


def log_target(settings: Settings, path: str, device: str) -> str:
    """Return where a log goes, as a word of the configuration."""
    if settings.log_to_terminal:
        return quote(device)
    if settings.rotate_logs:
        program = "%s %s.%%Y-%%m-%%d-%%H_%%M_%%S %dM" % (settings.rotatelogs_executable, path, settings.max_log_size)
        return quote("|" + program)
    return quote(path)


def _tls(settings: Settings) -> List[str]:
    lines = ["    SSLEngine On", "    SSLCertificateFile %s" % quote(settings.ssl_certificate_file),
             "    SSLCertificateKeyFile %s" % quote(settings.ssl_certificate_key_file)]
    if settings.ssl_certificate_chain_file:
        lines.append("    SSLCertificateChainFile %s" % quote(settings.ssl_certificate_chain_file))
    if settings.ssl_environment:
        lines.append("    SSLOptions +StdEnvVars")
    return lines


def _host(port: int, lines: List[str]) -> str:
    return "\n".join(["<VirtualHost *:%d>" % port] + lines + ["</VirtualHost>"])


def _hosts_on(settings: Settings, port: int, common: List[str], site: List[str]) -> List[str]:
    """Return the virtual hosts of one port: one for any name, or the site, its parent domain, and one for the rest."""
    if not settings.server_name:
        return [_host(port, common + site)]
    who = "local" if settings.allow_localhost else "all denied"
    refused = ["    ServerName _wsgi_", "    <Location />", "        Require %s" % who, "    </Location>"]
    named = ["    ServerName %s" % quote(settings.server_name)]
    if settings.server_alias:
        named.append("    ServerAlias %s" % words(settings.server_alias))
    hosts = [_host(port, refused + common), _host(port, named + common + site)]
    if settings.redirect_www:
        scheme = "https" if port == settings.https_port else "http"
        target = "%s://%s%s/" % (scheme, settings.server_name, port_suffix(scheme, port))
        parent = ["    ServerName %s" % quote(settings.server_name[len("www."):]),
                  "    Redirect permanent / %s" % quote(target)]
        hosts.append(_host(port, parent + common))
    return hosts


def port_suffix(scheme: str, port: int) -> str:
    """Return ``:port``, or nothing for the usual port of the scheme."""
    return "" if port == {"http": 80, "https": 443}[scheme] else ":%d" % port


def virtual_hosts(settings: Settings) -> str:
    """Return all virtual hosts."""
    site: List[str] = []
    if settings.https_only:
        name = settings.server_name or "%{SERVER_NAME}"
        target = "https://%s%s%%{REQUEST_URI}" % (name, port_suffix("https", settings.https_port))
        site = ["    RewriteEngine On", "    RewriteRule .* %s [R=301,L]" % quote(target)]
    hosts = _hosts_on(settings, settings.port, [], site)
    if settings.https:
        hsts = ["    Header always set Strict-Transport-Security %s" % quote(settings.hsts_policy)]
        listen = "Listen %s" % listener(settings.host, settings.https_port)
        hosts.append(listen)
        hosts += _hosts_on(settings, settings.https_port, _tls(settings), hsts if settings.hsts_policy else [])
    return "\n\n".join(hosts)


def listener(host: Optional[str], port: int) -> str:
    """Return the argument of Listen."""
    if not host:
        return str(port)
    return "[%s]:%d" % (host, port) if ":" in host and not host.startswith("[") else "%s:%d" % (host, port)


def alias(url: str, target: str, is_file: Callable[[str], bool]) -> str:
    """Return the lines that serve one file, or a directory, at a URL path."""
    target_path = os.path.abspath(target)
    if is_file(target_path):
        folder, name = os.path.split(target_path)
        inside = ["    <Files %s>" % quote(name), "        Require all granted", "    </Files>"]
    else:
        folder = target_path
        inside = ["    Require all granted"]
        if url.endswith("/") or target.endswith("/"):
            target_path = target_path.rstrip("/") + "/"
    lines = ["Alias %s %s" % (quote(url), quote(target_path)), "<Directory %s>" % quote(folder)]
    return "\n".join(lines + inside + ["</Directory>"])


def proxied(place: str, target: str) -> str:
    """Return the lines that hand a part of the site to another server."""
    prefix = place.rstrip("/")
    source, target = prefix + "/", target.rstrip("/") + "/"
    lines = [
        "ProxyPass %s %s upgrade=websocket" % (quote(source), quote(target)),
        "ProxyPassReverse %s %s" % (quote(source), quote(target)),
        "<Location %s>" % quote(source),
        "    RequestHeader set X-Forwarded-Port expr=%{SERVER_PORT}",
        "    RequestHeader set X-Forwarded-Scheme https \"expr=%{REQUEST_SCHEME} == 'https'\"",
    ]
    if prefix:
        lines.append("    RequestHeader set X-Forwarded-Prefix %s" % quote(prefix))
    lines.append("</Location>")
    if prefix:
        lines.append("RedirectMatch 302 %s %s" % (quote("^%s$" % re.escape(prefix)), quote(source)))
    return "\n".join(lines)


def locations(settings: Settings, is_file: Callable[[str], bool]) -> str:
    """Return what concerns single places, and the user's own files at the end."""
    parts = ["<Location %s>\n    WSGIIgnoreActivity On\n</Location>" % quote(url) for url in settings.ignore_activity]
    if settings.proxy_timeout is not None and settings.proxy_mount_point:
        parts.append("ProxyTimeout %d" % settings.proxy_timeout)
    parts += [proxied(place, target) for place, target in settings.proxy_mount_point]
    # The first alias that fits wins: longer paths go first.
    parts += [alias(url, target, is_file) for url, target in sorted(settings.url_alias, reverse=True)]
    parts += ["ErrorDocument %s %s" % (status, quote(url)) for status, url in settings.error_document]
    parts += ["SetEnv %s %s" % (quote(key), quote(value)) for key, value in settings.setenv]
    parts += ["WSGIPythonWarnings %s" % quote(warning) for warning in settings.python_warnings]
    parts += ["PassEnv %s" % quote(key) for key in settings.passenv]
    parts += ["Include %s" % quote(path) for path in settings.include_file]
    return "\n".join(parts)


def _mpm_values(prefix: str, size: MpmSize) -> Dict[str, int]:
    return {"%s_%s" % (prefix, name): value for name, value in size._asdict().items()}


def trusted_proxies(settings: Settings) -> str:
    lines = []
    if settings.trust_proxy_header:
        lines.append("WSGITrustedProxyHeaders %s" % words(settings.trust_proxy_header))
    if settings.trust_proxy:
        lines.append("WSGITrustedProxies %s" % words(settings.trust_proxy))
    return "\n".join(lines)


def configuration(settings: Settings, is_file: Callable[[str], bool] = os.path.isfile) -> str:
    """Return the text of httpd.conf."""
    custom = settings.access_log_format not in ("common", "combined")
    in_apache = settings.embedded_mode or settings.debug_mode
    mount = settings.document_root.rstrip("/") + settings.mount_point
    values: Dict[str, object] = {
        "listen": listener(settings.host, settings.port),
        "load_modules": load_modules(settings),
        "request_read_timeout": request_read_timeout(settings),
        "daemon_process": daemon_process(settings),
        "virtual_hosts": virtual_hosts(settings),
        "locations": locations(settings, is_file),
        "trusted_proxies": trusted_proxies(settings),
        "switch_interval": "WSGISwitchInterval %s" % settings.switch_interval if settings.switch_interval else "",
        "error_log": log_target(settings, settings.error_log, settings.host_facts.error_device),
        "access_log": log_target(settings, settings.access_log_file, settings.host_facts.access_device),
        "access_log_nickname": "custom" if custom else settings.access_log_format,
        "access_log_format": quote(settings.access_log_format),
        "allow_override": " ".join(settings.allow_override) or "None",
        "python_home": quote(settings.host_facts.python_home),
        "python_path": quote(":".join((settings.working_directory,) + settings.python_path)),
        "socket_prefix": quote(os.path.join(settings.socket_prefix, "wsgi")),
        "handler_script": quote(os.path.join(settings.server_root, "handler.wsgi")),
        "process_group": quote("%{GLOBAL}" if in_apache else settings.process_group),
        "document_root_directory": quote(settings.document_root.rstrip("/") + "/"),
        "mount_directory": quote(mount.rstrip("/") + "/"),
        # Apache takes no IPv6 address as a name of its own.
        "server_name": quote(settings.host if settings.host and ":" not in settings.host else "localhost"),
    }
    values.update(_mpm_values("prefork", settings.prefork))
    values.update(_mpm_values("threaded", settings.threaded))
    for name in ("socket_timeout", "server_backlog", "limit_request_body", "maximum_requests", "map_head_to_get",
                 "keep_alive_timeout", "keep_alive_requests", "log_level"):
        values[name] = getattr(settings, name)
    for name in ("server_root", "pid_file", "mime_types", "callable_object", "error_log_format", "document_root",
                 "directory_index", "rewrite_rules", "application_group"):
        values[name] = quote(getattr(settings, name))
    return fill("httpd.conf", values)


def httpd_options(settings: Settings) -> List[str]:
    """Return Apache's arguments that belong to every call of it."""
    arguments = ["-f", os.path.join(settings.server_root, "httpd.conf")]
    if settings.startup_log:
        arguments += ["-E", settings.startup_log_file]
    return arguments + ["-D" + name for name in switches(settings)]


def process_title(settings: Settings) -> str:
    """Return the name Apache runs under, long enough that a daemon can write its own title over it."""
    return settings.process_name.ljust(len(settings.daemon_title))


def control_script(settings: Settings) -> str:
    """Return the text of apachectl."""
    command = " ".join(shlex.quote(argument) for argument in settings.original_command)
    titled = [sys.executable, "-I", "-c", EXEC_AS, settings.httpd_executable, process_title(settings)]
    values: Dict[str, object] = {
        "shell_executable": settings.shell_executable,
        "original_command": command.replace("\n", " "),
        "listener_host": shell(settings.host or ""),
        "https_port": settings.https_port or "",
        "port": settings.port,
        "envvars": shell(os.path.join(settings.server_root, "envvars")),
        "httpd_options": " ".join(shell(option) for option in httpd_options(settings)),
        "titled_httpd": " ".join(shell(word) for word in titled),
    }
    for name in ("modules_directory", "server_root", "user", "group", "working_directory", "locale",
                 "httpd_executable"):
        values[name] = shell(getattr(settings, name))
    return fill("apachectl.sh", values)


def handler_script(settings: Settings) -> str:
    """Return the text of handler.wsgi."""
    environment = {
        "MOD_WSGI_EXPRESS": "true",
        "MOD_WSGI_SERVER_NAME": settings.url_host,
        "MOD_WSGI_SERVER_ALIASES": " ".join(settings.server_alias),
    }
    if settings.reloader:
        environment["MOD_WSGI_RELOADER_ENABLED"] = "true"
    if settings.debug_mode:
        environment["MOD_WSGI_DEBUG_MODE"] = "true"
    entry_point = settings.entry_point
    if entry_point is None:
        entry_point = os.path.join(settings.server_root, "default.wsgi")
    names = ("application_type", "callable_object", "mount_point", "working_directory", "debug_mode", "reloader",
             "disable_reloading")
    values: Dict[str, object] = {name: repr(getattr(settings, name)) for name in names}
    return fill("handler.wsgi", dict(values, environment=repr(environment), entry_point=repr(entry_point)))


def make(settings: Settings, is_file: Callable[[str], bool] = os.path.isfile) -> Plan:
    """Return all that has to be written for a server.

    Args:
        is_file: tells whether a path is a regular file; aliases of files differ from those of directories.
    """
    root = settings.server_root
    envvars = ". %s\n" % shell(settings.envvars_script) if settings.envvars_script else ""
    files = [
        File(os.path.join(root, "httpd.conf"), configuration(settings, is_file)),
        File(os.path.join(root, "handler.wsgi"), handler_script(settings)),
        File(os.path.join(root, "default.wsgi"), fill("default.wsgi", {})),
        File(os.path.join(root, "apachectl"), control_script(settings), mode=0o755),
        File(os.path.join(root, "envvars"), envvars, keep=not settings.envvars_script),
        File(os.path.join(root, "rewrite.conf"), "", keep=True),
    ]
    directories = [root, os.path.join(root, "htdocs")]
    mount = [part for part in settings.mount_point.split("/") if part]
    for depth in range(len(mount)):
        directories.append(os.path.join(settings.document_root, *mount[: depth + 1]))
    return Plan(tuple(directories), (settings.python_eggs,), tuple(files), os.path.join(root, "apachectl"))
