"""Measure this module beside other ways to run Python behind Apache; tables, figures and a plot go to a folder."""
import argparse
import datetime
import sys
from contextlib import ExitStack
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "measure")]

from bench import cases, environments, footprints, report, scaling, servers  # noqa: E402
from bench.load import BadAnswers  # noqa: E402

EXTRAS = ("memory", "start", "hosts", "calls")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round: a first impression in less than three minutes")
    parser.add_argument("--case", action="append", metavar="NAME", choices=(*cases.CASES, *EXTRAS),
                        help="only this one; several are allowed: " + ", ".join((*cases.CASES, *EXTRAS)))
    parser.add_argument("--peers", nargs="*", metavar="NAME", choices=cases.EVERYBODY, default=list(cases.EVERYBODY),
                        help="only these servers: " + ", ".join(cases.EVERYBODY))
    parser.add_argument("--rounds", type=int, help="rounds of each case (5, quick: 1)")
    parser.add_argument("--seconds", type=int, help="length of a measurement of a rate (3, quick: 1)")
    parser.add_argument("--freethreaded", metavar="PATH", help="a free-threaded Python: measure how it scales with threads")
    parser.add_argument("--out", type=Path, help="folder of the results (.dev/bench/results/<time>)")
    chosen = parser.parse_args()
    chosen.rounds = chosen.rounds or (1 if chosen.quick else 5)
    chosen.seconds = chosen.seconds or (1 if chosen.quick else 3)
    chosen.case = chosen.case or [*cases.CASES, *EXTRAS]
    chosen.out = chosen.out or environments.FOLDER / "results" / datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    return chosen


def say(*words) -> None:
    print(*words, file=sys.stderr, flush=True)


def measure_case(name: str, running: dict, chosen: argparse.Namespace) -> dict:
    """Rounds of one case over all servers in turn: {server: {"rounds": [...]} or {"failed": reason}}."""
    case, results = cases.CASES[name], {}
    for subject in [running[name] for name in case.subjects if name in running]:
        results[subject.name] = {"rounds": []}
        try:
            case.check(subject)
        except (BadAnswers, OSError) as error:
            results[subject.name] = {"failed": str(error)}
    for _ in range(chosen.rounds):
        for server, result in results.items():
            if "failed" in result:
                continue
            try:
                result["rounds"].append(case.measure(running[server], chosen.seconds))
            except BadAnswers as error:
                results[server] = {"failed": str(error)}
    say("%-16s %s" % (name, ", ".join("%s %s" % (server, report.cell(result)) for server, result in results.items())))
    return results


def measure_cases(chosen: argparse.Namespace) -> dict:
    wanted = [name for name in cases.CASES if name in chosen.case]
    with ExitStack() as stack:
        running = {}
        for name in chosen.peers if wanted else ():
            subject = servers.make_subject(name)
            stack.callback(subject.stop)
            running[name] = subject.start()
        return {name: measure_case(name, running, chosen) for name in wanted}


def main() -> int:
    chosen = arguments()
    environments.require_tools()
    if chosen.freethreaded:
        scaling.home_of(chosen.freethreaded) # better now than after half an hour
    results = {"about": report.surroundings(chosen), "cases": measure_cases(chosen)}
    report.write(results, chosen.out) # what is there stays, whatever happens to the rest
    for name, measure in (("memory", footprints.memory), ("start", footprints.start), ("hosts", footprints.hosts), ("calls", footprints.calls)):
        if name in chosen.case:
            say("measuring", name)
            results[name] = measure(chosen.peers, chosen.rounds)
    if chosen.freethreaded:
        results["scaling"] = scaling.measure(chosen.freethreaded, chosen.rounds, chosen.seconds)
    report.write(results, chosen.out)
    print((chosen.out / "report.txt").read_text())
    print("in", chosen.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
