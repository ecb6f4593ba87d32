"""An HTTP client for tests: repeated headers stay apart, a truncated body is told from a complete one."""
import http.client
import json
import socket
from typing import Any, Dict, Iterable, List, Optional, Tuple, Union

Headers = Union[Dict[str, str], Iterable[Tuple[str, str]], None]
TIMEOUT = 30.0 # seconds; only a test that fails waits so long


class Response:
    """A response that was read to its end.

    Attributes:
        headers: (name, value) pairs in the order received.
        truncated: the connection ended before the body was complete.
    """

    def __init__(self, response: http.client.HTTPResponse):
        self.status = response.status
        self.reason = response.reason
        self.version = response.version
        self.headers = response.getheaders()
        self.truncated = False
        try:
            self.body = response.read()
        except http.client.IncompleteRead as error:
            self.body = error.partial
            self.truncated = True
        except ConnectionError:
            self.body = b""
            self.truncated = True

    def all(self, name: str) -> List[str]:
        """Values of all headers of that name."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name: str) -> Optional[str]:
        """Value of the only header of that name, None without one."""
        values = self.all(name)
        assert len(values) < 2, "{} came {} times".format(name, len(values))
        return values[0] if values else None

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON; the status must be 200."""
        assert self.status == 200, (self.status, self.body[:500])
        return json.loads(self.body.decode("utf-8"))

    def __repr__(self) -> str:
        return "<Response {} {!r}{}>".format(self.status, self.body[:200], " truncated" if self.truncated else "")


class Connection:
    """A keep-alive connection: requests go one after the other over one socket."""

    def __init__(self, port: int, timeout: float = TIMEOUT, host: str = "127.0.0.1"):
        self.port = port
        self.http = http.client.HTTPConnection(host, port, timeout=timeout)

    def __enter__(self) -> "Connection":
        self.http.connect()
        return self

    def __exit__(self, *exc_info) -> None:
        self.http.close()

    def request(self, method: str, path: str, body: Any = None, headers: Headers = None, host: Optional[str] = None) -> Response:
        """Send one request and read its response to the end.

        Args:
            body: bytes, or an iterable of bytes, which is sent chunked.
            headers: may name one header several times when given as pairs.
            host: value of ``Host``; default is the address.
        """
        pairs = list(headers.items()) if isinstance(headers, dict) else list(headers or [])
        names = {name.lower() for name, _ in pairs}
        chunked = body is not None and not isinstance(body, (bytes, bytearray))
        self.http.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        if "host" not in names:
            self.http.putheader("Host", host or "127.0.0.1:{}".format(self.port))
        if chunked:
            self.http.putheader("Transfer-Encoding", "chunked")
        elif body is not None and "content-length" not in names:
            self.http.putheader("Content-Length", str(len(body)))
        for name, value in pairs:
            self.http.putheader(name, value)
        self.http.endheaders(body, encode_chunked=chunked)
        return Response(self.http.getresponse())

    def get(self, path: str, **options) -> Response:
        return self.request("GET", path, **options)

    def post(self, path: str, body: Any = b"", **options) -> Response:
        return self.request("POST", path, body=body, **options)

    @property
    def is_open(self) -> bool:
        """Whether the server kept the connection after the last response."""
        return self.http.sock is not None


class Client:
    """Sends each request over a connection of its own."""

    def __init__(self, port: int, timeout: float = TIMEOUT):
        self.port = port
        self.timeout = timeout

    def connection(self) -> Connection:
        """For several requests over one connection: ``with client.connection() as connection``."""
        return Connection(self.port, self.timeout)

    def raw(self) -> "RawConnection":
        """For what a well-behaved client never sends."""
        return RawConnection(self.port, self.timeout)

    def request(self, method: str, path: str, **options) -> Response:
        with self.connection() as connection:
            return connection.request(method, path, **options)

    def get(self, path: str = "/", **options) -> Response:
        return self.request("GET", path, **options)

    def head(self, path: str = "/", **options) -> Response:
        return self.request("HEAD", path, **options)

    def post(self, path: str, body: Any = b"", **options) -> Response:
        return self.request("POST", path, body=body, **options)


class RawConnection:
    """A socket, for requests that are broken, slow or cut off on purpose."""

    def __init__(self, port: int, timeout: float = TIMEOUT, host: str = "127.0.0.1"):
        self.socket = socket.create_connection((host, port), timeout=timeout)
        self.buffer = b""

    def __enter__(self) -> "RawConnection":
        return self

    def __exit__(self, *exc_info) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        """Close so that the other side gets RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def send(self, data: Union[bytes, str]) -> None:
        self.socket.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def get(self, path: str, *lines: str, version: str = "1.1") -> None:
        """Send a GET request with further header lines."""
        self.send("\r\n".join(["GET {} HTTP/{}".format(path, version), "Host: localhost", *lines, "", ""]))

    def receive_until(self, mark: bytes) -> bytes:
        """Read up to and including ``mark``; what follows stays for the next call."""
        while mark not in self.buffer:
            data = self.socket.recv(65536)
            assert data, "connection closed before {!r}; received {!r}".format(mark, self.buffer)
            self.buffer += data
        found, self.buffer = self.buffer.split(mark, 1)
        return found + mark

    def receive_all(self) -> bytes:
        """Read until the server closes the connection; a reset counts as the end."""
        try:
            while True:
                data = self.socket.recv(65536)
                if not data:
                    break
                self.buffer += data
        except ConnectionResetError:
            pass
        found, self.buffer = self.buffer, b""
        return found

    def response(self, method: str = "GET") -> Response:
        """Parse one response; the connection cannot be used afterwards if it carried more than that."""
        response = http.client.HTTPResponse(self.socket, method=method)
        response.begin()
        return Response(response)
