"""wsgi.input: every method, its limits and its errors."""
import hashlib
import io
import json
import os
import random

import pytest

BODY = b"line one\nline two\n\nlast without newline"
LINES = ["line one\n", "line two\n", "\n", "last without newline"]

CONFIG = """
LimitRequestBody 0
<Location /chunked>
  WSGIChunkedRequest On
</Location>
<Location /limited>
  LimitRequestBody 10
</Location>
"""


@pytest.fixture(scope="module")
def server(make_server, mode):
    return make_server("input.wsgi", apps={"/echo": "echo.wsgi", "/chunked/echo": "echo.wsgi", "/chunked": "input.wsgi",
                                           "/response": "response.wsgi", "/limited": "echo.wsgi"},
                       mode=mode, config=CONFIG, children=1, log_level="warn", daemon={"threads": 5})


def perform(client, *steps, body=BODY, path="/"):
    return client.post(path + "?" + "&".join("do=" + step for step in steps), body).json()


@pytest.mark.parametrize("steps, results", [
    (["read"], [BODY.decode()]),
    (["read:-1"], [BODY.decode()]),
    (["read:-7"], [BODY.decode()]),
    (["read:4"], ["line"]),
    (["read:0", "read:4"], ["", "line"]),
    (["read:1000"], [BODY.decode()]),
    (["read", "read", "readline", "readlines", "iterate"], [BODY.decode(), "", "", [], []]),
    (["readline", "readline", "readline", "readline", "readline"], LINES + [""]),
    (["readline:4", "readline:100", "readline"], ["line", " one\n", "line two\n"]),
    (["readline:0", "readline"], ["", "line one\n"]),
    (["readline:-1"], ["line one\n"]),
    (["readlines"], [LINES]),
    (["readlines:0"], [LINES]),
    (["readlines:-1"], [LINES]),
    (["readlines:1", "readlines:10", "readlines"], [LINES[:1], LINES[1:3], LINES[3:]]),
    (["iterate"], [LINES]),
    (["next", "read:3", "readline", "readlines"], ["line one\n", "lin", "e two\n", ["\n", LINES[3]]]),
    (["close", "read:4"], [None, "line"]),
    (["type"], ["mod_wsgi.Input"]),
    (["attributes"], [["close", "read", "readline", "readlines"]]),
])
def test_reading(client, steps, results):
    assert perform(client, *steps) == results


@pytest.mark.parametrize("step", ["read:None", "readline:None", "readlines:None", "read:text", "read:float"])
def test_arguments_have_to_be_integers(client, step):
    result, rest = perform(client, step, "read")
    assert result["error"] == "TypeError"
    assert rest == BODY.decode()


def test_no_body(client):
    assert client.get("/?do=read&do=readline&do=readlines&do=iterate").json() == ["", "", [], []]
    assert perform(client, "read", body=b"") == [""]


def test_end_of_iteration(client):
    assert perform(client, "read", "next")[1]["error"] == "StopIteration"


@pytest.mark.parametrize("size", [1, 8191, 8192, 8193, 65535, 65536, 65537, 262143, 262144, 262145, 1_000_000, 9_000_001])
def test_bodies_arrive_unchanged(client, size):
    body = os.urandom(size)
    response = client.post("/echo", body)
    assert response.status == 200
    assert response.body == body
    assert response.header("X-Declared") == str(size)


def test_long_lines_cross_every_buffer(client):
    lines = [b"x" * size + b"\n" for size in (1, 8191, 8192, 20000, 70000, 3)]
    results = perform(client, *["readline"] * 6, "read", body=b"".join(lines))
    assert results == [line.decode() for line in lines] + [""]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_methods_mixed_over_a_large_body(client, seed, chunked):
    """Whatever the order of the calls and their sizes, each byte comes once and in its place."""
    dice = random.Random(seed)
    body = b"".join(bytes([97 + number % 26]) * int(10 ** dice.uniform(0, 5)) + b"\n" for number in range(120))
    steps = ["{}:{}".format(dice.choice(["read", "readline", "readlines"]), int(10 ** dice.uniform(0, 5.3))) for _ in range(25)] + ["next", "iterate"]
    model = io.BytesIO(body)
    expected = [getattr(model, name)(int(size)) for name, size in (step.split(":") for step in steps[:25])] + [next(model, None), list(model)]
    blocks = (body[start:start + 70001] for start in range(0, len(body), 70001))
    results = perform(client, *steps, body=blocks if chunked else body, path="/chunked" if chunked else "/")
    for step, got, wanted in zip(steps, results, expected):
        if isinstance(wanted, list):
            assert got == [line.decode() for line in wanted], step
        else:
            assert got == wanted.decode() if wanted is not None else got["error"] == "StopIteration", step


