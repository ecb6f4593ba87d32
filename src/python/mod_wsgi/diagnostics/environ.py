"""Answers with everything an application can know about where it runs, as plain text, and echoes the request body.

Values such as passwords in the environment are shown too: not for a public server.
"""

import locale
import os
import sys
from typing import Any, Iterator, List, Mapping, Tuple

Group = List[Tuple[str, Any]]


def process_group(environ: Mapping[str, Any]) -> Group:
    return [("PID", os.getpid()), ("UID", os.getuid()), ("GID", os.getgid()), ("CWD", os.getcwd())]


def stream_group(environ: Mapping[str, Any]) -> Group:
    streams = (("STDOUT", sys.stdout), ("STDERR", sys.stderr), ("ERRORS", environ["wsgi.errors"]))
    return [(label, getattr(stream, "name", None)) for label, stream in streams]


def version_group(environ: Mapping[str, Any]) -> Group:
    return [
        ("python.version", repr(sys.version)),
        ("python.prefix", repr(sys.prefix)),
        ("python.path", repr(sys.path)),
        ("apache.version", repr(environ.get("apache.version"))),
        ("mod_wsgi.version", repr(environ.get("mod_wsgi.version"))),
    ]


def module_group(environ: Mapping[str, Any]) -> Group:
    import mod_wsgi

    names = ("process_group", "application_group", "maximum_processes", "threads_per_process")
    return [("mod_wsgi.%s" % name, repr(getattr(mod_wsgi, name, None))) for name in names]


def apache_group(environ: Mapping[str, Any]) -> Group:
    apache = sys.modules.get("apache")
    names = ("description", "build_date", "mpm_name", "maximum_processes", "threads_per_process")
    return [("apache.%s" % name, repr(getattr(apache, name, None))) for name in names]


def locale_group(environ: Mapping[str, Any]) -> Group:
    return [
        ("PATH", os.environ.get("PATH")),
        ("LANG", os.environ.get("LANG")),
        ("LC_ALL", os.environ.get("LC_ALL")),
        ("sys.getdefaultencoding()", sys.getdefaultencoding()),
        ("sys.getfilesystemencoding()", sys.getfilesystemencoding()),
        ("locale.getpreferredencoding()", locale.getpreferredencoding(False)),
    ]


def environ_group(environ: Mapping[str, Any]) -> Group:
    return [(key, repr(value)) for key, value in sorted(environ.items())]


def os_group(environ: Mapping[str, Any]) -> Group:
    return [(key, repr(value)) for key, value in sorted(os.environ.items())]


GROUPS = (process_group, stream_group, version_group, module_group, apache_group, locale_group, environ_group, os_group)


def lines(environ: Mapping[str, Any]) -> Iterator[bytes]:
    """Yield the response: the groups, then the body of the request as it came."""
    for group in GROUPS:
        text = "".join("%s: %s\n" % item for item in group(environ))
        yield (text + "\n").encode("utf-8", "backslashreplace")
    body = environ["wsgi.input"]
    block = body.read(8192)
    while block:
        yield block
        block = body.read(8192)


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", 'text/plain; charset="UTF-8"')])
    return lines(environ)
