"""The options of ``start-server`` and ``setup-server``: one table.

The parser, the settings and the reference page of the documentation are all made from it. Adding an option means
adding a row here and using ``settings.<name>`` in plan.py or a template.
"""

import argparse
import os
from dataclasses import dataclass
from typing import Any, Callable, Dict, Optional, Sequence, Tuple, Union


@dataclass(frozen=True)
class Option:
    """One option.

    ``kind`` is one of the converters below, or ``"flag"``. An option with ``repeat`` collects a tuple of values; with
    two ``metavars`` each value is a pair. ``hidden`` options are accepted and not listed.
    """

    name: str
    kind: Union[str, Callable[[str], Any]]
    default: Any
    help: str
    metavars: Tuple[str, ...] = ()
    repeat: bool = False
    choices: Optional[Tuple[str, ...]] = None
    hidden: bool = False

    @property
    def setting(self) -> str:
        """The name of the field of Settings that it feeds."""
        return self.name.replace("-", "_")


@dataclass(frozen=True)
class Group:
    """Options that belong together, under one heading."""

    title: str
    options: Tuple[Option, ...]


def text(value: str) -> str:
    """Any text that fits into one line of a configuration file."""
    if any(character in value for character in "\n\r\0"):
        raise argparse.ArgumentTypeError("line breaks are not allowed in %r" % value)
    return value


def path(value: str) -> str:
    """A path, made absolute; a trailing slash stays."""
    absolute = os.path.abspath(text(value))
    return absolute + "/" if value.endswith("/") and absolute != "/" else absolute


def url_path(value: str) -> str:
    """The path of a URL, from the root."""
    return text(value if value.startswith("/") else "/" + value)


def whole(minimum: int, maximum: int = 2**31 - 1) -> Callable[[str], int]:
    """Return the converter for a whole number in a range."""

    def convert(value: str) -> int:
        if not (value.isascii() and value.isdigit() and minimum <= int(value) <= maximum):
            raise argparse.ArgumentTypeError("%r is not a whole number from %d to %d" % (value, minimum, maximum))
        return int(value)

    return convert


def buffer_size(minimum: int) -> Callable[[str], int]:
    """Return the converter for a number of bytes; 0 leaves the choice to the system."""

    def convert(value: str) -> int:
        if value != "0" and whole(0)(value) < minimum:
            raise argparse.ArgumentTypeError("%r is neither 0 nor at least %d" % (value, minimum))
        return int(value)

    return convert


def share(value: str) -> float:
    """A share of a maximum, from 0 to 1."""
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError("%r is not a number from 0 to 1" % value)
    return number


def positive(value: str) -> float:
    """A number above 0."""
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError("%r is not a number greater than 0" % value)
    return number


def _seconds(name: str, default: int, help_text: str) -> Option:
    return Option(name, whole(0), default, help_text, ("SECONDS",))


LOG_LEVELS = ("emerg", "alert", "crit", "error", "warn", "notice", "info", "debug") + tuple(
    "trace%d" % level for level in range(1, 9)
)


def log_level(value: str) -> str:
    """What Apache's LogLevel accepts: a level, or words ``module:level``."""
    for word in text(value).split():
        if word.split(":")[-1] not in LOG_LEVELS:
            raise argparse.ArgumentTypeError("%r is not one of %s" % (word, ", ".join(LOG_LEVELS)))
    return value


