"""Large files through wsgi.file_wrapper: mapped into memory where that is safe, read in blocks elsewhere, and cut meanwhile."""
import gzip
import os
import socket
import ssl
from contextlib import contextmanager

import pytest

from harness import processes
from harness.client import RawConnection
from harness.server import free_port
from harness.waiting import wait_until

SIZE = 16 << 20 # more than all buffers on the way hold
CONFIG = """
Listen 127.0.0.1:{port} https
<VirtualHost *:{port}>
  ServerName localhost
  SSLEngine on
  SSLCertificateFile {pem}
</VirtualHost>
<Location /read>
  EnableMMAP Off
</Location>
<Location /packed>
  SetOutputFilter DEFLATE
</Location>
<Location /stamped>
  Header set X-Stamp yes
</Location>
"""


@pytest.fixture(scope="module")
def tls_port(mode): # one for each server
    return free_port()


@pytest.fixture(scope="module")
def server(make_server, mode, tls_port, request):
    pem = request.config.rootpath / "tests" / "harness" / "localhost.pem"
    server = make_server("bigfile.wsgi", apps={name: "bigfile.wsgi" for name in ("/read", "/packed", "/stamped")}, mode=mode, children=1,
                         daemon={"threads": 2}, modules=("ssl", "socache_shmcb", "deflate"),
                         config=CONFIG.format(port=tls_port, pem=pem))
    (server.data_folder() / "original").write_bytes(b"".join(b"%015d\n" % number for number in range(SIZE // 16)))
    return server


@pytest.fixture
def content(server):
    assert server.client().get("/make").body == b"made"
    return (server.root / "data" / "big").read_bytes()


@contextmanager
def slow_reader(port, path, *lines):
    """A connection over which the response has begun, of which it takes no more."""
    with RawConnection(port) as connection:
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.get(path, "Connection: close", *lines)
        connection.receive_until(b"\r\n\r\n")
        yield connection


def apache_children(server):
    return processes.children(server.pid) - server.daemon_pids(keepers=True)


def holders(server):
    """Processes that have the file mapped, and those that have it open."""
    name = str(server.root / "data" / "big").encode()
    mapped = {pid for pid in apache_children(server) if name in processes.read_file(pid, "maps")}
    return mapped, {pid for pid in apache_children(server) if has_open(pid, os.fsdecode(name))}


def has_open(pid, name):
    folder = "/proc/{}/fd".format(pid)
    for number in os.listdir(folder):
        try:
            if os.readlink(os.path.join(folder, number)) == name:
                return True
        except FileNotFoundError: # closed meanwhile
            pass
    return False


@pytest.mark.parametrize("prefix", ["", "/read", "/stamped"])
@pytest.mark.parametrize("query", ["", "?skip=16", "?skip=4194305", "?closed=1"])
def test_whole(server, content, prefix, query):
    response = server.client().get(prefix + "/send" + query)
    skipped = int(query[6:]) if "skip" in query else 0
    assert (response.status, response.truncated) == (200, False)
    assert response.body == content[skipped:]


def test_range(server, content):
    response = server.client().get("/send", headers={"Range": "bytes=5000000-5000009,9000000-"})
    assert response.status == 206
    assert content[5000000:5000010] in response.body and content[9000000:] in response.body


def test_through_a_filter_of_the_content(server, content):
    response = server.client().get("/packed/send", headers={"Accept-Encoding": "gzip"})
    assert response.header("Content-Encoding") == "gzip"
    assert gzip.decompress(response.body) == content


def test_over_tls(server, content, tls_port):
    with RawConnection(tls_port) as connection:
        connection.socket = ssl._create_unverified_context().wrap_socket(connection.socket)
        connection.get("/send")
        assert connection.response().body == content


@pytest.mark.parametrize("path, is_mapped", [("/send", True), ("/stamped/send", True), ("/read/send", False)])
def test_mapped_unless_told_not_to(server, content, path, is_mapped):
    with slow_reader(server.port, path):
        wait_until(lambda: holders(server)[1], 10, "the file being sent")
        assert bool(holders(server)[0]) == is_mapped
    wait_until(lambda: holders(server) == (set(), set()), 10, "the file no longer being held")


@pytest.mark.parametrize("path", ["/send", "/stamped/send", "/read/send", "/send?closed=1"])
@pytest.mark.parametrize("left", [SIZE // 2, 4096, 0])
def test_cut_while_it_is_sent(server, content, path, left):
    """The client is told less than it was promised; nothing that the file never held, and nobody is killed for it."""
    before = apache_children(server)
    with slow_reader(server.port, path) as connection:
        os.truncate(str(server.root / "data" / "big"), left)
        body = connection.receive_all()
    assert len(body) < SIZE
    assert body == content[:len(body)]
    assert apache_children(server) == before
    assert server.client().get("/make").status == 200


def test_cut_while_a_filter_reads_it(server, content, mode):
    before = apache_children(server)
    with slow_reader(server.port, "/packed/send", "Accept-Encoding: gzip") as connection:
        os.truncate(str(server.root / "data" / "big"), 4096)
        assert len(connection.receive_all()) < SIZE
    assert apache_children(server) == before
    if mode == "daemon":
        server.log.expect("WSGI0120")


def test_cut_while_it_goes_through_tls(server, content, tls_port):
    before = apache_children(server)
    context = ssl._create_unverified_context()
    with RawConnection(tls_port) as connection:
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.socket = context.wrap_socket(connection.socket, suppress_ragged_eofs=True)
        connection.get("/send", "Connection: close")
        connection.receive_until(b"\r\n\r\n")
        assert holders(server)[0] == set()
        os.truncate(str(server.root / "data" / "big"), 4096)
        body = connection.receive_all()
    assert len(body) < SIZE and body == content[:len(body)]
    assert apache_children(server) == before
