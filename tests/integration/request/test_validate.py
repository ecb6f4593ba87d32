"""wsgiref.validate finds nothing to complain about."""
import pytest


@pytest.fixture(scope="module")
def server(make_server, mode):
    return make_server("validated.wsgi", mode=mode, daemon={"threads": 2})


@pytest.mark.parametrize("method, path, body, expected", [
    ("GET", "/", None, b"valid response "), ("GET", "/write", None, b"written and returned"), ("GET", "/none", None, b""),
    ("POST", "/", b"body", b"valid response body"), ("PUT", "/x/y?z=1", b"", b"valid response "), ("OPTIONS", "/", None, b"valid response "),
])
def test_valid(server, client, method, path, body, expected):
    response = client.request(method, path, body=body)
    assert response.status in (200, 204)
    assert response.body == expected
    assert server.log.lines("AssertionError|WSGIWarning") == []