@pytest.mark.parametrize("sizes", [[5], [1, 2, 3, 4000, 70000], [65536, 1]])
def test_chunked_body(client, sizes):
    blocks = [os.urandom(size) for size in sizes]
    response = client.post("/chunked/echo", iter(blocks))
    assert response.status == 200
    assert response.body == b"".join(blocks)
    assert response.header("X-Declared") == "none"


def test_chunked_body_is_refused_by_default(server, client):
    assert client.post("/echo", iter([b"abc"])).status == 411
    server.log.expect("WSGI0139")


def test_unknown_transfer_encoding(server, client):
    with client.raw() as raw:
        raw.send("POST /chunked/echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\nConnection: close\r\n\r\n0\r\n\r\n")
        status = raw.receive_all().split(b"\r\n")[0]
    assert status.split()[1] in (b"400", b"501") # Apache 2.4.60 and later refuses it before the module sees it
    server.log.allow("WSGI0138")


def test_bad_content_length(server, client):
    with client.raw() as raw:
        raw.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5x\r\nConnection: close\r\n\r\nabcde")
        assert raw.receive_all().split(b"\r\n")[0].split()[1] == b"400"
    server.log.allow("WSGI0141")


def test_limit_request_body(server, client):
    assert client.post("/limited", b"x" * 10).body == b"x" * 10
    assert client.post("/limited", b"x" * 11).status == 413


def test_broken_chunks_are_an_error_for_the_application(server, client):
    with client.raw() as raw:
        raw.send("POST /chunked?do=read:3&do=read&do=read&do=readline&do=readlines&do=iterate HTTP/1.1\r\nHost: localhost\r\n"
                 "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\nnonsense\r\n")
        response = raw.response("POST")
    server.log.allow("WSGI0126", "WSGI0128")
    if response.status == 200:
        results = json.loads(response.text)
        assert results[0] == "abc" or results[0]["error"] == "OSError"
        assert all(result["error"] == "OSError" for result in results[1:])
    else:
        assert response.status in (400, 500)


def test_truncated_body_is_an_error_for_the_application(server, client):
    """The client goes away after half of the body; the application has to see OSError, not the end."""
    folder = server.data_folder()
    (folder / "result").unlink(missing_ok=True)
    with client.raw() as raw:
        raw.send("POST /?do=read&do=read&save={}/result HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n".format(folder))
        raw.send(b"x" * 100000)
    server.log.allow("WSGI0126", "WSGI0128")
    server.wait_until(lambda: len(server.access_log()) > 0 and "save=" in server.access_log()[-1], 10, "end of the request")
    if (folder / "result").exists(): # a child that collects the body first does not hand such a request on
        results = json.loads((folder / "result").read_text())
        assert [result["error"] for result in results] == ["OSError", "OSError"]


def test_unread_body_does_not_disturb_the_next_request(client):
    with client.connection() as connection:
        for _ in range(3):
            assert connection.post("/response/unread", b"z" * 100000).body == b"no"
            assert connection.post("/echo", b"abc").body == b"abc"
        assert connection.is_open


def test_expect_continue(client):
    with client.raw() as raw:
        raw.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert raw.receive_until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
        raw.send(b"12345")
        response = raw.response("POST")
    assert (response.status, response.body) == (200, b"12345")


def test_no_interim_response_when_nothing_is_read(client, mode):
    with client.raw() as raw:
        raw.send("POST /response/unread HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n"
                 "Connection: close\r\n\r\n")
        if mode == "daemon": # there the Apache child reads the body whether or not the application does
            raw.receive_until(b"\r\n\r\n")
            raw.send(b"12345")
        text = raw.receive_all()
    assert text.startswith(b"HTTP/1.1 401 ")
    assert text.count(b"HTTP/1.1 ") == 1


def test_use_after_the_request(client):
    assert perform(client, "keep") == [None]
    for step in ("read", "readline", "readlines", "close", "iterate", "next"):
        assert perform(client, "kept:" + step)[0]["error"] == "RuntimeError", step


def test_large_upload(client):
    body = os.urandom(1 << 20) * 8
    response = client.post("/echo", body)
    assert response.header("X-Digest") == hashlib.sha256(body).hexdigest()
    assert response.body == body