APPLICATION = Group("Application", (
    Option("entry-point", text, None, "What to run, when not given as an argument by itself.", ("VALUE",)),
    Option("application-type", text, "script", "What the entry point is: the path of a script, the dotted name of a "
           "module, the path of a Paste Deploy file, or a directory of static files.",
           choices=("script", "module", "paste", "static")),
    Option("callable-object", text, "application", "Name of the WSGI callable.", ("NAME",)),
    Option("application-group", text, "%{GLOBAL}", "Interpreter the application runs in.", ("NAME",)),
    Option("process-group", text, None, "Name of the daemon process group; made from host and port if not given.",
           ("NAME",)),
    Option("mount-point", url_path, "/", "URL path at which the application appears.", ("URL-PATH",)),
    Option("working-directory", path, None, "Current directory of the application, also first on its module search "
           "path; the current directory if not given.", ("DIRECTORY",)),
    Option("python-path", path, (), "Further directory for the module search path.", ("DIRECTORY",), repeat=True),
    Option("python-eggs", path, None, "Cache of unpacked eggs.", ("DIRECTORY",)),
    Option("python-warnings", text, (), "A filter for warnings, as for python -W.", ("FILTER",), repeat=True),
    Option("setenv", text, (), "Put a value into the environ of each request.", ("KEY", "VALUE"), repeat=True),
    Option("passenv", text, (), "Put a variable of the server's environment into the environ of each request.",
           ("KEY",), repeat=True),
    Option("lang", text, None, "Locale, if --locale is not given.", ("NAME",), hidden=True),
    Option("locale", text, None, "Locale of the application: LANG and LC_ALL.", ("NAME",)),
    Option("chunked-request", "flag", False, "Accept request bodies without a length."),
    Option("map-head-to-get", text, "Auto", "Let the application see HEAD requests as GET.",
           choices=("Auto", "On", "Off")),
    Option("error-override", "flag", False, "Replace the application's error pages by Apache's."),
    Option("enable-sendfile", "flag", False, "Let the kernel send files."),
    Option("orphan-interpreter", "flag", False, "Skip the destruction of Python when a process ends."),
    Option("limit-request-body", whole(0), 10485760, "Largest request body accepted; 0 for no limit.", ("BYTES",)),
))

SERVER = Group("Server and processes", (
    Option("host", text, None, "Address to listen on; all if not given.", ("ADDRESS",)),
    Option("port", whole(1, 65535), 8000, "Port to listen on.", ("NUMBER",)),
    Option("http2", "flag", False, "Speak HTTP/2 too."),
    Option("server-name", text, None, "Host name of the site; a name that begins with www. is also redirected to from "
           "its parent domain.", ("NAME",)),
    Option("server-alias", text, (), "Further host name of the site; wildcards are allowed.", ("NAME",), repeat=True),
    Option("allow-localhost", "flag", False, "Answer requests from this machine under any host name."),
    Option("processes", whole(1, 10000), None, "Daemon processes; giving a number at all, even 1, tells the "
           "application that there may be several.", ("NUMBER",)),
    Option("threads", whole(1, 65533), 5, "Request threads of each process.", ("NUMBER",)),
    Option("max-clients", whole(1), None, "Client connections served at once.", ("NUMBER",)),
    Option("initial-workers", share, None, "Share of Apache's workers started first.", ("SHARE",)),
    Option("minimum-spare-workers", share, None, "Share of Apache's workers kept idle at least.", ("SHARE",)),
    Option("maximum-spare-workers", share, None, "Share of Apache's workers kept idle at most.", ("SHARE",)),
    Option("maximum-requests", whole(0), 0, "Replace a process after this many requests; 0 for never.", ("NUMBER",)),
    Option("server-backlog", whole(1), 500, "Connections the system queues for Apache.", ("NUMBER",)),
    Option("daemon-backlog", whole(0), 100, "Requests the system queues for the daemon processes.", ("NUMBER",)),
    _seconds("keep-alive-timeout", 2, "How long an idle connection is kept; 0 closes after each response."),
    Option("embedded-mode", "flag", False, "Run the application in Apache's own processes."),
    Option("server-mpm", text, (), "Process models of Apache that may be used.", ("NAME",), repeat=True,
           choices=("event", "worker", "prefork")),
    Option("server-root", path, None, "Where the files of this server are generated.", ("DIRECTORY",)),
    Option("pid-file", path, None, "File for the process id of Apache.", ("PATH",)),
    Option("socket-prefix", path, None, "Directory for the sockets of the daemon processes.", ("DIRECTORY",)),
    Option("process-name", text, None, "Title of Apache's parent process.", ("TEXT",)),
    Option("httpd-executable", path, None, "Apache's program.", ("PATH",)),
    Option("modules-directory", path, None, "Apache's modules.", ("DIRECTORY",)),
    Option("rotatelogs-executable", path, None, "Apache's rotatelogs.", ("PATH",)),
    Option("mime-types", path, None, "Table of media types.", ("PATH",)),
    Option("shell-executable", path, "/bin/sh", "Shell that runs apachectl.", ("PATH",)),
    Option("user", text, None, "Account of the processes, when started as root.", ("NAME",)),
    Option("group", text, None, "Group of the processes, when started as root.", ("NAME",)),
    Option("envvars-script", path, None, "Shell file that is read before Apache starts.", ("PATH",)),
    Option("include-file", path, (), "Further Apache configuration, read last.", ("PATH",), repeat=True),
    Option("rewrite-rules", path, None, "Rewrite rules for the document root.", ("PATH",)),
    Option("setup-only", "flag", False, "Generate the files and do not start."),
))

