"""start_response and write: what is accepted, refused, and what a refused call leaves behind."""
import json

import pytest


@pytest.fixture(scope="module")
def server(make_server, mode):
    return make_server("response.wsgi", mode=mode, children=1, daemon={"threads": 1})


def attempt(client, name, **headers):
    response = client.get("/" + name, headers={key.replace("_", "-"): json.dumps(value) for key, value in headers.items()})
    assert response.status == 200
    assert response.header("X-Before") == "kept" # the earlier call still counts
    return response.text


@pytest.mark.parametrize("status", ["200", "200 ", "200 OK", "200 Error", "200 Continue", "200 Rejected", "200 Timeout", "299 Caf\xe9",
                                    "404 Not Found", "451 Unavailable For Legal Reasons", "599 Odd", "999 Odder"])
def test_status_is_passed_on(client, status):
    response = client.get("/reason", headers={"X-Status": json.dumps(status)})
    assert response.status == int(status[:3])
    assert response.reason == status[4:]
    assert response.body == b"body"


@pytest.mark.parametrize("status, error", [
    ("", "ValueError"), ("OK", "ValueError"), ("20X OK", "ValueError"), ("20", "ValueError"), ("2000 OK", "ValueError"),
    ("200OK", "ValueError"), ("200\tOK", "ValueError"), (" 200 OK", "ValueError"), ("-20 OK", "ValueError"), ("+20 OK", "ValueError"),
    ("000 Zero", "ValueError"), ("100 Continue", "ValueError"), ("101 Switching", "ValueError"), ("199 Low", "ValueError"),
    ("200 O\nK", "ValueError"), ("200 OK\r\nX-Evil: 1", "ValueError"), ("200 O\x00K", "ValueError"), ("200 O\x7fK", "ValueError"),
    ("200 O\tK", "ValueError"), ("200 \u20ac", "UnicodeEncodeError"), ("\u0662\u0660\u0660 OK", "UnicodeEncodeError"),
    (200, "TypeError"), (None, "TypeError"), (["200 OK"], "TypeError"),
])
def test_refused_status(client, status, error):
    assert attempt(client, "attempt_status", X_Status=status).split(":")[0] == error


@pytest.mark.parametrize("headers, error", [
    ([["", "value"]], "ValueError"), ([["X A", "1"]], "ValueError"), ([["X\tA", "1"]], "ValueError"), ([["X\nA", "1"]], "ValueError"),
    ([["X\x00A", "1"]], "ValueError"), ([["X\x7f", "1"]], "ValueError"), ([["X-A", "1\r\nX-B: 2"]], "ValueError"),
    ([["X-A", "1\n2"]], "ValueError"), ([["X-A", "1\r2"]], "ValueError"), ([["X-A", "1\x002"]], "ValueError"),
    ([["X-A", "1\x0b2"]], "ValueError"), ([["X-A", "1\x7f2"]], "ValueError"), ([["X-\u20ac", "1"]], "UnicodeEncodeError"),
    ([["X-A", "\u20ac"]], "UnicodeEncodeError"), ([["X-A"]], "ValueError"), ([["X-A", "1", "2"]], "ValueError"), ([[]], "ValueError"),
    ([["X-A", 1]], "TypeError"), ([["X-A", None]], "TypeError"), ([[1, "X-A"]], "TypeError"),
    ([["Content-Length", "5x"]], "ValueError"), ([["Content-Length", "-5"]], "ValueError"), ([["Content-Length", "+5"]], "ValueError"),
    ([["Content-Length", ""]], "ValueError"), ([["Content-Length", "0x5"]], "ValueError"), ([["Content-Length", "5, 5"]], "ValueError"),
    ([["Content-Length", "1" * 30]], "ValueError"), ([["Content-Length", "5"], ["Content-Length", "6"]], "ValueError"),
    ([["X-Good", "1"], ["X Bad", "1"]], "ValueError"),
])
def test_refused_headers(client, headers, error):
    assert attempt(client, "attempt_headers", X_Headers=headers).split(":")[0] == error


@pytest.mark.parametrize("headers", [
    [], [["X-A", ""]], [["X-A", "a\tb"]], [["X-A", "caf\xe9"]], [["X-A", " padded "]], [["Status", "404 Not Found"]],
    [["Content-Length", "5"], ["Content-Length", "5"]],
])
def test_accepted_headers(client, headers):
    response = client.get("/attempt_headers", headers={"X-Headers": json.dumps(headers)})
    assert response.status == 200
    assert response.body == b"accepted"[:5 if headers[:1] == [["Content-Length", "5"]] else None]


@pytest.mark.parametrize("name, error", [
    ("attempt_status_bytes", "TypeError"), ("attempt_header_list", "TypeError"), ("attempt_headers_tuple", "TypeError"),
    ("attempt_headers_none", "TypeError"), ("attempt_header_bytes", "TypeError"), ("attempt_value_int", "TypeError"),
    ("attempt_no_arguments", "TypeError"), ("attempt_four_arguments", "TypeError"), ("attempt_exc_info_text", "RuntimeError"),
])
def test_refused_arguments(client, name, error):
    assert attempt(client, name).split(":")[0] == error


def test_messages_show_what_was_refused(client):
    assert "X A" in attempt(client, "attempt_headers", X_Headers=[["X A", "1"]])
    assert "one\\ntwo" in attempt(client, "attempt_headers", X_Headers=[["X-A", "one\ntwo"]])
    assert "2000 OK" in attempt(client, "attempt_status", X_Status="2000 OK")
    assert "bytes" in attempt(client, "attempt_status_bytes")


@pytest.mark.parametrize("name, status, body", [
    ("replaced", 404, b"replaced"), ("replaced_by_error", 503, b"sorry"), ("exc_info_none", 200, b"none"), ("headers_subclass", 200, b""),
])
def test_second_call_replaces_the_first(client, name, status, body):
    response = client.get("/" + name)
    assert (response.status, response.body) == (status, body)
    assert response.header("X-First") is None
    assert response.header("X-Second") == ("2" if name == "replaced" else None)


def test_second_call_after_commit(client):
    assert client.get("/attempt_after_write").body == b"RuntimeError"
    assert client.get("/attempt_exc_info_after_write").body == b"Failure: original"


def test_write_takes_bytes_only(client):
    assert client.get("/attempt_write").body == b"TypeError TypeError TypeError TypeError TypeError"


def test_use_after_the_request(client):
    assert client.get("/keep").body == b"kept"
    assert client.get("/use_kept").body == b" ".join([b"RuntimeError"] * 7)
