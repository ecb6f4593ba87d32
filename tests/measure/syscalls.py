"""System calls per small request: the Apache child and the daemon's worker, by strace -c -f, at one and at 16 connections."""
import re
import signal
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Dict, List

from common import start
from harness.processes import status_field
from harness.waiting import wait_until

CONNECTIONS, REQUESTS = 16, 4000
CONFIG = """
KeepAliveTimeout 60
<Directory />
  Options FollowSymLinks
  AllowOverride None
</Directory>
"""
WARMING = 20 # requests of each connection beforehand: every thread has run, and loaded what it needs


class Load:
    """Clients that keep their connections, and send a given number of requests when they are told to."""

    def __init__(self, server, connections: int, path: str):
        self.path = path
        self.connections = [server.client().connection() for _ in range(connections)]
        for connection in self.connections:
            connection.http.connect()

    def run(self, each: int) -> None:
        """Requests over all connections at once."""
        failed: List[BaseException] = []

        def send(connection) -> None:
            try:
                for _ in range(each):
                    assert connection.request("GET", self.path).status == 200
            except BaseException as error:
                failed.append(error)
        threads = [threading.Thread(target=send, args=(connection,)) for connection in self.connections]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            raise failed[0]

    def close(self) -> None:
        for connection in self.connections:
            connection.http.close()


def is_traced(pid: int, tracer: int) -> bool:
    """Whether strace has attached to every thread."""
    threads = [int(path.name) for path in Path("/proc/%d/task" % pid).iterdir()]
    return all(status_field(thread, "TracerPid") == [str(tracer)] for thread in threads)


def trace(pid: int, load: Load, requests: int) -> Dict[str, float]:
    """Calls by name, per request. The process is idle when strace attaches and when it leaves."""
    each = requests // len(load.connections)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "counts"
        tracer = subprocess.Popen(["strace", "-f", "-c", "-U", "calls,name", "-o", str(out), "-p", str(pid)], stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: is_traced(pid, tracer.pid), 20, "strace to attach")
            load.run(each)
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.wait()
        rows = re.findall(r"^\s*(\d+)\s+(\w+)\s*$", out.read_text(), re.MULTILINE)
    return {name: int(calls) / (each * len(load.connections)) for calls, name in rows if name != "total"}


def show(label: str, calls: Dict[str, float]) -> None:
    often = sorted(((count, name) for name, count in calls.items() if count >= 0.01), reverse=True)
    print("%s: %.1f calls per request: %s" % (label, sum(calls.values()), ", ".join("%s %.2f" % (n, c) for c, n in often)))


def count(server, connections: int = CONNECTIONS, requests: int = REQUESTS, path: str = "/") -> Dict[str, Dict[str, float]]:
    """Calls per request of a running server, by process and name: {"child": {"futex": 2.5, ...}, "worker": {...}}."""
    load = Load(server, connections, path)
    try:
        load.run(WARMING)
        workers = server.daemon_pids()
        child, = {p.pid for p in server.processes()} - workers - server.daemon_pids(keepers=True) - {server.pid}
        pids = {"child": child, **({"worker": workers.pop()} if workers else {})}
        return {process: trace(pid, load, requests) for process, pid in pids.items()}
    finally:
        load.close()


def measure(mode: str, connections: int = CONNECTIONS, requests: int = REQUESTS) -> Dict[str, Dict[str, float]]:
    """The same for a server of its own; no worker in embedded mode."""
    options = {"processes": 1, "threads": 15} if mode == "daemon" else {}
    server = start(apps={"/": "hello.wsgi"}, mode=mode, daemon=options, wsgi_level="warn", children=1, threads=32, access_log=False,
                   config=CONFIG)
    try:
        return count(server, connections, requests)
    finally:
        server.stop()
        server.destroy()


def main() -> None:
    for mode in ("embedded", "daemon"):
        for connections in (1, CONNECTIONS):
            for process, calls in measure(mode, connections).items():
                show("%s, %s, connections: %d" % (mode, process, connections), calls)


if __name__ == "__main__":
    main()
