"""What the client gets: bodies, headers, lengths and special statuses."""
import http.client
import json

import pytest

CONFIG = """
ErrorDocument 404 "the document of Apache"
ErrorDocument 401 "please log in"
<Location /override>
  WSGIErrorOverride On
</Location>
"""


@pytest.fixture(scope="module")
def server(make_server, mode):
    return make_server("response.wsgi", apps={"/override": "response.wsgi", "/stream": "stream.wsgi", "/hello": "hello.wsgi"},
                       mode=mode, config=CONFIG, children=1, log_level="warn", daemon={"threads": 3})


def get(client, headers=(), status="200 OK", body=None, path="/headers", method="GET"):
    """Ask for a response with these headers."""
    wanted = {"X-Headers": json.dumps(list(headers)), "X-Status": status}
    if body is not None:
        wanted["X-Body"] = body
    return client.request(method, path, headers=wanted)


@pytest.mark.parametrize("name, body", [
    ("plain", b"plain"), ("empty", b""), ("generator", b"abc"), ("empty_blocks", b"ab"), ("tuple_body", b"in a tuple"),
    ("write_only", b"one two"), ("write_and_iterate", b"1 2 3 4"), ("write_from_thread", b"from a thread"),
    ("buffer_reader", b"line 1\nline 2\n"),
])
def test_body(client, name, body):
    response = client.get("/" + name)
    assert (response.status, response.body, response.truncated) == (200, body, False)
    assert response.header("Content-Type") == "text/plain"


def test_head_may_come_with_the_first_step_of_a_generator(client):
    response = client.get("/started_late")
    assert (response.status, response.reason, response.body) == (202, "Accepted", b"late")


def test_connection_stays_usable(client):
    with client.connection() as connection:
        for name in ("plain", "empty", "generator", "write_and_iterate", "plain") * 5:
            assert connection.get("/" + name).status == 200
            assert connection.is_open


def test_small_response_has_a_length(client):
    response = client.get("/plain")
    assert response.header("Content-Length") == "5"
    assert response.header("Transfer-Encoding") is None


def test_generator(client):
    response = client.get("/stream/many?count=50")
    assert response.body == b"".join(b"%d\n" % number for number in range(50))


def test_http_1_0_response_ends_with_the_connection(client):
    with client.raw() as raw:
        raw.get("/stream/many?count=3", version="1.0")
        text = raw.receive_all()
    head, body = text.split(b"\r\n\r\n", 1)
    assert b"chunked" not in head.lower()
    assert body == b"0\n1\n2\n"


def test_big_response(client):
    response = client.get("/stream/big?mebibytes=20")
    assert len(response.body) == 20 << 20
    assert response.body == b"0123456789abcdef" * (20 << 16)


def test_blocks_are_sent_as_they_come(server, client):
    """The client receives the first block while the application waits for the client's next move."""
    folder = server.data_folder()
    for name in ("go", "end"):
        (folder / name).unlink(missing_ok=True)
    with client.raw() as raw:
        raw.get("/stream/?folder={}".format(folder), "Connection: close")
        raw.receive_until(b"first\n")
        (folder / "go").touch()
        raw.receive_until(b"second\n")
        (folder / "end").touch()
        assert raw.receive_all().endswith(b"third\n\r\n0\r\n\r\n")


# Headers

def test_repeated_headers(client):
    response = get(client, [["Set-Cookie", "a=1; Path=/"], ["Set-Cookie", "b=2, 3"], ["X-A", "1"], ["X-A", "2"]])
    assert response.all("Set-Cookie") == ["a=1; Path=/", "b=2, 3"]
    assert ", ".join(response.all("X-A")) == "1, 2"


def test_challenges_stay_apart(client):
    response = client.get("/challenge")
    assert response.status == 401
    assert response.all("WWW-Authenticate") == ['Basic realm="a, b"', "Negotiate"]
    assert (response.body, response.header("X-Mine")) == (b"who are you?", "1")


@pytest.mark.parametrize("name, value", [
    ("Transfer-Encoding", "chunked"), ("Connection", "upgrade"), ("Keep-Alive", "timeout=77"), ("TE", "trailers"), ("Trailer", "X-T"),
    ("Upgrade", "h2c"), ("Proxy-Connection", "keep-alive"), ("transfer-encoding", "gzip"),
])
def test_hop_by_hop_headers_are_not_passed_on(client, name, value):
    response = get(client, [["Content-Type", "text/plain"], [name, value]])
    assert (response.status, response.body) == (200, b"body")
    assert value not in response.all(name) or (name, value) == ("Transfer-Encoding", "chunked")
    assert response.header("Content-Length") == "4"


