"""wsgi.file_wrapper: the class, the optimised path and when it is not taken."""
import pytest

CONTENT = b"".join(b"%07d\n" % number for number in range(5000))


@pytest.fixture(scope="module")
def server(make_server, mode):
    return make_server("filewrapper.wsgi", apps={"/fast": "filewrapper.wsgi"}, mode=mode, children=1, daemon={"threads": 1},
                       config="<Location /fast>\n  WSGIEnableSendfile On\n</Location>\n")


def test_the_class(client):
    assert client.get("/facts").json() == {
        "same": True, "blksize": 4, "filelike": True, "fileno": True, "default": 8192, "own_iterator": True, "first": "0000",
        "negative": "ValueError", "text": "TypeError", "no_fileno": False, "subclass": True, "file_closed": True,
        "closed_iterate": "ValueError", "closed_access": "ValueError",
    }


@pytest.mark.parametrize("prefix", ["", "/fast"])
@pytest.mark.parametrize("query, body", [
    ("", CONTENT), ("?skip=10", CONTENT[10:]), ("?skip=39999", CONTENT[39999:]), ("?length=100", CONTENT[:100]),
    ("?skip=10&length=5", CONTENT[10:15]), ("?length=40000", CONTENT), ("?length=0", b""),
])
def test_regular_file(client, prefix, query, body):
    with client.connection() as connection:
        response = connection.get(prefix + "/file" + query)
        assert (response.status, response.truncated) == (200, False)
        assert response.body == body
        assert response.header("Content-Length") == str(len(body))
        assert connection.is_open
        assert connection.get("/state").json() == {"reads": 0, "closed": 1} # sent without read(), then closed


def test_subclass_is_sent_the_same_way(client):
    assert client.get("/subclass").body == CONTENT
    assert client.get("/state").json()["reads"] == 0


def test_position_past_the_content(client):
    response = client.get("/file?skip=50000")
    assert (response.status, response.body, response.truncated) == (200, b"", False)


@pytest.mark.parametrize("path, body", [
    ("/bytesio", CONTENT), ("/plain", b"plain object"), ("/pipe", b"from a pipe"), ("/after-write", b"before " + CONTENT),
    ("/hidden", CONTENT),
])
def test_iteration_where_the_file_cannot_be_sent(client, path, body):
    response = client.get(path)
    assert (response.status, response.body, response.truncated) == (200, body, False)


def test_hidden_wrapper_is_read_and_closed(client):
    client.get("/hidden")
    state = client.get("/state").json()
    assert state["reads"] > 1 and state["closed"] == 1


def test_file_shorter_than_declared(client):
    response = client.get("/file?skip=39990&length=100")
    assert response.body == CONTENT[39990:]
    assert response.truncated


def test_without_start_response(server, client):
    assert client.get("/no-start").status == 500
    server.log.expect("WSGI0174", "RuntimeError")


def test_head(client):
    with client.connection() as connection:
        response = connection.request("HEAD", "/file")
        assert (response.status, response.body, response.header("Content-Length")) == (200, b"", "40000")
        assert connection.get("/file").body == CONTENT
