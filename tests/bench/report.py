"""Results as text, JSON and a plot."""
import json
import platform
import subprocess
from pathlib import Path
from statistics import median
from typing import Iterable, List, Sequence

from bench import cases, plot, wanted
from harness import apache


def surroundings(chosen) -> dict:
    """What the figures depend on."""
    version = subprocess.run([apache.program(), "-v"], stdout=subprocess.PIPE, universal_newlines=True, check=True).stdout.splitlines()[0]
    cpu = [line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {"python": platform.python_version(), "apache": version.split(":")[1].strip(), "system": platform.platform(),
            "cpu": "%d x %s" % (len(cpu), cpu[0] if cpu else "?"), "rounds": chosen.rounds, "seconds": chosen.seconds,
            "quick": chosen.quick}


def cell(result: dict) -> str:
    """The median of the rounds, or that the server cannot do it."""
    return "refused" if "failed" in result else "%.0f" % median(one["value"] for one in result["rounds"])


def table(rows: Iterable[Sequence[str]]) -> List[str]:
    """Columns side by side, the first to the left and the others to the right."""
    rows = [list(row) for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(value.ljust(width) if column == 0 else value.rjust(width) for column, (value, width) in enumerate(zip(row, widths))).rstrip()
            for row in rows]


def case_rows(results: dict) -> Iterable[List[str]]:
    names = [name for name in cases.EVERYBODY if any(name in servers for servers in results["cases"].values())]
    yield ["median", "unit", *names]
    for name, servers in results["cases"].items():
        case = cases.CASES[name]
        yield [case.title, case.unit, *(cell(servers[server]) if server in servers else "" for server in names)]


def remarks(results: dict) -> Iterable[str]:
    for name, servers in results["cases"].items():
        for server, result in servers.items():
            closed = sum(one.get("closed", 0) for one in result.get("rounds", ()))
            if closed:
                yield "%s, %s: Apache ended %d idle connections, since all its threads were busy" % (server, cases.CASES[name].title, closed)
            if "failed" in result:
                yield "%s refused, %s: %s" % (server, cases.CASES[name].title, result["failed"].splitlines()[0])


def wanted_rows(results: dict) -> Iterable[List[str]]:
    yield ["wanted", "mode", "limit", "reached", ""]
    for row in wanted.reached(results):
        if row.reached is not None:
            yield [row.title, row.mode, "%s %.2f" % ("<=" if row.at_most else ">=", row.wanted), "%.2f" % row.reached, "" if row.is_met else "MISSED"]


def footprint_tables(results: dict) -> Iterable[List[str]]:
    if "memory" in results:
        rows = [["PSS in MiB, 4 processes", "group idle", "group under load", "server idle", "server under load"]]
        for name, figures in results["memory"].items():
            rows.append([name, *("%.1f" % (figures[moment][what] / 1024) for what in ("group", "server") for moment in ("idle", "load"))])
        yield table(rows)
    if "start" in results:
        yield table([["start to first answer", "ms"], *([name, "%.0f" % (seconds * 1000)] for name, seconds in results["start"].items())])
    if "hosts" in results:
        rows = [["500 virtual hosts, 50 groups", "check ms", "start ms", "PSS of all in MiB"]]
        for kind, figures in results["hosts"].items():
            rows.append([kind, "%.0f" % (figures["check"] * 1000), "%.0f" % (figures["start"] * 1000), "%.1f" % (figures["memory"] / 1024)])
        yield table(rows)
    if "calls" in results:
        rows = [["system calls per request", "all", "futex", "most frequent"]]
        for mode, processes in results["calls"].items():
            for process, names in processes.items():
                often = sorted(names.items(), key=lambda item: -item[1])[:8]
                rows.append(["%s, %s" % (mode, process), "%.1f" % sum(names.values()), "%.1f" % names.get("futex", 0),
                             ", ".join("%s %.1f" % item for item in often)])
        yield table(rows)
    if "scaling" in results:
        yield table([["free-threaded, CPU-bound", "requests/s"], *(["%s threads" % count, "%.1f" % rate] for count, rate in results["scaling"].items())])


def as_text(results: dict) -> str:
    about = results["about"]
    parts = [["%s, Python %s, %s" % (about["apache"], about["python"], about["system"]),
              "%s, rounds: %d of %d s%s" % (about["cpu"], about["rounds"], about["seconds"], ", quick: a first impression only" if about["quick"] else "")]]
    if results["cases"]:
        parts.append(table(case_rows(results)))
        parts.append(list(remarks(results)))
    parts += [table(wanted_rows(results)), *footprint_tables(results)]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def write(results: dict, folder: Path) -> None:
    """``report.txt``, ``results.json`` and ``ratios.svg``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / "report.txt").write_text(as_text(results))
    (folder / "ratios.svg").write_text(plot.draw([row for row in wanted.reached(results) if row.reached is not None]))
