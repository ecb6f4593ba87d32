"""What a server costs beside the time of requests: memory, start-up, a large configuration, system calls."""
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Dict, List

import peer
import syscalls
from bench import cases, load, servers
from common import make
from harness.server import Server
from harness.waiting import wait_until

WORKERS = 4
HOSTS, GROUPS = 500, 50


def pss(pids: List[int]) -> int:
    """Proportional set size in KiB: shared pages count once, divided among those who map them."""
    total = 0
    for pid in pids:
        try:
            lines = Path("/proc/%d/smaps_rollup" % pid).read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue # ended meanwhile
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total


def memory(names: List[str], rounds: int) -> dict:
    """PSS in KiB of a group of 4 processes and of the whole server: idle, under load, afterwards."""
    del rounds # the figures differ by a few percent only
    return {name: memory_of(name) for name in names if name not in ("c-handler", "static")}


def memory_of(name: str) -> Dict[str, Dict[str, int]]:
    subject = servers.make_subject(name, WORKERS)
    try:
        subject.start()
        for _ in range(100):
            subject.ask("GET", "/small")
        group, everything = subject.group(), subject.everything()
        result = {"idle": {"group": pss(group), "server": pss(everything)}}
        process = subprocess.Popen(["wrk", "-t1", "-c16", "-d2s", subject.url("/small")], stdout=subprocess.PIPE, universal_newlines=True)
        time.sleep(1)
        result["load"] = {"group": pss(group), "server": pss(subject.everything())}
        load.read_wrk_errors(process.communicate()[0])
        return result
    finally:
        subject.stop()


def start(names: List[str], rounds: int) -> dict:
    """Seconds from the start of Apache, and of the server behind it, to the first answer."""
    seconds = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            subject = servers.make_subject(name)
            try:
                before = time.monotonic()
                subject.start()
                seconds[name].append(time.monotonic() - before)
            finally:
                subject.stop()
    return {name: median(values) for name, values in seconds.items()}


def large_config(root: Path, wsgi: bool) -> str:
    """500 virtual hosts that share 50 groups, or the same hosts with folders only."""
    lines = ["WSGIDaemonProcess group%d processes=1 threads=2\n" % number for number in range(GROUPS)] if wsgi else []
    for number in range(HOSTS):
        script = "  WSGIScriptAlias / {}/apps/hello.wsgi process-group=group{} application-group=%{{GLOBAL}}\n".format(root, number % GROUPS)
        lines.append("<VirtualHost *:*>\n  ServerName host{}.example.com\n{}</VirtualHost>\n".format(
            number, script if wsgi else "  Alias /app {}/apps\n".format(root)))
    return "".join(lines)


def large_server(kind: str) -> Server:
    server = make(children=1, threads=cases.APACHE_THREADS, access_log=False, wsgi_level="warn")
    if kind != "this module":
        server.module = peer.shared_object() if kind == "6.1.1" else None
    server.site.config = large_config(server.root, server.module is not None)
    return server


def hosts(names: List[str], rounds: int) -> dict:
    """500 virtual hosts with 50 groups: seconds to check the configuration and to start, PSS of all processes in KiB."""
    kinds = ("without", "this module", "6.1.1") if "6.1.1-daemon" in names else ("without", "this module")
    measured = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind in kinds:
            server = large_server(kind)
            try:
                before = time.monotonic()
                done = server.check_config()
                checked = time.monotonic()
                if done.returncode != 0:
                    raise RuntimeError("%s does not accept the configuration:\n%s" % (kind, done.stdout[-2000:]))
                server.start()
                wait_until(lambda: "resuming normal operations" in server.log.all(), 60, "Apache to be up")
                measured[kind].append((checked - before, time.monotonic() - checked, pss([entry.pid for entry in server.processes()])))
            finally:
                servers.finish(server)
    return {kind: dict(zip(("check", "start", "memory"), map(median, zip(*rows)))) for kind, rows in measured.items()}


def calls(names: List[str], rounds: int) -> dict:
    """System calls per small request at 16 connections: {server: {process: {call: number}}}, of this module and the C handler."""
    del rounds
    if not shutil.which("strace"):
        print("no strace: system calls are not counted", file=sys.stderr)
        return {}
    return {name: calls_of(name) for name in ("c-handler", "embedded", "daemon") if name in names}


def calls_of(name: str) -> Dict[str, Dict[str, float]]:
    subject = servers.make_subject(name)
    try:
        subject.start()
        return syscalls.count(subject.apache, path="/small")
    finally:
        subject.stop()