LIMITS = Group("Time-outs and buffers", (
    _seconds("startup-timeout", 15, "Replace a process that has not loaded the application by then."),
    _seconds("shutdown-timeout", 5, "End a process that has not stopped by itself by then."),
    _seconds("restart-interval", 0, "Replace each process after this time; 0 for never."),
    _seconds("cpu-time-limit", 0, "Processor time after which a process is replaced; 0 for no limit."),
    _seconds("graceful-timeout", 15, "How long a process being replaced may finish its requests."),
    _seconds("eviction-timeout", 0, "The same after an eviction signal; 0 for the graceful time-out."),
    _seconds("deadlock-timeout", 60, "Replace a process in which no thread can run Python; 0 for never."),
    _seconds("inactivity-timeout", 0, "Replace a process idle for this long; 0 for never."),
    _seconds("request-timeout", 60, "Replace a process in which requests take longer; 0 for never."),
    _seconds("interrupt-timeout", 0, "Try to interrupt such requests first, and wait this long."),
    _seconds("connect-timeout", 15, "How long to try to reach a daemon process."),
    _seconds("socket-timeout", 60, "Longest silence on a connection."),
    _seconds("queue-timeout", 45, "Refuse requests that have waited longer; 0 for never."),
    _seconds("header-timeout", 15, "Time for the header of a request to arrive; 0 for any."),
    _seconds("header-max-timeout", 30, "The same, with the bonus for bytes that do arrive."),
    Option("header-min-rate", whole(0), 500, "Bytes that prolong the wait for the header by a second.", ("BYTES",)),
    _seconds("body-timeout", 15, "Time for the body of a request to arrive; 0 for any."),
    _seconds("body-max-timeout", 0, "The same, with the bonus for bytes that do arrive; 0 for no end."),
    Option("body-min-rate", whole(0), 500, "Bytes that prolong the wait for the body by a second.", ("BYTES",)),
    Option("send-buffer-size", buffer_size(512), 0, "Buffer of the sockets to the daemons.", ("BYTES",)),
    Option("receive-buffer-size", buffer_size(512), 0, "Buffer of the sockets to the daemons.", ("BYTES",)),
    Option("header-buffer-size", buffer_size(8192), 0, "Longest response header accepted.", ("BYTES",)),
    Option("response-buffer-size", buffer_size(65536), 0, "Response bytes after which the client is sent them.",
           ("BYTES",)),
    _seconds("response-socket-timeout", 0, "Longest silence of a client that reads; 0 for the socket time-out."),
    Option("response-flush-delay", whole(0), 5, "Wait for more response data before sending.", ("MILLISECONDS",)),
    Option("switch-interval", positive, None, "Python's thread switch interval.", ("SECONDS",)),
    _seconds("proxy-timeout", None, "Longest silence of a proxied server."),
    Option("ignore-activity", url_path, (), "Requests for this do not count as activity.", ("URL-PATH",), repeat=True),
))

CONTENT = Group("Static content", (
    Option("document-root", path, None, "Files found here are served by Apache, the rest by the application.",
           ("DIRECTORY",)),
    Option("directory-index", text, None, "Index file of directories, which then do not reach the application.",
           ("NAME",)),
    Option("directory-listing", "flag", False, "List directories."),
    Option("allow-override", text, (), "Class of directives allowed in .htaccess files.", ("CLASS",), repeat=True),
    Option("url-alias", text, (), "File or directory that is served at a URL path.", ("URL-PATH", "PATH"), repeat=True),
    Option("error-document", text, (), "Page that replaces Apache's for a status.", ("STATUS", "URL-PATH"),
           repeat=True),
    Option("compress-responses", "flag", False, "Compress text."),
))

