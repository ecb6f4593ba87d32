"""What is measured: each case is a request, a load, and the answer it must get."""
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional

from bench import environments, load
from bench.apps import bench

POST_SCRIPT = Path(__file__).resolve().parent / "apps" / "post.lua"
POST_BODY = b"name=value&" * 93
SMALL = b"Hello, World\n"
APACHE_THREADS = 32
EVERYBODY = ("c-handler", "static", "embedded", "daemon", "6.1.1-embedded", "6.1.1-daemon", "uwsgi", "gunicorn", "granian")
APPLICATIONS = EVERYBODY[2:]


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Attributes:
        title: for people.
        path: of the request. An upload is checked by another page, which tells the digest of what arrived.
        right: whether a body is the right one.
        connections: 0 for one big body at a time, measured in MB/s; else requests per second over so many.
        over: ``http``, ``https`` or ``h2``.
        body: what is posted.
        upload: None, ``length`` or ``chunked``.
        subjects: the servers that can do it.
    """

    title: str
    path: str
    right: Callable[[bytes], bool]
    connections: int = 0
    over: str = "http"
    body: Optional[bytes] = None
    upload: Optional[str] = None
    subjects: tuple = APPLICATIONS

    @property
    def unit(self) -> str:
        return "requests/s" if self.connections else "MB/s"

    def check(self, server) -> None:
        """Ask once, and compare the whole answer; raises BadAnswers."""
        path = "/digest" if self.upload else self.path
        body = self.body
        if self.upload:
            data = environments.big_file().read_bytes()
            blocks = (data[start:start + bench.BLOCK] for start in range(0, len(data), bench.BLOCK))
            body = data if self.upload == "length" else blocks
        answer = server.ask("GET" if body is None else "POST", path, body, tls=self.over != "http")
        if answer.status != 200 or answer.truncated or not self.right(answer.body):
            raise load.BadAnswers("status {}, {} bytes: {!r}".format(answer.status, len(answer.body), answer.body[:200]))

    def measure(self, server, seconds: int) -> dict:
        """The load once. Returns ``value`` in ``unit``, and what else the program tells."""
        url = server.url(self.path, tls=self.over != "http")
        if self.over == "h2":
            return load.h2load(url, self.connections, seconds)
        if self.connections:
            return load.wrk(url, self.connections, seconds, str(POST_SCRIPT) if self.body else "", may_close=self.connections > APACHE_THREADS)
        size = environments.BIG_SIZE
        return load.curl(url, str(size).encode(), size, environments.big_file() if self.upload else None, self.upload == "chunked")


def equals(expected: bytes) -> Callable[[bytes], bool]:
    return lambda body: body == expected


def is_big(body: bytes) -> bool:
    return body == environments.BIG_BLOCK * (environments.BIG_SIZE // len(environments.BIG_BLOCK))


def is_big_digest(body: bytes) -> bool:
    return body == environments.big_digest().encode()


LINES = b"".join(b"line %d\n" % number for number in range(2000))
CASES = {
    "small-16": Case("13 bytes, 16 connections", "/small", equals(SMALL), 16, subjects=EVERYBODY),
    "small-1": Case("13 bytes, 1 connection", "/small", equals(SMALL), 1, subjects=EVERYBODY),
    "small-64": Case("13 bytes, 64 connections", "/small", equals(SMALL), 64, subjects=EVERYBODY),
    "json": Case("10 kB JSON, 12 headers", "/json", equals(bench.JSON), 16),
    "lines": Case("generator of 2,000 short lines", "/lines", equals(LINES), 16),
    "post": Case("POST of 1 kB", "/post", equals(str(len(POST_BODY)).encode()), 16, body=POST_BODY),
    "sleep": Case("application sleeps 20 ms, 64 connections", "/sleep", equals(b"slept"), 64),
    "flask": Case("Flask page", "/flask/", equals(b"Hello from Flask"), 16),
    "django": Case("Django page", "/django/", lambda body: body.startswith(b"Hello from Django at http"), 16),
    "tls": Case("13 bytes over TLS, 16 connections", "/small", equals(SMALL), 16, over="https", subjects=EVERYBODY),
    "h2": Case("13 bytes over HTTP/2, 16 connections", "/small", equals(SMALL), 16, over="h2", subjects=EVERYBODY),
    "blocks": Case("64 MB by generator of 64 kB blocks", "/blocks", is_big),
    "file": Case("64 MB by wsgi.file_wrapper", "/file", is_big, subjects=("static", *APPLICATIONS)),
    "upload": Case("upload of 64 MB, Content-Length", "/upload", is_big_digest, upload="length"),
    "upload-chunked": Case("upload of 64 MB, chunked", "/upload", is_big_digest, upload="chunked"),
}
