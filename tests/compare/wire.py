"""Sends bytes as they are, and takes what comes back apart."""
import socket
import ssl
import subprocess
from dataclasses import dataclass, field
from typing import List, Tuple

SECONDS = 15


@dataclass
class Answer:
    """One response. ``interim`` counts 1xx responses before it; ``is_whole`` is whether its end was there."""

    version: str = ""
    status: str = ""
    reason: str = ""
    headers: List[Tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    is_whole: bool = True
    interim: int = 0


def exchange(port: int, data: bytes, over_tls: bool) -> bytes:
    """Send, say that there is no more, and return all that comes until the end."""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as plain:
        connection = plain
        if over_tls:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            connection = context.wrap_socket(plain, server_hostname="localhost")
        received = b""
        try:
            connection.sendall(data)
            if not over_tls:
                connection.shutdown(socket.SHUT_WR)
            while True:
                block = connection.recv(65536)
                if not block:
                    break
                received += block
        except (ConnectionError, socket.timeout, ssl.SSLError) as error:
            received += b"\n<%s>" % type(error).__name__.encode()
        return received


def exchange_http2(port: int, data: bytes) -> bytes:
    """Send a request over HTTP/2 without TLS, by curl, and return status line, headers and body as it prints them."""
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    method, path, _ = lines[0].split(" ", 2)
    command = ["curl", "--silent", "--include", "--http2-prior-knowledge", "--path-as-is", "--max-time", str(SECONDS)]
    command += ["--head"] if method == "HEAD" else ["--request", method]
    for line in lines[1:]:
        command += ["--header", line]
    if body:
        command += ["--data-binary", "@-", "--header", "Content-Type:", "--header", "Expect:"]
    done = subprocess.run([*command, "http://127.0.0.1:%d%s" % (port, path)], input=body, stdout=subprocess.PIPE, check=False)
    broken = b"" if done.returncode == 0 else b"\n<curl %d>" % done.returncode
    return done.stdout + broken


def unchunk(data: bytes) -> Tuple[bytes, bytes, bool]:
    """Return (body, what follows, whether the last chunk was there)."""
    body = b""
    while True:
        line, _, rest = data.partition(b"\r\n")
        try:
            size = int(line.split(b";")[0], 16)
        except ValueError:
            return body, data, False
        if size == 0:
            return body, rest.partition(b"\r\n")[2], True
        if len(rest) < size + 2:
            return body + rest[:size], b"", False
        body += rest[:size]
        data = rest[size + 2:]


def take_answer(data: bytes, is_head: bool) -> Tuple[Answer, bytes]:
    head, found, rest = data.partition(b"\r\n\r\n")
    if not found or not head.startswith(b"HTTP/"):
        return Answer(status="no response", body=data, is_whole=False), b""
    lines = head.decode("latin-1").split("\r\n")
    version, status, reason = (lines[0].split(" ", 2) + ["", ""])[:3]
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])]
    answer = Answer(version, status, reason, headers)
    known = {name.lower(): value for name, value in headers}
    if is_head or status in ("204", "304") or status.startswith("1"):
        return answer, rest
    if known.get("transfer-encoding", "").lower() == "chunked":
        answer.body, rest, answer.is_whole = unchunk(rest)
        return answer, rest
    if "content-length" in known:
        size = int(known["content-length"])
        answer.body, answer.is_whole = rest[:size], len(rest) >= size
        return answer, rest[size:]
    answer.body = rest
    return answer, b""


def take_apart(data: bytes, is_head: bool) -> List[Answer]:
    """Return the responses in what a connection brought."""
    answers, interim = [], 0
    while data:
        answer, data = take_answer(data, is_head)
        if answer.status.startswith("1") and len(answer.status) == 3:
            interim += 1
            continue
        answer.interim, interim = interim, 0
        answers.append(answer)
    return answers