def test_connection_close_ends_keep_alive(client):
    with client.connection() as connection:
        response = connection.get("/headers", headers={"X-Headers": json.dumps([["Connection", "close"]])})
        assert response.header("Connection") == "close"
        assert response.body == b"body"
        assert not connection.is_open


def test_status_is_an_ordinary_header(client):
    response = get(client, [["Status", "404 Not Found"]])
    assert response.status == 200
    assert response.header("Status") == "404 Not Found"


def test_content_type(client):
    assert get(client, [["Content-Type", "text/html; charset=utf-8"]]).header("Content-Type") == "text/html; charset=utf-8"
    assert get(client, [["content-type", "application/x-a"]]).header("Content-Type") == "application/x-a"


def test_many_headers(client):
    headers = [["X-%d" % number, "v" * 50] for number in range(80)]
    response = get(client, headers)
    assert [list(pair) for pair in response.headers if pair[0].startswith("X-")] == headers


# Content-Length

def length(client, declared, body):
    return client.get("/length", headers={"X-Length": str(declared), "X-Body": body})


def test_exact_length(client):
    response = length(client, 8, "abcdefgh")
    assert (response.header("Content-Length"), response.body, response.truncated) == ("8", b"abcdefgh", False)


@pytest.mark.parametrize("declared", [5, 3, 1, 0])
def test_body_longer_than_declared_is_cut(client, declared):
    with client.connection() as connection:
        response = connection.get("/length", headers={"X-Length": str(declared), "X-Body": "abcdefgh"})
        assert response.body == b"abcdefgh"[:declared]
        assert not response.truncated
        assert connection.is_open # the rest is not taken for the next response
        assert connection.get("/plain").body == b"plain"


def test_body_shorter_than_declared_ends_the_connection(client):
    with client.connection() as connection:
        response = connection.get("/length", headers={"X-Length": "12", "X-Body": "abcdefgh"})
        assert (response.body, response.truncated) == (b"abcdefgh", True)
        with pytest.raises((ConnectionError, http.client.HTTPException, OSError)):
            connection.http.auto_open = False
            connection.get("/plain")


# Special statuses

@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_statuses_without_body(client, status):
    with client.connection() as connection:
        response = get(connection, [["X-A", "1"]], status=status, body="")
        assert (response.status, response.body) == (int(status[:3]), b"")
        assert connection.get("/plain").body == b"plain"


@pytest.mark.parametrize("path", ["/plain", "/generator", "/write_only", "/stream/big?mebibytes=1"])
def test_head(client, path):
    with client.connection() as connection:
        response = connection.request("HEAD", path)
        assert (response.status, response.body) == (200, b"")
        assert connection.get("/plain").body == b"plain"


def test_error_status_of_the_application_keeps_its_body(client):
    response = get(client, [["Content-Type", "text/plain"]], status="404 Not Found", body="mine")
    assert (response.status, response.body) == (404, b"mine")


@pytest.mark.parametrize("status, body", [("404 Not Found", b"the document of Apache"), ("401 Unauthorized", b"please log in")])
def test_error_override_in_a_daemon(client, mode, status, body):
    headers = [["Content-Type", "text/plain"], ["WWW-Authenticate", "Basic"], ["X-Mine", "1"]]
    response = get(client, headers, status=status, body="mine", path="/override/headers")
    assert response.status == int(status[:3])
    if mode == "daemon":
        assert (response.body, response.header("X-Mine")) == (body, None)
        assert response.all("WWW-Authenticate") == ["Basic"]
    else:
        assert (response.body, response.header("X-Mine")) == (b"mine", "1")


def test_location_with_status_200_in_a_daemon(client, mode):
    """A relayed local redirect, as for CGI programs; embedded it is an ordinary header."""
    response = get(client, [["Location", "/hello"]])
    if mode == "daemon":
        assert (response.status, response.body) == (200, b"Hello World!")
    else:
        assert response.header("Location") == "/hello"


def test_location_with_full_url(client):
    response = get(client, [["Location", "http://example.com/x"]])
    assert (response.status, response.header("Location"), response.body) == (200, "http://example.com/x", b"body")


def test_redirect(client):
    response = get(client, [["Location", "/elsewhere"]], status="302 Found")
    assert (response.status, response.header("Location")) == (302, "/elsewhere")


def test_close_is_called_once(server, client):
    before = client.get("/closed").text.split().count("length")
    length(client, 8, "abcdefgh")
    count = server.wait_until(lambda: client.get("/closed").text.split().count("length") - before, 10, "close()")
    assert count == 1