PROXY = Group("HTTPS and proxies", (
    Option("https-port", whole(1, 65535), None, "Port for HTTPS; needs a certificate and its key.", ("NUMBER",)),
    Option("ssl-port", whole(1, 65535), None, "The same.", ("NUMBER",), hidden=True),
    Option("ssl-certificate", path, None, "Certificate and key: this path with .crt and .key.", ("PREFIX",)),
    Option("ssl-certificate-file", path, None, "Certificate.", ("PATH",)),
    Option("ssl-certificate-key-file", path, None, "Key of the certificate.", ("PATH",)),
    Option("ssl-certificate-chain-file", path, None, "Intermediate certificates.", ("PATH",)),
    Option("ssl-environment", "flag", False, "Put the SSL_ variables into the environ."),
    Option("https-only", "flag", False, "Redirect HTTP to HTTPS."),
    Option("hsts-policy", text, None, "Value of Strict-Transport-Security; with --https-only.", ("PARAMETERS",)),
    Option("proxy-mount-point", text, (), "URL path that is served by another server.", ("URL-PATH", "URL"),
           repeat=True),
    Option("trust-proxy-header", text, (), "Header of a trusted proxy that is honoured.", ("NAME",), repeat=True),
    Option("trust-proxy", text, (), "Address of a trusted proxy.", ("ADDRESS",), repeat=True),
))

LOGGING = Group("Logging", (
    Option("log-level", log_level, "warn", "Least severity that is logged.", ("LEVEL",)),
    Option("log-directory", path, None, "Directory of the log files.", ("DIRECTORY",)),
    Option("log-to-terminal", "flag", False, "Log to standard error, accesses to standard output."),
    Option("access-log", "flag", False, "Log accesses."),
    Option("access-log-name", text, "access_log", "File of the access log.", ("NAME",)),
    Option("access-log-format", text, "common", "common, combined, or a format.", ("FORMAT",)),
    Option("error-log-name", text, "error_log", "File of the error log.", ("NAME",)),
    Option("error-log-format", text, None, "Format of the error log.", ("FORMAT",)),
    Option("startup-log", "flag", False, "Log what Apache says before its error log is open."),
    Option("startup-log-name", text, "startup_log", "File of that log.", ("NAME",)),
    Option("rotate-logs", "flag", False, "Begin new log files when they are large."),
    Option("max-log-size", whole(1), 5, "What large is.", ("MEGABYTES",)),
))

DEVELOPMENT = Group("Development", (
    Option("reload-on-changes", "flag", False, "Restart when any source file of the application changes."),
    Option("disable-reloading", "flag", False, "Do not look for changes at all, not even of the entry point."),
    Option("debug-mode", "flag", False, "Run as one process that has the console."),
))

GROUPS = (APPLICATION, SERVER, LIMITS, CONTENT, PROXY, LOGGING, DEVELOPMENT)
OPTIONS = tuple(option for group in GROUPS for option in group.options)


def add_option(parser: Any, option: Option) -> None:
    """Add one row to an argparse parser or group."""
    arguments: Dict[str, Any] = {"dest": option.setting, "default": option.default}
    arguments["help"] = argparse.SUPPRESS if option.hidden else option.help.replace("%", "%%")
    if option.kind == "flag":
        arguments["action"] = "store_true"
    else:
        arguments["type"] = option.kind
        arguments["choices"] = option.choices
        if option.repeat:
            arguments["action"] = Collect
        if len(option.metavars) == 2:
            arguments.update(nargs=2, metavar=option.metavars)
        elif option.metavars and not option.choices:
            arguments["metavar"] = option.metavars[0]
    parser.add_argument("--" + option.name, **arguments)


class Collect(argparse.Action):
    """Appends to a tuple, so that the default can be shared and stays empty."""

    def __call__(self, parser, namespace, values, option_string=None):
        value = tuple(values) if isinstance(values, list) else values
        setattr(namespace, self.dest, getattr(namespace, self.dest) + (value,))


def add_all(parser: argparse.ArgumentParser) -> None:
    """Add every row under the heading of its group."""
    for group in GROUPS:
        section = parser.add_argument_group(group.title)
        for option in group.options:
            add_option(section, option)


def make_parser(program: str, description: str) -> argparse.ArgumentParser:
    """Return the parser of a command that takes all options and an entry point."""
    parser = argparse.ArgumentParser(prog=program, usage="%(prog)s [options] [entry-point]", description=description)
    parser.add_argument("application", nargs="?", type=text, metavar="entry-point", help="what to run")
    add_all(parser)
    return parser


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> Dict[str, Any]:
    """Return what was given, by the names of the settings; ends the program with status 2 on a usage error."""
    given = vars(parser.parse_intermixed_args(arguments))
    positional = given.pop("application")
    given["entry_point"] = given["entry_point"] or positional
    return given
