"""Shows its environ, or answers in the way that the header X-Do names; nothing in it may depend on the module."""
import io
import os


def show(value):
    if isinstance(value, (str, int, float, bool, tuple, type(None))):
        return repr(value)
    return "<{}>".format(type(value).__name__)


def dump(environ):
    lines = ["{}\t{}\t{}".format(key, type(value).__name__, show(value)) for key, value in sorted(environ.items())]
    return "\n".join(lines).encode("utf-8", "backslashreplace")


def text(start_response, body, status="200 OK", more=()):
    start_response(status, [("Content-Type", "text/plain"), *more])
    return [body]


class Closing:
    """An iterable with close()."""

    def __init__(self, items, fails=False):
        self.items, self.fails = iter(items), fails

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.items)

    def close(self):
        if self.fails:
            raise RuntimeError("close fails")


def generator(*items):
    for item in items:
        if isinstance(item, Exception):
            raise item
        yield item


def read(environ, start_response, how):
    stream = environ["wsgi.input"]
    if how == "all":
        data = stream.read()
    elif how == "sizes":
        data = b"|".join(iter(lambda: stream.read(3), b""))
    elif how == "lines":
        data = b"|".join(stream)
    elif how == "readline":
        data = b"|".join([stream.readline(), stream.readline(2), stream.readline()])
    elif how == "readlines":
        data = b"|".join(stream.readlines(4))
    elif how == "twice":
        data = stream.read() + b"|" + stream.read() + b"|" + stream.read(5)
    else:
        data = b"not read"
    return text(start_response, data)


def headers_case(start_response, name):
    lists = {
        "repeated": [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-A", "1"), ("X-A", "2"), ("WWW-Authenticate", "A"), ("WWW-Authenticate", "B")],
        "latin1": [("X-Name", "j\xf6rg")], "wide": [("X-Name", "\u20ac")], "empty": [("X-Name", "")], "spaces": [("X-Name", "  a  ")],
        "newline": [("X-Name", "a\r\nX-Evil: 1")], "nul": [("X-Name", "a\0b")], "control": [("X-Name", "a\x01b")], "tab": [("X-Name", "a\tb")],
        "badname": [("X Name", "a")], "colonname": [("X:Name", "a")], "bytes": [(b"X-Name", b"a")], "bytesvalue": [("X-Name", b"a")],
        "intvalue": [("X-Name", 1)], "triple": [("X-Name", "a", "b")], "listitem": [["X-Name", "a"]], "tuple": (("X-Name", "a"),),
        "connection": [("Connection", "close")], "encoding": [("Transfer-Encoding", "chunked")], "upgrade": [("Upgrade", "x")],
        "status": [("Status", "404 Not Found")], "date": [("Date", "yesterday")], "server": [("Server", "mine")],
        "location": [("Location", "/elsewhere")], "etag": [("ETag", '"x"')], "modified": [("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")],
        "shortlength": [("Content-Length", "3")], "longlength": [("Content-Length", "30")], "badlength": [("Content-Length", "x")],
        "twolengths": [("Content-Length", "4"), ("Content-Length", "4")], "conflict": [("Content-Length", "4"), ("Content-Length", "5")],
        "notype": None,
    }
    chosen = lists[name]
    start_response("200 OK", [] if chosen is None else chosen)
    return [b"body"]


def status_case(start_response, name):
    values = {"short": "200", "noreason": "200 ", "odd": "200 Error", "custom": "299 Own", "teapot": "418 I'm a teapot", "204": "204 No Content",
              "304": "304 Not Modified", "100": "100 Continue", "000": "000 Zero", "999": "999 Most", "1000": "1000 More", "word": "OK", "empty": "",
              "bytes": b"200 OK", "int": 200, "newline": "200 OK\r\nX: 1", "latin1": "200 \xf6", "wide": "200 \u20ac", "404": "404 Not Found",
              "500": "500 Internal Server Error", "503": "503 Service Unavailable", "302": "302 Found", "401": "401 Unauthorized"}
    start_response(values[name], [("Content-Type", "text/plain")])
    return [b"body"]


def result_case(environ, start_response, name):
    if name in ("nothing", "raise", "exit"):
        if name == "raise":
            raise ValueError("before start_response")
        if name == "exit":
            raise SystemExit(3)
        return [b"no start_response"]
    if name == "excinfo":
        start_response("200 OK", [])
        try:
            raise KeyError("x")
        except KeyError:
            import sys
            start_response("500 Oops", [("X-A", "1")], sys.exc_info())
        return [b"after"]
    if name == "twice":
        start_response("200 OK", [])
        start_response("201 Created", [])
        return [b"x"]
    if name == "noargs":
        start_response("200 OK")
    if name == "manyargs":
        start_response("200 OK", [], None, None)
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    if name == "write":
        write(b"one ")
        write(b"two ")
        return [b"three"]
    if name == "writestr":
        write("text")
    if name == "writeempty":
        write(b"")
        return []
    results = {
        "none": None, "str": "text", "liststr": ["text"], "int": 5, "bytes": b"bytes", "bytearray": [bytearray(b"x")], "memory": [memoryview(b"x")],
        "emptylist": [], "emptyitems": [b"", b"", b"x"], "many": [b"x"] * 50, "tuple": (b"a", b"b"), "set": {b"a"}, "dict": {b"k": 1},
        "generator": generator(b"a", b"b"), "generatornone": generator(), "generatorraise": generator(ValueError("first")),
        "generatorlate": generator(b"a", ValueError("late")), "generatorstr": generator(b"a", "b"), "generatornoneitem": generator(b"a", None),
        "closing": Closing([b"a", b"b"]), "closefails": Closing([b"a"], True), "large": [b"x" * 100000], "listnone": [None],
        "listraise": generator(b"", KeyError("k")),
    }
    return results[name]


def file_case(environ, start_response, name):
    path = environ["SCRIPT_FILENAME"]
    size = os.path.getsize(path)
    stream = open(path, "rb")
    headers = [("Content-Type", "text/plain")]
    if name == "length":
        headers.append(("Content-Length", str(size)))
    if name == "short":
        headers.append(("Content-Length", "10"))
    if name == "offset":
        stream.seek(20)
    if name == "memory":
        stream = io.BytesIO(b"in memory")
    start_response("200 OK", headers)
    wrapper = environ["wsgi.file_wrapper"](stream, 100)
    return (item for item in wrapper) if name == "iterated" else wrapper


def application(environ, start_response):
    group, _, name = environ.get("HTTP_X_DO", "dump").partition("-")
    if group == "read":
        return read(environ, start_response, name)
    if group == "headers":
        return headers_case(start_response, name)
    if group == "status":
        return status_case(start_response, name)
    if group == "result":
        return result_case(environ, start_response, name)
    if group == "file":
        return file_case(environ, start_response, name)
    if group == "errors":
        environ["wsgi.errors"].write("a line\nand half a line")
        print("printed")
    return text(start_response, dump(environ))


def handle_request(environ, start_response):
    return application(environ, start_response)
