"""What preload=On saves: memory of 8 processes, and the time until a lost one has a successor.

The application keeps 150 MB of Python objects and takes 1 s to import. Printed, with and without the option: the proportional set
size (PSS of /proc/PID/smaps_rollup) of all processes of the group together, keeper and template included, at first, after 4,000
requests that each read 100 objects out of one percent of them, and after 4,000 that read 100 from anywhere, which copies each page that
is read, since CPython writes to an object that it uses; and the time from the death of the only process of a group to the next answer,
the median of 5.
"""
import os
import random
import signal
import statistics
import time

from common import make
from harness import processes
from harness.server import Server
from harness.waiting import wait_until

PROCESSES, REQUESTS = 8, 4000
APP = '''
import os, random, time
time.sleep(1)
DATA = [{"number": number, "text": "%0100d" % number} for number in range(400000)]

def application(environ, start_response):
    end = len(DATA) if environ["PATH_INFO"] == "/anywhere" else len(DATA) // 100
    total = sum(len(DATA[random.randrange(end)]["text"]) for _ in range(100))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d %d" % (total, os.getpid())]
'''


def pss(pid: int) -> float:
    """Megabytes, of a process and its share of what it has in common with others."""
    for line in processes.read_file(pid, "smaps_rollup").decode().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def group_memory(server: Server) -> float:
    """Of a server's keeper and all that was forked below it."""
    keeper, = server.daemon_pids(keepers=True)
    return sum(map(pss, {keeper} | processes.children(keeper)))


def started(preload: str, count: int) -> Server:
    server = make(mode="daemon", daemon={"processes": count, "threads": 1, "preload": preload}, apps={"/": "data.wsgi"}, children=1,
                  config="WSGIImportScript {root}/apps/data.wsgi process-group=site application-group=%{GLOBAL}\nTimeout 60\n"
                         "WSGIRestrictEmbedded On\n")
    server.write_app("data.wsgi", APP)
    server.start()
    serving(server, count)
    return server


def serving(server: Server, count: int) -> None:
    """Wait until so many processes have answered."""
    seen = set()
    wait_until(lambda: seen.add(server.client().get("/").body.split()[1]) or len(seen) == count, 120, "answers of all processes")


def measure_memory(preload: str) -> None:
    server = started(preload, PROCESSES)
    figures = [group_memory(server)]
    client = server.client()
    for path in ("/", "/anywhere"):
        for _ in range(REQUESTS):
            client.get(path)
        figures.append(group_memory(server))
    print("preload=%-3s  %d processes: PSS %5.0f MB, after %d requests %5.0f MB, after as many that read anywhere %5.0f MB"
          % (preload, PROCESSES, figures[0], REQUESTS, figures[1], figures[2]), flush=True)
    server.stop()


def measure_succession(preload: str) -> None:
    server = started(preload, 1)
    times = []
    for _ in range(5):
        time.sleep(5 + random.random()) # who dies young is followed by others after a pause
        victim = int(server.client().get("/").body.split()[1])
        begun = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: server.client().get("/").status == 200, 30, "a successor of {}".format(victim))
        times.append(time.monotonic() - begun)
    print("preload=%-3s  from the death of the only process to the next answer: %4.0f ms" % (preload, 1000 * statistics.median(times)),
          flush=True)
    server.log.allow("WSGI0119", "WSGI0146", "WSGI0252")
    server.stop()


def main() -> None:
    for preload in ("Off", "On"):
        measure_memory(preload)
        measure_succession(preload)


if __name__ == "__main__":
    main()
