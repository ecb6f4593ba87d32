"""What one small request may cost: machine instructions of the bridge, system calls of child and worker.

    python3 tests/perf/budget.py            measure, and print it beside the budget
    python3 tests/perf/budget.py --renew    write what was measured into budget.json
"""
import functools
import json
import sys
from pathlib import Path
from typing import Dict

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "measure")]

import syscalls  # noqa: E402
from bridge import bridgehost, instructions  # noqa: E402

FILE = HERE / "budget.json"
PYTHON = "/usr/bin/python3"
REQUESTS = 640
GROUPS = {"main interpreter": "", "sub-interpreter": "sub"}
MODES = ("embedded", "daemon")
BY_CHANCE = ("epoll_wait", "pselect6") # as often as the listener finds nothing to do; by the clock


def read() -> dict:
    return json.loads(FILE.read_text())


@functools.lru_cache(maxsize=None)
def bridge() -> bridgehost.Build:
    return bridgehost.Build(PYTHON).make()


def count_instructions(label: str) -> Dict[str, float]:
    build = bridge()
    found = instructions.per_request(str(build.program), str(build.bridge), str(HERE.parent / "bridge" / "apps" / "hello.wsgi"), GROUPS[label])
    return {"bridge, %s: instructions" % label: found}


def count_calls(mode: str, connections: int) -> Dict[str, float]:
    """Calls by process. futex counts with one connection only: with more of them it depends on who comes first."""
    figures = {}
    for process, calls in syscalls.measure(mode, connections, REQUESTS).items():
        label = "%s, %d connection%s, %s: " % (mode, connections, "s" if connections > 1 else "", process)
        if connections == 1:
            figures[label + "futex"] = calls.get("futex", 0.0)
        figures[label + "other system calls"] = sum(number for name, number in calls.items() if name not in (*BY_CHANCE, "futex"))
    return figures


def limit(entry: dict) -> float:
    return entry["value"] * (1 + entry["tolerance"])


def main() -> None:
    budget = read()
    entries = budget["figures"]
    measured: Dict[str, float] = {}
    for label in GROUPS:
        measured.update(count_instructions(label))
    for mode in MODES:
        for connections in (1, syscalls.CONNECTIONS):
            measured.update(count_calls(mode, connections))
    for name, value in measured.items():
        print("%-60s %10.2f   budget %10.2f, up to %10.2f" % (name, value, entries[name]["value"], limit(entries[name])))
        if not name.endswith("futex"): # a bound, which no run of a busy or quiet machine should move
            entries[name]["value"] = round(value) if value > 100 else round(value, 1)
    if "--renew" in sys.argv:
        FILE.write_text(json.dumps(budget, indent=2) + "\n")


if __name__ == "__main__":
    main()
