"""Clients that go away: the application is told, close() runs, and nobody calls it an error."""
import pytest


@pytest.fixture(scope="module")
def server(make_server, mode):
    return make_server("stream.wsgi", apps={"/echo": "echo.wsgi"}, mode=mode, children=1, daemon={"threads": 2})


@pytest.mark.parametrize("path, said", [("/endless", "endless"), ("/endless-write", "Error")])
def test_client_leaves_during_the_response(server, client, path, said):
    folder = server.data_folder()
    (folder / "closed").unlink(missing_ok=True)
    with client.raw() as raw:
        raw.get("{}?folder={}".format(path, folder))
        raw.receive_until(b"xxxxxxxx")
        raw.reset()
    server.wait_until(lambda: (folder / "closed").exists() and (folder / "closed").read_text(), 10, "close()")
    assert said in (folder / "closed").read_text() or path == "/endless-write"
    server.wait_until(lambda: any(path + "?" in line for line in server.access_log()), 10, "end of the request")
    assert [line.split()[0] for line in server.access_log() if path + "?" in line][-1] == "200"
    assert server.log.lines(r"wsgi:(error|warn|crit|alert)") == []


def test_client_leaves_before_the_response(server, client):
    """The head of a finished response goes nowhere; the access log keeps the application's status."""
    folder = server.data_folder()
    (folder / "go").unlink(missing_ok=True)
    before = len(server.access_log())
    with client.raw() as raw:
        raw.get("/silent?folder={}".format(folder))
        raw.reset()
    (folder / "go").touch()
    server.wait_until(lambda: len(server.access_log()) > before, 10, "end of the request")
    server.wait_until(lambda: "silent" in client.get("/closed").text, 10, "close()")
    assert [line.split()[0] for line in server.access_log() if "/silent" in line] == ["200"]
    assert server.log.lines(r"wsgi:(error|warn|crit|alert)") == []


def test_client_leaves_during_its_body(server, client):
    before = len(server.access_log())
    with client.raw() as raw:
        raw.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n" + "x" * 10)
        raw.reset()
    server.wait_until(lambda: len(server.access_log()) > before, 10, "end of the request")
    assert server.log.lines(r"wsgi:(error|warn|crit|alert)") == [] # though the application does not catch the OSError
    server.log.wait_for("client (did not send its request body to the end|closed the connection before its request body ended)")
    assert client.post("/echo", b"next").body == b"next"


def test_service_goes_on(client):
    for _ in range(10):
        assert client.post("/echo", b"abc").body == b"abc"
