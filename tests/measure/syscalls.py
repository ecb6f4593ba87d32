"""System calls per small request at 16 connections: the Apache child and the daemon's worker, by strace -c -f."""
import re
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from common import start

CONNECTIONS, SECONDS = 16, 4


def load(server, connections: int, stop: threading.Event) -> None:
    """Requests over keep-alive connections until `stop`."""
    def run() -> None:
        with server.client().connection() as connection:
            while not stop.is_set():
                assert connection.request("GET", "/").status == 200

    threads = [threading.Thread(target=run) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def trace(pid: int, requests) -> dict:
    """Calls by name while the load runs, divided by what `requests()` says was served in that time."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "counts"
        before = requests()
        tracer = subprocess.Popen(["strace", "-f", "-c", "-U", "calls,name", "-o", str(out), "-p", str(pid)],
                                  stderr=subprocess.DEVNULL)
        time.sleep(SECONDS)
        tracer.send_signal(signal.SIGINT)
        tracer.wait()
        served = requests() - before
        rows = re.findall(r"^\s*(\d+)\s+(\w+)\s*$", out.read_text(), re.MULTILINE)
    return {name: int(calls) / served for calls, name in rows if name != "total"}


def show(label: str, calls: dict) -> None:
    often = sorted(((count, name) for name, count in calls.items() if count >= 0.01), reverse=True)
    print("%s: %.1f calls per request: %s" % (label, sum(calls.values()), ", ".join("%s %.2f" % (n, c) for c, n in often)))


def measure(mode: str, connections: int = CONNECTIONS) -> dict:
    """Calls per request by process and name: {"child": {"futex": 2.5, ...}, "worker": {...}}; no worker in embedded mode."""
    options = {"processes": 1, "threads": 15} if mode == "daemon" else {}
    server = start(apps={"/": "hello.wsgi"}, mode=mode, daemon=options, wsgi_level="warn", children=1,
                   modules=("log_config",), config="KeepAlive On\nMaxKeepAliveRequests 0\n"
                   "CustomLog logs/count %m\n<Directory />\nAllowOverride None\n</Directory>\n")
    counter = server.root / "logs" / "count"
    stop = threading.Event()
    try:
        runner = threading.Thread(target=load, args=(server, connections, stop))
        runner.start()
        time.sleep(1)

        def requests() -> int:
            return counter.read_bytes().count(b"\n")

        workers = server.daemon_pids()
        children = {p.pid for p in server.processes()} - workers - server.daemon_pids(keepers=True) - {server.pid}
        calls = {"child": trace(children.pop(), requests)}
        if workers:
            calls["worker"] = trace(workers.pop(), requests)
        stop.set()
        runner.join()
        return calls
    finally:
        stop.set()
        server.stop()
        server.destroy()


def main() -> None:
    for mode in ("embedded", "daemon"):
        for process, calls in measure(mode).items():
            show("%s, %s" % (mode, process), calls)


if __name__ == "__main__":
    main()
