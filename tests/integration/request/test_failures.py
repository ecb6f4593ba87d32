"""Applications that fail: what the client gets and what the log says."""
import pytest

CONFIG = """
WSGIScriptAlias /no-callable {root}/apps/hello.wsgi callable-object=missing
WSGIScriptAlias /broken {root}/apps/broken_syntax.wsgi
WSGIScriptAlias /raises-on-load {root}/apps/broken_import.wsgi
WSGIScriptAlias /exits-on-load {root}/apps/broken_exit.wsgi
ErrorDocument 500 "document for 500"
"""


@pytest.fixture(scope="module")
def server(make_server, mode):
    return make_server(apps={"/app": "response.wsgi"}, mode=mode, before=CONFIG, children=1, daemon={"threads": 2})


@pytest.mark.parametrize("name, number, text", [
    ("raises", "WSGI0174", "Failure"), ("raises_chained", "WSGI0174", "ValueError"), ("exits", "WSGI0175", "SystemExit"),
    ("never_started", "WSGI0174", "RuntimeError"), ("never_started_empty", "WSGI0174", "RuntimeError"),
    ("not_iterable", "WSGI0174", "TypeError"), ("returns_none", "WSGI0174", "TypeError"), ("text_block", "WSGI0174", "TypeError"),
    ("bytes_body", "WSGI0174", "TypeError"), ("bytearray_block", "WSGI0174", "TypeError"), ("raises_first", "WSGI0174", "Failure"),
])
def test_nothing_was_sent(server, client, name, number, text):
    response = client.get("/app/" + name)
    assert (response.status, response.reason) == (500, "Internal Server Error")
    assert response.body == b"document for 500"
    line = server.log.expect(number, text)
    assert str(server.root / "apps" / "response.wsgi") in line


@pytest.mark.parametrize("name, number", [
    ("raises_later", "WSGI0174"), ("raises_later_with_length", "WSGI0174"), ("text_later", "WSGI0174"), ("exits_later", "WSGI0175"),
])
def test_truncation_shows(server, client, name, number):
    response = client.get("/app/" + name)
    assert (response.status, response.body) == (200, b"some of it")
    assert response.truncated
    server.log.expect(number)


def test_truncation_without_framing_closes_the_connection(server, client):
    with client.raw() as raw:
        raw.get("/app/raises_later", "Connection: keep-alive", version="1.0")
        assert raw.receive_all().endswith(b"some of it")
    server.log.expect("WSGI0174")


@pytest.mark.parametrize("name", ["raises_in_close", "bad_close"])
def test_failure_in_close_leaves_the_response_alone(server, client, name):
    with client.connection() as connection:
        response = connection.get("/app/" + name)
        assert (response.status, response.body, response.truncated) == (200, b"complete", False)
        assert connection.get("/app/plain").body == b"plain"
    server.log.expect("WSGI0174" if name == "raises_in_close" else "WSGI0194")
    server.log.allow("WSGI0174")


def test_missing_close_is_no_failure(client):
    assert client.get("/app/no_close").body == b"complete"


def test_close_runs_after_failures(server, client):
    before = client.get("/app/closed").text.split()
    for name in ("raises_first", "raises_later", "text_block", "never_started"):
        client.get("/app/" + name)
    assert client.get("/app/closed").text.split() == before + ["raises_first", "raises_later", "text_block", "never_started"]
    server.log.expect("WSGI0174")


def test_process_survives_system_exit(server, client, mode):
    pids = server.daemon_pids()
    assert client.get("/app/exits").status == 500
    server.log.expect("WSGI0175")
    assert client.get("/app/plain").status == 200
    assert server.daemon_pids() == pids


def test_traceback_is_logged_line_by_line(server, client):
    client.get("/app/raises_chained")
    server.log.expect("WSGI0174", "ValueError")
    server.log.wait_for(r"ValueError: the effect")
    text = server.log.text()
    for part in ("Failure: the cause", "direct cause of the following exception", "Traceback (most recent call last):", "in raises_chained"):
        assert part in text
    traceback = [line for line in server.log.lines() if "Traceback" in line or "in raises_chained" in line]
    assert traceback and all("[wsgi:error]" in line and "[script" not in line for line in traceback)


def test_text_of_failures_does_not_reach_the_client(client, server):
    response = client.get("/app/raises")
    assert b"Failure" not in response.body and b"Traceback" not in response.body
    server.log.expect("WSGI0174")


def test_request_timeout_of_the_application(client):
    response = client.get("/app/request_timeout")
    assert (response.status, response.body) == (504, b"")
    assert response.header("X-Mine") is None


def test_request_timeout_after_the_head(client):
    response = client.get("/app/request_timeout_later")
    assert (response.status, response.body, response.truncated) == (200, b"some of it", True)


def test_missing_callable(server, client, mode):
    assert client.get("/no-callable").status == (404 if mode == "embedded" else 500)
    assert "missing" in server.log.expect("WSGI0089")


@pytest.mark.parametrize("path, number, text", [
    ("/broken", "WSGI0105", "broken_syntax.wsgi"), ("/raises-on-load", "WSGI0109", "broken_import.wsgi"),
    ("/exits-on-load", "WSGI0107", "broken_exit.wsgi"),
])
def test_script_that_cannot_be_loaded(server, client, path, number, text):
    for _ in range(2): # each request tries again
        assert client.get(path).status == 500
    server.log.expect(number, text)
    server.log.allow("WSGI0174", "WSGI0175", "WSGI0188", "WSGI0189")
    server.wait_until(lambda: len(server.log.lines(number)) == 2, 10, "a message for each request")
