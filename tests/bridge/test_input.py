"""wsgi.input."""
import json

import pytest

from bridge.bridgehost import APPS

APP = APPS / "bodies.wsgi"
BODY = r"ab\ncdef\n\nlast"
LINES = ["ab\n", "cdef\n", "\n", "last"]

CASES = {
    "all_at_once": ["".join(LINES), "", "", "", []],
    "negative": ["".join(LINES), ""],
    "pieces": ["ab\nc", "def", "\n\nlast", ""],
    "nothing": ["", "", "ab\n", ""],
    "lines": LINES + [""],
    "limited_lines": ["ab", "", "\n", "cdef\n"],
    "all_lines": [LINES, []],
    "hinted": [["ab\n", "cdef\n"], ["\n", "last"]],
    "iterated": LINES,
    "mixed": ["a", "b\n", "cdef\n", "\nl", ["ast"]],
    "closed": [None, "".join(LINES)],
    "attributes": [False] * 5,
}


@pytest.fixture(params=[0, 1, 3], ids=["whole", "by-one", "by-three"])
def limit(request, host):
    host.command("plan read_limit %d" % request.param)
    host.command("plan read_status 0")
    yield request.param
    host.command("plan read_limit 0")


@pytest.mark.parametrize("name", sorted(CASES))
def test_methods(host, limit, name):
    response = host.run(APP, name, plan={"body": BODY})
    assert json.loads(response.body) == CASES[name]


def test_wrong_arguments(host):
    assert json.loads(host.run(APP, "wrong").body) == ["read", "readline", "readlines"] * 4


def test_first_empty_read_reaches_the_client(host):
    """It has Apache send 100 Continue; later ones do nothing."""
    response = host.run(APP, "nothing", plan={"body": BODY})
    assert response.reads == 2


@pytest.mark.parametrize("name, expected", [("total", 1000000), ("line_count", 15625), ("echo_blocks", 1000000),
                                            ("wait", 1000000)])
def test_large_bodies(host, name, expected):
    host.command("plan read_limit 8000")
    assert json.loads(host.run(APP, name, plan={"body_size": 1000000}).body) == expected
    host.command("plan read_limit 0")


@pytest.mark.parametrize("status, shown", [("timeup", "timeout"), ("again", "connection was terminated"),
                                           (104, "reset")])
def test_errors(host, status, shown):
    seen = json.loads(host.run(APP, "failing", plan={"body": "abc", "read_status": status}).body)
    host.command("plan read_status 0")
    assert len(seen) == 5
    assert "reading the mod_wsgi request data failed" in seen[0] and shown in seen[0]
    assert all("already in error state" in text for text in seen[1:])


def test_reading_is_activity(host):
    before = host.value("activity")
    host.run(APP, "total", plan={"body_size": 100})
    assert host.value("activity") > before
    host.command("route ignore_activity 1")
    before = host.value("activity")
    host.run(APP, "total", plan={"body_size": 100})
    assert host.value("activity") == before
    host.command("route ignore_activity 0")
