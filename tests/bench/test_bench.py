"""Reading what the load generators print, ratios, tables and the plot. Speed is measured by ./dev bench, never by a test."""
import json
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "measure"))

from bench import cases, load, plot, report, wanted  # noqa: E402

WRK = """Running 1s test @ http://127.0.0.1:8000/small
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.20ms    2.00ms  30.00ms   90.00%
    Req/Sec    15.00k     1.00k   16.00k    70.00%
  Latency Distribution
     50%  812.00us
     75%    1.00ms
     90%    2.00ms
     99%    1.50s
  15123 requests in 1.01s, 2.50MB read
"""
ENDED = "Requests/sec:  14973.27\nTransfer/sec:      2.48MB\n"
H2LOAD = """Application protocol: h2
finished in 1.00s, 6397.00 req/s, 250.00KB/s
requests: 6397 total, 6413 started, 6397 done, 6397 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 6397 2xx, 0 3xx, 0 4xx, 0 5xx
"""
ABOUT = {"python": "3.11", "apache": "Apache", "system": "Linux", "cpu": "2 x CPU", "rounds": 3, "seconds": 1, "quick": False}


def rates(*values):
    return {"rounds": [{"value": value} for value in values]}


@pytest.fixture
def results():
    return {"about": ABOUT, "cases": {
        "small-16": {"c-handler": rates(100, 50, 200), "embedded": rates(80, 40, 120), "daemon": rates(30, 20, 100), "6.1.1-daemon": rates(10, 10, 10),
                     "uwsgi": rates(20, 20, 20), "granian": rates(50, 10, 25), "gunicorn": {"failed": "status 500, 0 bytes"}},
        "small-64": {"daemon": {"rounds": [{"value": 30, "closed": 7}, {"value": 20, "closed": 0}, {"value": 90, "closed": 0}]}},
        "sleep": {"daemon": rates(735, 750, 700)}}}


def figures(results):
    return {(row.title.split(",")[-1].strip(), row.mode): row for row in wanted.reached(results) if row.reached is not None}


def test_wrk():
    assert load.read_wrk(WRK + ENDED) == {"closed": 0, "value": 14973.27, "median": pytest.approx(0.000812), "p99": 1.5}


@pytest.mark.parametrize("line", ["  Non-2xx or 3xx responses: 3\n", "  Socket errors: connect 0, read 4, write 0, timeout 0\n"])
def test_wrk_with_failed_requests(line):
    with pytest.raises(load.BadAnswers, match=line.strip()):
        load.read_wrk(WRK + line + ENDED)


@pytest.mark.parametrize("errors, accepted", [("connect 0, read 4, write 0, timeout 0", True), ("connect 1, read 4, write 0, timeout 0", False),
                                              ("connect 0, read 4, write 2, timeout 0", False), ("connect 0, read 4, write 0, timeout 1", False)])
def test_connections_that_were_ended(errors, accepted):
    text = WRK + "  Socket errors: " + errors + "\n" + ENDED
    if accepted:
        assert load.read_wrk(text, may_close=True)["closed"] == 4
    else:
        with pytest.raises(load.BadAnswers):
            load.read_wrk(text, may_close=True)


def test_h2load():
    assert load.read_h2load(H2LOAD) == {"value": 6397.0}


@pytest.mark.parametrize("good, bad", [("0 5xx", "1 5xx"), ("0 timeout", "2 timeout"), ("6397 2xx", "0 2xx"), ("protocol: h2", "protocol: http/1.1")])
def test_h2load_with_failed_requests(good, bad):
    with pytest.raises(load.BadAnswers):
        load.read_h2load(H2LOAD.replace(good, bad))


def test_ratios_are_those_within_a_round(results):
    rows = figures(results)
    assert rows["against the C handler", "embedded"].reached == pytest.approx(0.8)
    assert rows["against the C handler", "embedded"].is_met
    assert rows["against the C handler", "daemon"].reached == pytest.approx(0.4)
    assert not rows["against the C handler", "daemon"].is_met
    assert rows["against own rate at 16", "daemon"].reached == pytest.approx(1.0)
    assert rows["against mod_wsgi 6.1.1 in the same mode", "daemon"].reached == pytest.approx(3.0)
    assert rows["against the ideal 750/s", "daemon"].reached == pytest.approx(0.98)


def test_the_best_of_the_proxied_has_the_best_median(results):
    assert wanted.against_best_proxied("small-16")(results, "daemon") == pytest.approx(2.0) # granian: 30/50, 20/10, 100/25


def test_nothing_is_made_up(results):
    del results["cases"]["small-16"]["c-handler"]
    assert ("against the C handler", "daemon") not in figures(results)
    assert wanted.against_best_proxied("json")(results, "daemon") is None


@pytest.mark.parametrize("reached, is_met", [(1.01, False), (1.0, True), (0.5, True)])
def test_upper_limits(reached, is_met):
    assert wanted.Reached("memory", "daemon", 1.0, True, reached).is_met is is_met


def test_calls_and_memory(results):
    results["calls"] = {"daemon": {"child": {"futex": 2.0, "read": 5.0}, "worker": {"futex": 1.5}}, "embedded": {"child": {"futex": 4.0}}}
    results["memory"] = {name: {moment: {"group": size, "server": 2 * size} for moment in ("idle", "load")}
                         for name, size in (("daemon", 90), ("6.1.1-daemon", 100))}
    rows = figures(results)
    assert rows["child and worker", "daemon"].reached == 8.5
    assert (rows["of them futex", "daemon"].reached, rows["of them futex", "embedded"].reached) == (3.5, 4.0)
    assert rows["idle", "daemon"].reached == pytest.approx(0.9)


def test_files(results, tmp_path):
    report.write(results, tmp_path / "new" / "folder")
    folder = tmp_path / "new" / "folder"
    assert json.loads((folder / "results.json").read_text()) == results
    text = (folder / "report.txt").read_text()
    lines = {line.split("  ")[0]: line.split() for line in text.splitlines() if line}
    assert lines["13 bytes, 16 connections"][-7:] == ["100", "80", "30", "10", "20", "refused", "25"]
    assert "gunicorn refused, 13 bytes, 16 connections: status 500, 0 bytes" in text
    assert "daemon, 13 bytes, 64 connections: Apache ended 7 idle connections" in text
    assert text.count("MISSED") == 1 # daemon against the C handler


def test_plot():
    rows = [wanted.Reached("a < b", "daemon", 2.0, False, 1.0),
            wanted.Reached("calls", "daemon", 14, True, 0), wanted.Reached("fast", "embedded", 1.0, False, 9.0)]
    root = ElementTree.fromstring(plot.draw(rows))
    bars = [node for node in root.iter("{http://www.w3.org/2000/svg}rect") if node.get("fill") != "white"]
    assert [int(bar.get("width")) for bar in bars] == [plot.UNIT // 2, int(plot.UNIT * plot.LONGEST), int(plot.UNIT * plot.LONGEST)]
    assert [bar.get("fill") for bar in bars][0] != bars[1].get("fill")


def test_every_wanted_ratio_has_its_case():
    """A mistyped name of a case or server would leave a row out for ever."""
    everything = {"about": ABOUT, "cases": {name: {server: rates(1.0) for server in case.subjects} for name, case in cases.CASES.items()},
                  "memory": {name: {moment: {"group": 1, "server": 1} for moment in ("idle", "load")} for name in cases.APPLICATIONS},
                  "calls": {mode: {"child": {"futex": 1.0}} for mode in ("embedded", "daemon")}, "scaling": {1: 1.0, 2: 1.5}}
    assert [row.title for row in wanted.reached(everything) if row.reached is None] == []
