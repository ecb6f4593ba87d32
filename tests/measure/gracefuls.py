"""Graceful restarts in a row, a request after each: how many failed, and what grew in Apache's parent."""
import os
import signal
import sys
import time
from pathlib import Path

from common import start


def facts(pid: int) -> dict:
    """Open descriptors, memory (KiB), threads and mapped objects of a process."""
    status = Path("/proc/%d/status" % pid).read_text()
    numbers = {line.split(":")[0]: line.split()[1] for line in status.splitlines() if line.startswith(("VmRSS", "Threads"))}
    maps = Path("/proc/%d/maps" % pid).read_text()
    return {"descriptors": len(os.listdir("/proc/%d/fd" % pid)), "RSS": int(numbers["VmRSS"]),
            "threads": int(numbers["Threads"]), "mappings": maps.count("\n"), "libpython mapped": "libpython" in maps}


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    server = start(apps={"/": "hello.wsgi"}, mode="daemon", daemon={"processes": 2, "threads": 5}, wsgi_level="warn")
    try:
        statuses, longest = {}, 0.0
        for i in range(count + 1):
            if i in (10, count): # the first few fill Apache's pools; old generations end within a moment
                time.sleep(2)
                print("after %d restarts: %s" % (i, facts(server.pid)))
            before = time.monotonic()
            status = server.client().get("/").status
            longest = max(longest, time.monotonic() - before)
            statuses[status] = statuses.get(status, 0) + 1
            os.kill(server.pid, signal.SIGUSR1)
        print("statuses: %s, longest request %.2f s" % (statuses, longest))
    finally:
        server.stop()
        server.destroy()


if __name__ == "__main__":
    main()
