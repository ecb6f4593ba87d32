"""Small blocks leave together, and none is held for longer than its client can tell."""
import shutil

import pytest

CONFIG = """
WSGIApplicationGroup %{GLOBAL}
"""


@pytest.fixture(scope="module")
def server(make_server, mode, mpm):
    children = 4 if mpm == "prefork" else 1 # two clients at a time, in one process if it has threads
    return make_server("small.wsgi", mode=mode, children=children, config=CONFIG, daemon={"threads": 8, "request-buffer-size": 0})


@pytest.fixture
def folder(server):
    """An empty one that the application can write to."""
    folder = server.data_folder()
    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    return folder


@pytest.mark.parametrize("path, body", [("/one", b"only"), ("/none", b"")])
def test_length_of_a_response_in_one_block_is_known(client, path, body):
    """Unless this machine takes the processor away for longer than output is held: not a hundred times in a row."""
    for _ in range(100):
        response = client.get(path)
        assert (response.status, response.body, response.truncated) == (200, body, False)
        if response.header("Content-Length") == str(len(body)):
            return
    pytest.fail("always chunked")


def test_empty_response_whose_close_takes_long(client, mode):
    """Within Apache its head waits for the end all the same, so that the length is known; a daemon's head goes ahead."""
    response = client.get("/closes-late")
    assert (response.status, response.body, response.truncated) == (200, b"", False)
    if mode == "embedded":
        assert response.header("Content-Length") == "0"


@pytest.mark.parametrize("path", ["/steps", "/write"])
def test_block_arrives_while_the_application_waits_for_its_client(client, folder, path):
    with client.raw() as raw:
        raw.get("%s?folder=%s" % (path, folder))
        for number in range(3):
            raw.receive_until(b"step %d\n" % number)
            (folder / ("go-%d" % number)).touch()
        assert raw.receive_until(b"0\r\n\r\n")


def test_conversation(client, mode):
    """What was produced leaves before input is waited for."""
    if mode == "daemon":
        pytest.skip("Apache waits for a piece of the request before it looks for one of the response")
    with client.raw() as raw:
        raw.send("POST /conversation HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\n")
        for number in range(3):
            raw.receive_until(b"line %d?\n" % number)
            raw.send("%d\n" % number)
        raw.receive_until(b"got 2\n")
        raw.receive_until(b"0\r\n\r\n")


@pytest.mark.parametrize("pause", ["0", "0.003", "0.02"])
def test_endless_stream_ends_with_its_client(server, client, folder, pause):
    """One whose events follow each other without a pause fills no buffer in the time that is waited for its first."""
    with client.raw() as raw:
        raw.get("/ticks?folder=%s&pause=%s" % (folder, pause))
        for number in (0, 1, 2, 50):
            raw.receive_until(b"data: %d\n\n" % number)
        raw.reset()
    server.wait_until(lambda: (folder / ("closed-" + pause)).exists(), 10, "close()")
    assert server.log.lines(r"wsgi:(error|warn|crit|alert)") == []


def count(folder):
    text = (folder / "count").read_text() if (folder / "count").exists() else ""
    return int(text or 0)


def test_client_that_does_not_read_delays_nobody(server, client, folder):
    with client.raw() as slow, client.raw() as raw:
        slow.get("/flood?folder=%s" % folder)
        seen = []

        def is_stuck():
            seen.append(count(folder))
            return len(seen) > 20 and seen[-1] == seen[-20] > 0
        server.wait_until(is_stuck, 30, "a client that takes no more")
        raw.get("/steps?folder=%s" % folder)
        for number in range(3):
            raw.receive_until(b"step %d\n" % number)
            (folder / ("go-%d" % number)).touch()
        assert raw.receive_until(b"0\r\n\r\n")
        slow.reset()
    assert client.get("/one").body == b"only"


def test_process_forked_while_output_is_sent(server, client, folder):
    """Locks that were held for that are nobody's in the new process."""
    with client.raw() as raw:
        raw.get("/forks?folder=%s" % folder)
        raw.receive_until(b"xxxxxxxx")
        (folder / "fork").touch()
        server.wait_until(lambda: (folder / "forked").exists() and (folder / "forked").read_text(), 30, "the child's end")
        assert (folder / "forked").read_text() == "1"
        raw.reset()
    server.log.wait_for("the child speaks")


def test_blocks_before_a_failure_arrive(server, client):
    response = client.get("/raises")
    assert (response.status, response.body, response.truncated) == (200, b"block block block ", True)
    server.log.expect("WSGI0174")
