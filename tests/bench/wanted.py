"""The ratios that this module wants to reach, and what was reached."""
from dataclasses import dataclass
from statistics import median
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional

PROXIED = ("uwsgi", "gunicorn", "granian")
IDEAL_SLEEPERS = 15 / 0.02 # requests per second of 15 threads that sleep 20 ms in each


def rounds(results: dict, case: str, server: str) -> Optional[List[float]]:
    """The figures of a server in a case, None if there are none."""
    found = results["cases"].get(case, {}).get(server, {}).get("rounds")
    return [one["value"] for one in found] if found else None


def paired(above: Optional[List[float]], below: Optional[List[float]]) -> Optional[float]:
    """The median of the ratios of each round: a machine that becomes slower meanwhile does not change them."""
    return median(one / other for one, other in zip(above, below)) if above and below else None


def against(case: str, name: str) -> Callable:
    """The rate as a part of that of another server; ``{mode}`` in its name is the mode."""
    return lambda results, mode: paired(rounds(results, case, mode), rounds(results, case, name.format(mode=mode)))


def against_own(case: str, other: str) -> Callable:
    return lambda results, mode: paired(rounds(results, case, mode), rounds(results, other, mode))


def against_best_proxied(case: str) -> Callable:
    def ratio(results: dict, mode: str) -> Optional[float]:
        rates = [found for found in (rounds(results, case, name) for name in PROXIED) if found]
        return paired(rounds(results, case, mode), max(rates, key=median)) if rates else None
    return ratio


def against_ideal(case: str, rate: float) -> Callable:
    return lambda results, mode: paired(rounds(results, case, mode), [rate] * len(rounds(results, case, mode) or ()))


def memory_ratio(moment: str) -> Callable:
    def ratio(results: dict, mode: str) -> Optional[float]:
        figures = results.get("memory", {})
        if mode not in figures or "6.1.1-" + mode not in figures:
            return None
        return figures[mode][moment]["group"] / figures["6.1.1-" + mode][moment]["group"]
    return ratio


def calls(name: str = "") -> Callable:
    """System calls per request, of all names or of one."""
    def count(results: dict, mode: str) -> Optional[float]:
        processes = results.get("calls", {}).get(mode)
        return processes and sum(number for names in processes.values() for call, number in names.items() if name in ("", call))
    return count


def scaling(results: dict, mode: str) -> Optional[float]:
    del mode
    return results["scaling"][2] / results["scaling"][1] if "scaling" in results else None


@dataclass(frozen=True)
class Wanted:
    """A row. ``limits`` holds a bound for each mode that has one: a lower one, or an upper one if ``at_most``."""

    title: str
    figure: Callable
    limits: Dict[str, float]
    at_most: bool = False


ROWS = (
    Wanted("13 bytes, 16 connections, against the C handler", against("small-16", "c-handler"), {"embedded": 0.75, "daemon": 0.50}),
    Wanted("13 bytes, 1 connection, against the C handler", against("small-1", "c-handler"), {"embedded": 0.93, "daemon": 0.65}),
    Wanted("13 bytes, 64 connections, against own rate at 16", against_own("small-64", "small-16"), {"embedded": 0.95, "daemon": 0.95}),
    Wanted("13 bytes, 16 connections, against mod_wsgi 6.1.1 in the same mode", against("small-16", "6.1.1-{mode}"), {"embedded": 2.5, "daemon": 2.2}),
    Wanted("13 bytes, 16 connections, against the best of uWSGI, gunicorn, granian", against_best_proxied("small-16"), {"embedded": 1.5, "daemon": 1.1}),
    Wanted("10 kB JSON, against 6.1.1", against("json", "6.1.1-{mode}"), {"embedded": 2.2, "daemon": 2.0}),
    Wanted("2,000 short lines, against 6.1.1", against("lines", "6.1.1-{mode}"), {"embedded": 3, "daemon": 2.5}),
    Wanted("64 MB file_wrapper, against Apache sending the static file", against("file", "static"), {"embedded": 0.95, "daemon": 0.95}),
    Wanted("64 MB generator, against 6.1.1", against("blocks", "6.1.1-{mode}"), {"embedded": 1, "daemon": 2}),
    Wanted("64 MB upload, Content-Length, against 6.1.1", against("upload", "6.1.1-{mode}"), {"embedded": 1, "daemon": 2}),
    Wanted("64 MB upload, chunked, against 6.1.1", against("upload-chunked", "6.1.1-{mode}"), {"embedded": 1, "daemon": 2}),
    Wanted("sleeping 20 ms, 64 connections, 15 threads, against the ideal 750/s", against_ideal("sleep", IDEAL_SLEEPERS), {"daemon": 0.97}),
    Wanted("PSS of a group of 4 workers against 6.1.1, idle", memory_ratio("idle"), {"daemon": 1.0}, at_most=True),
    Wanted("PSS of a group of 4 workers against 6.1.1, under load", memory_ratio("load"), {"daemon": 1.0}, at_most=True),
    Wanted("system calls per small request at 16 connections, child and worker", calls(), {"daemon": 14}, at_most=True),
    Wanted("of them futex", calls("futex"), {"embedded": 3, "daemon": 3}, at_most=True),
    Wanted("free-threaded Python, CPU-bound, 2 threads against one", scaling, {"daemon": 1.7}),
)


class Reached(NamedTuple):
    """One cell; ``reached`` is None when it was not measured."""

    title: str
    mode: str
    wanted: float
    at_most: bool
    reached: Optional[float]

    @property
    def is_met(self) -> bool:
        return self.reached is not None and (self.reached <= self.wanted if self.at_most else self.reached >= self.wanted)


def reached(results: dict) -> Iterator[Reached]:
    for row in ROWS:
        for mode, limit in row.limits.items():
            yield Reached(row.title, mode, limit, row.at_most, row.figure(results, mode))
