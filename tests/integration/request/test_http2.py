"""The same rules under HTTP/2: a truncated response resets its stream. Spoken by curl, where it can."""
import shutil
import subprocess

import pytest

from harness import apache


def curl_speaks_http2() -> bool:
    curl = shutil.which("curl")
    return bool(curl) and "HTTP2" in subprocess.run([curl, "--version"], stdout=subprocess.PIPE, universal_newlines=True).stdout


pytestmark = pytest.mark.skipif(not curl_speaks_http2() or not (apache.module_folder() / "mod_http2.so").exists(),
                                reason="needs mod_http2 and a curl with HTTP/2")


@pytest.fixture(scope="module")
def server(make_server, mode):
    return make_server("response.wsgi", apps={"/environ": "environ.wsgi", "/echo": "echo.wsgi"}, mode=mode, mpm="event",
                       modules=("http2",), config="Protocols h2c http/1.1\n", daemon={"threads": 3})


def curl(server, path, *words, data=None):
    done = subprocess.run(["curl", "-s", "-S", "--http2-prior-knowledge", "--noproxy", "*", "-w", "\n%{http_code} %{http_version}", *words,
                           "http://127.0.0.1:{}{}".format(server.port, path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, input=data,
                          timeout=60)
    body, _, facts = done.stdout.rpartition(b"\n")
    return done.returncode, facts.decode(), body


def test_response(server):
    assert curl(server, "/plain") == (0, "200 2", b"plain")
    assert curl(server, "/generator") == (0, "200 2", b"abc")


def test_protocol(server):
    code, facts, body = curl(server, "/environ")
    assert b'"SERVER_PROTOCOL": "HTTP/2.0"' in body


def test_body(server):
    data = b"0123456789" * 50_000
    assert curl(server, "/echo", "--data-binary", "@-", data=data) == (0, "200 2", data)


@pytest.mark.parametrize("name", ["raises_later", "raises_later_with_length"])
def test_truncation_resets_the_stream(server, name):
    code, _, body = curl(server, "/" + name)
    assert code != 0
    server.log.expect("WSGI0174")


def test_length_that_is_not_reached(server):
    code, _, body = curl(server, "/length", "-H", "X-Length: 12", "-H", "X-Body: abcdefgh")
    assert code != 0
