"""A free-threaded Python: how much more of a CPU-bound application two threads of one process do than one thread."""
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

from bench import environments, load, servers
from harness.build import TOP
from harness.config import Site
from harness.server import Server, make_readable

COUNTS = (1, 2)


def build(python: str) -> Path:
    """The module and the bridge of that Python, in a folder of their own."""
    folder = environments.FOLDER / "freethreaded"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "Makefile").exists():
        subprocess.run([str(TOP / "configure"), "-q", "--with-python=" + python], cwd=str(folder), check=True)
    subprocess.run(["make", "-s", "-j2"], cwd=str(folder), check=True)
    return folder / "build" / "mod_wsgi.so"


def home_of(python: str) -> str:
    """sys.prefix of a free-threaded Python; ends the program for any other."""
    asked = subprocess.run([python, "-c", "import sys, sysconfig; print(sysconfig.get_config_var('Py_GIL_DISABLED') or 0, sys.prefix)"],
                           stdout=subprocess.PIPE, universal_newlines=True, check=True).stdout
    disabled, home = asked.strip().split(" ", 1)
    if disabled != "1":
        sys.exit("--freethreaded: %s has a GIL; a build made with --disable-gil is needed" % python)
    return home


def make_server(module: Path, home: str, threads: int) -> Server:
    site = Site(apps={"/": "bench.py"}, mode="daemon", daemon={"processes": 1, "threads": threads}, python_home=home, children=1, access_log=False,
                wsgi_level="warn", before="WSGIFreeThreading On\n")
    server = Server(site, module)
    (server.root / "apps" / "bench.py").write_bytes((servers.HERE / "apps" / "bench.py").read_bytes())
    make_readable(server.root / "apps")
    return server.start()


def measure(python: str, rounds: int, seconds: int) -> dict:
    """Requests per second by number of threads, medians."""
    home = home_of(python)
    module = build(os.path.realpath(python))
    running, rates = {}, {count: [] for count in COUNTS}
    try:
        for count in COUNTS:
            running[count] = make_server(module, home, count)
        for _ in range(rounds):
            for count, server in running.items():
                rates[count].append(load.wrk("http://127.0.0.1:%d/compute" % server.port, 4, seconds)["value"])
    finally:
        for server in running.values():
            servers.finish(server)
    return {count: median(values) for count, values in rates.items()}
