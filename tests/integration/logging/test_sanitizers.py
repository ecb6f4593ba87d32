"""Under ./dev sanitize: what a sanitizer has to say in any process of a server fails the test that is running."""
import os

import pytest

pytestmark = pytest.mark.skipif("WSGI_PRELOAD" not in os.environ, reason="runs under ./dev sanitize")

APP = """
import ctypes

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.memset(ctypes.c_void_p(libc.malloc(8)), 0, 9)
    return [b"nothing was noticed"]
"""


def test_report_is_found_in_the_log(fresh_server, mode):
    server = fresh_server("writes_beyond.wsgi", mode=mode)
    server.write_app("writes_beyond.wsgi", APP)
    try:
        body = server.client().get("/").body
    except OSError:
        body = b"" # the process is gone, and in embedded mode the connection with it
    assert b"noticed" not in body
    server.log.wait_for("AddressSanitizer: heap-buffer-overflow")
    assert any(line.startswith("sanitizer report: ") for line in server.log.unexpected())
