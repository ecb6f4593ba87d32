"""A page that shows how it was made: the request, the process, the time each step took.

The example that ``./dev serve`` runs. It shows the whole environ: not for a public server.
"""

import os
import sys
import threading
import time
from html import escape
from typing import Any, Iterable, List, Mapping, Tuple

Row = Tuple[str, object]

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>mod_wsgi: this request</title>
<style>
:root {{ --ink: #1d2733; --soft: #5b6b7b; --line: #e3e8ee; --paper: #fff; --ground: #f3f5f8; --accent: #2b6cb0; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ink: #e6ebf1; --soft: #9aabbb; --line: #2c3844; --paper: #1a222b; --ground: #11171d; --accent: #7fb4e8; }}
}}
body {{ margin: 0; font: 16px/1.55 system-ui, sans-serif; background: var(--ground); color: var(--ink); }}
main {{ max-width: 60rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }}
h1 {{ margin: 0; font-size: 1.9rem; }}
header p {{ margin: .3rem 0 1.8rem; color: var(--soft); }}
section {{ margin: 0 0 1.25rem; padding: 1.1rem 1.4rem; background: var(--paper); border: 1px solid var(--line);
          border-radius: 10px; }}
h2 {{ margin: 0 0 .6rem; font-size: 1.05rem; color: var(--accent); }}
table {{ width: 100%; border-collapse: collapse; table-layout: fixed; }}
th, td {{ padding: .32rem .4rem; border-top: 1px solid var(--line); text-align: left; vertical-align: top;
         overflow-wrap: anywhere; }}
tr:first-child > * {{ border-top: 0; }}
th {{ width: 17rem; font-weight: 500; color: var(--soft); }}
td {{ font-family: ui-monospace, monospace; font-size: .88rem; }}
@media (max-width: 40rem) {{ th {{ width: 40%; }} }}
</style>
</head>
<body>
<main>
<header><h1>It works</h1><p>{summary}</p></header>
{sections}
</main>
</body>
</html>
"""


def milliseconds(since: float, until: float) -> str:
    return "%.3f ms" % ((until - since) * 1000)


def moment(environ: Mapping[str, Any], name: str) -> float:
    """Return one of the server's times in seconds since the epoch, 0 if this mode has none."""
    return int(environ.get("mod_wsgi.%s" % name) or 0) / 1e6


def timings(environ: Mapping[str, Any], now: float) -> List[Row]:
    """Return how long the request took to get from one step to the next."""
    steps = [("request_start", "received by Apache"), ("queue_start", "handed to the process group"),
             ("daemon_start", "accepted by a thread of a daemon process"),
             ("script_start", "application about to be called")]
    known = [(label, moment(environ, name)) for name, label in steps if moment(environ, name)]
    known.append(("this page being written", now))
    rows: List[Row] = []
    for (_, before), (label, after) in zip(known, known[1:]):
        rows.append(("until " + label, milliseconds(before, after)))
    return rows + [("together", milliseconds(known[0][1], now))]


def process(environ: Mapping[str, Any]) -> List[Row]:
    group = environ.get("mod_wsgi.process_group")
    return [
        ("mode", "daemon process of group %s" % group if group else "embedded in an Apache process"),
        ("process id", os.getpid()),
        ("user and group id", "%d, %d" % (os.getuid(), os.getgid())),
        ("thread", threading.current_thread().name),
        ("current directory", os.getcwd()),
        ("interpreter", environ.get("mod_wsgi.application_group") or "main"),
        ("Python", sys.version.replace("\n", " ")),
        ("prefix", sys.prefix),
        ("several processes, several threads", "%s, %s" % (environ["wsgi.multiprocess"], environ["wsgi.multithread"])),
        ("requests answered by this process", environ.get("mod_wsgi.total_requests")),
    ]


def table(rows: Iterable[Row]) -> str:
    cells = ('<tr><th scope="row">%s</th><td>%s</td></tr>' % (escape(str(name)), escape(str(value)))
             for name, value in rows)
    return "<table>\n%s\n</table>" % "\n".join(cells)


def section(title: str, rows: Iterable[Row]) -> str:
    return "<section><h2>%s</h2>\n%s\n</section>" % (escape(title), table(rows))


def page(environ: Mapping[str, Any], now: float) -> str:
    """Return the page for one request; ``now`` is the time it is written at."""
    summary = "%s %s%s, answered by Python %d.%d in process %d." % (
        environ["REQUEST_METHOD"], environ.get("SCRIPT_NAME", ""), environ.get("PATH_INFO", ""), *sys.version_info[:2],
        os.getpid())
    sections = [
        section("Time", timings(environ, now)),
        section("Process", process(environ)),
        section("environ", ((key, repr(value)) for key, value in sorted(environ.items()))),
    ]
    return PAGE.format(summary=escape(summary), sections="\n".join(sections))


def application(environ, start_response):
    body = page(environ, time.time()).encode("utf-8", "backslashreplace")
    headers = [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(body))),
               ("Cache-Control", "no-store")]
    start_response("200 OK", headers)
    return [body]
