"""Taking responses apart, comparing them, and the checked list."""
import json

import pytest

from compare import cases, sites
from compare.differences import Difference, Expectations, compare, compare_levels, report
from compare.wire import take_apart

PLAIN = b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 4\r\n\r\nbody"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n"


@pytest.mark.parametrize("data, bodies, whole", [
    (PLAIN, [b"body"], [True]), (CHUNKED, [b"body"], [True]), (PLAIN + CHUNKED + PLAIN, [b"body"] * 3, [True] * 3), (PLAIN[:-1], [b"bod"], [False]),
    (CHUNKED[:-5], [b"body"], [False]), (b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN, [b"body"], [True]), (b"garbage", [b"garbage"], [False]), (b"", [], []),
    (b"HTTP/1.1 204 No Content\r\n\r\n" + PLAIN, [b"", b"body"], [True, True]), (b"HTTP/1.0 200 OK\r\n\r\nto the end", [b"to the end"], [True])])
def test_taking_apart(data, bodies, whole):
    answers = take_apart(data, is_head=False)
    assert [answer.body for answer in answers] == bodies
    assert [answer.is_whole for answer in answers] == whole


def aspects(ours, theirs):
    return [difference.aspect for difference in compare(take_apart(ours, False), take_apart(theirs, False))]


@pytest.mark.parametrize("ours, theirs, expected", [
    (PLAIN, PLAIN.replace(b"Date: x", b"Date: y"), []), (PLAIN, CHUNKED, ["header content-length", "header transfer-encoding"]),
    (PLAIN, PLAIN.replace(b"200 OK", b"404 Gone"), ["status", "reason"]), (PLAIN, PLAIN.replace(b"body", b"bode"), ["body"]), (PLAIN, b"",
    ["number of responses"]),
    (PLAIN, PLAIN[:-1], ["header content-length", "completeness", "body"]), (PLAIN, b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN, ["interim"]),
    (PLAIN, PLAIN.replace(b"Date: x", b"X-A: 1\r\nX-A: 2"), ["header x-a"])])
def test_comparing(ours, theirs, expected):
    assert aspects(ours, theirs) == expected


def dump(**values):
    environ = {"KEY%d" % number: "'x'" for number in range(12)}
    environ.update(values)
    body = "\n".join("%s\tstr\t%s" % item for item in sorted(environ.items())).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def test_environ_is_compared_by_key():
    assert aspects(dump(PATH_INFO="'/a'"), dump(PATH_INFO="'/b'", EXTRA="1")) == ["environ EXTRA", "environ PATH_INFO"]
    assert aspects(dump(REMOTE_PORT="'1'"), dump(REMOTE_PORT="'2'")) == []


def test_levels():
    assert compare_levels(["error", "error"], ["error"]) == []
    assert compare_levels(["error"], []) == [Difference("log levels", "error", "nothing")]


def test_list_and_report(tmp_path):
    path = tmp_path / "expected.json"
    path.write_text(json.dumps([{"aspect": "header *", "case": "a/*", "reason": "wanted"}, {"aspect": "never", "reason": "old"}]))
    one, other = Difference("header x", "1", "absent"), Difference("status", "200", "500")
    text, fine = report([("a/1", one), ("a/2", one), ("a/2", other)], 5, Expectations(path))
    assert not fine
    assert "5 requests, 2 with a difference; 2 kinds of difference, 1 of them not listed; 1 entries of the list stale" in text
    assert "UNLISTED status: ours 200, theirs 500" in text and "STALE" in text and "wanted" in text
    path.write_text(json.dumps([{"aspect": "header *", "reason": "wanted"}]))
    assert report([("a/1", one)], 1, Expectations(path))[1]


def test_checked_list_has_reasons():
    assert all(row["reason"] and set(row) <= {"case", "aspect", "ours", "theirs", "reason"} and len(row) > 1 for row in Expectations().rows)


def test_cases():
    every = cases.all_cases()
    assert set(every) == set(sites.SITES)
    for site, its in every.items():
        names = [case.name for case in its]
        assert len(names) == len(set(names)), site
    assert sum(map(len, every.values())) > 250
