"""Calls start_response, write and the iteration protocol in every way; the path names the case."""
import io
import json
import sys
import threading

TEXT = ("Content-Type", "text/plain")
CASES = {}
kept = {}


def case(function):
    CASES[function.__name__] = function
    return function


class Failure(Exception):
    """Raised on purpose."""


class Closing:
    """An iterable whose methods can fail; close() notes the call."""

    closed = []

    def __init__(self, name, blocks, close_error=None):
        self.name = name
        self.blocks = blocks
        self.close_error = close_error

    def __iter__(self):
        for block in self.blocks:
            if isinstance(block, BaseException):
                raise block
            yield block

    def close(self):
        self.closed.append(self.name)
        if self.close_error:
            raise self.close_error


# Successful responses

@case
def plain(environ, start_response):
    start_response("200 OK", [TEXT])
    return [b"plain"]


@case
def closed(environ, start_response):
    """Names of the iterables of this process that were closed so far."""
    start_response("200 OK", [TEXT])
    return [" ".join(Closing.closed).encode("ascii")]


@case
def empty(environ, start_response):
    start_response("200 OK", [TEXT])
    return []


@case
def generator(environ, start_response):
    start_response("200 OK", [TEXT])
    return (block for block in [b"a", b"b", b"c"])


@case
def started_late(environ, start_response):
    """PEP 3333 lets a generator call start_response with its first step."""
    yield b""
    start_response("202 Accepted", [TEXT])
    yield b"late"


@case
def empty_blocks(environ, start_response):
    start_response("200 OK", [TEXT])
    return [b"", b"a", b"", b"b", b""]


@case
def tuple_body(environ, start_response):
    start_response("200 OK", [TEXT])
    return (b"in a ", b"tuple")


@case
def write_only(environ, start_response):
    write = start_response("200 OK", [TEXT])
    results = [write(b"one "), write(b"two")]
    assert results == [None, None]
    return []


@case
def write_and_iterate(environ, start_response):
    write = start_response("200 OK", [TEXT])

    def body():
        yield b"2 "
        write(b"3 ")
        yield b"4"
    write(b"1 ")
    return body()


@case
def write_from_thread(environ, start_response):
    write = start_response("200 OK", [TEXT])
    thread = threading.Thread(target=write, args=(b"from a thread",))
    thread.start()
    thread.join()
    return []


@case
def replaced(environ, start_response):
    start_response("200 OK", [TEXT, ("X-First", "1")])
    start_response("404 Not Found", [TEXT, ("X-Second", "2")])
    return [b"replaced"]


@case
def replaced_by_error(environ, start_response):
    start_response("200 OK", [TEXT, ("X-First", "1")])
    try:
        raise Failure("while preparing")
    except Failure:
        start_response("503 Busy", [TEXT], sys.exc_info())
    return [b"sorry"]


@case
def exc_info_none(environ, start_response):
    start_response("200 OK", [TEXT], None)
    return [b"none"]


@case
def headers_subclass(environ, start_response):
    class Headers(list):
        pass
    start_response("200 OK", Headers([TEXT, ("X-A", "1")]))
    return [b""]


@case
def reason(environ, start_response):
    start_response(json.loads(environ["HTTP_X_STATUS"]), [TEXT])
    return [b"body"]


@case
def headers(environ, start_response):
    """Headers as the client asks for them: X-Status and X-Headers hold JSON."""
    given = [tuple(pair) for pair in json.loads(environ["HTTP_X_HEADERS"])]
    start_response(environ.get("HTTP_X_STATUS", "200 OK"), given)
    return [environ.get("HTTP_X_BODY", "body").encode("latin-1")]


@case
def length(environ, start_response):
    """Content-Length of X-Length, and the body of X-Body in blocks of three."""
    start_response("200 OK", [TEXT, ("Content-Length", environ["HTTP_X_LENGTH"])])
    body = environ["HTTP_X_BODY"].encode("latin-1")
    return Closing("length", [body[at:at + 3] for at in range(0, len(body), 3)])


# Calls that must fail, reported by their exception; the state before them has to survive

def attempt(environ, start_response, *arguments, **keywords):
    start_response("200 OK", [TEXT, ("X-Before", "kept")])
    try:
        start_response(*arguments, **keywords)
    except BaseException as error:
        return [type(error).__name__.encode("ascii"), b": ", str(error).encode("ascii", "backslashreplace")]
    return [b"accepted"]


@case
def attempt_status(environ, start_response):
    return attempt(environ, start_response, json.loads(environ["HTTP_X_STATUS"]), [TEXT])


@case
def attempt_status_bytes(environ, start_response):
    return attempt(environ, start_response, b"200 OK", [TEXT])


@case
def attempt_headers(environ, start_response):
    """X-Headers holds a Python expression in JSON disguise: lists of lists become lists of tuples."""
    value = json.loads(environ["HTTP_X_HEADERS"])
    return attempt(environ, start_response, "200 OK", [tuple(item) for item in value])


@case
def attempt_header_list(environ, start_response):
    return attempt(environ, start_response, "200 OK", [["X-A", "1"]])


@case
def attempt_headers_tuple(environ, start_response):
    return attempt(environ, start_response, "200 OK", (TEXT,))


@case
def attempt_headers_none(environ, start_response):
    return attempt(environ, start_response, "200 OK", None)


@case
def attempt_header_bytes(environ, start_response):
    return attempt(environ, start_response, "200 OK", [(b"X-A", "1")])


@case
def attempt_value_int(environ, start_response):
    return attempt(environ, start_response, "200 OK", [("X-A", 1)])


@case
def attempt_no_arguments(environ, start_response):
    return attempt(environ, start_response)


@case
def attempt_four_arguments(environ, start_response):
    return attempt(environ, start_response, "200 OK", [TEXT], None, None)


@case
def attempt_exc_info_text(environ, start_response):
    return attempt(environ, start_response, "200 OK", [TEXT], "exc_info")


@case
def attempt_after_write(environ, start_response):
    write = start_response("200 OK", [TEXT])
    write(b"")
    try:
        start_response("404 Not Found", [TEXT])
    except RuntimeError:
        yield b"RuntimeError"


@case
def attempt_exc_info_after_write(environ, start_response):
    write = start_response("200 OK", [TEXT])
    write(b"")
    try:
        try:
            raise Failure("original")
        except Failure:
            start_response("500 Oops", [TEXT], sys.exc_info())
    except Failure as error:
        yield "Failure: {}".format(error).encode("ascii")


@case
def attempt_write(environ, start_response):
    write = start_response("200 OK", [TEXT])
    names = []
    for arguments in [("text",), (bytearray(b"x"),), (), (b"a", b"b"), (None,)]:
        try:
            write(*arguments)
            names.append("accepted")
        except Exception as error:
            names.append(type(error).__name__)
    return [" ".join(names).encode("ascii")]


@case
def keep(environ, start_response):
    kept["start_response"] = start_response
    kept["write"] = start_response("200 OK", [TEXT])
    kept["errors"] = environ["wsgi.errors"]
    kept["input"] = environ["wsgi.input"]
    return [b"kept"]


@case
def use_kept(environ, start_response):
    """Everything of a finished request has to refuse its service."""
    start_response("200 OK", [TEXT])
    uses = [
        lambda: kept["start_response"]("200 OK", []), lambda: kept["write"](b"x"), lambda: kept["errors"].write("x\n"),
        lambda: kept["input"].read(), lambda: kept["input"].readline(), lambda: kept["input"].close(),
        lambda: next(iter(kept["input"])),
    ]
    names = []
    for use in uses:
        try:
            use()
            names.append("accepted")
        except Exception as error:
            names.append(type(error).__name__)
    return [" ".join(names).encode("ascii")]


# Failures

@case
def raises(environ, start_response):
    start_response("200 OK", [TEXT])
    raise Failure("in the application")


@case
def raises_chained(environ, start_response):
    try:
        raise Failure("the cause")
    except Failure as error:
        raise ValueError("the effect") from error


@case
def exits(environ, start_response):
    sys.exit("not the process, please")


@case
def never_started(environ, start_response):
    return Closing("never_started", [b"body without head"])


@case
def never_started_empty(environ, start_response):
    return []


@case
def not_iterable(environ, start_response):
    start_response("200 OK", [TEXT])
    return 5


@case
def returns_none(environ, start_response):
    start_response("200 OK", [TEXT])


@case
def text_block(environ, start_response):
    start_response("200 OK", [TEXT])
    return Closing("text_block", ["text"])


@case
def bytes_body(environ, start_response):
    """Iterating bytes gives integers."""
    start_response("200 OK", [TEXT])
    return b"bytes"


@case
def bytearray_block(environ, start_response):
    start_response("200 OK", [TEXT])
    return [bytearray(b"x")]


@case
def raises_first(environ, start_response):
    start_response("200 OK", [TEXT])
    return Closing("raises_first", [b"", Failure("before the first block")])


@case
def raises_later(environ, start_response):
    start_response("200 OK", [TEXT])
    return Closing("raises_later", [b"some of it", Failure("after the first block")])


@case
def raises_later_with_length(environ, start_response):
    start_response("200 OK", [TEXT, ("Content-Length", "100")])
    return Closing("raises_later_with_length", [b"some of it", Failure("after the first block")])


@case
def text_later(environ, start_response):
    start_response("200 OK", [TEXT])
    return [b"some of it", "text"]


@case
def exits_later(environ, start_response):
    start_response("200 OK", [TEXT])
    return Closing("exits_later", [b"some of it", SystemExit(3)])


@case
def raises_in_close(environ, start_response):
    start_response("200 OK", [TEXT])
    return Closing("raises_in_close", [b"complete"], Failure("in close"))


@case
def no_close(environ, start_response):
    class NoClose(Closing):
        @property
        def close(self):
            raise AttributeError("close")
    start_response("200 OK", [TEXT])
    return NoClose("no_close", [b"complete"])


@case
def bad_close(environ, start_response):
    class BadClose(Closing):
        @property
        def close(self):
            raise Failure("looking up close")
    start_response("200 OK", [TEXT])
    return BadClose("bad_close", [b"complete"])


@case
def request_timeout(environ, start_response):
    import mod_wsgi
    start_response("200 OK", [TEXT, ("X-Mine", "1")])
    raise mod_wsgi.RequestTimeout()


@case
def request_timeout_later(environ, start_response):
    import mod_wsgi
    start_response("200 OK", [TEXT])
    yield b"some of it"
    raise mod_wsgi.RequestTimeout()


# Others

@case
def challenge(environ, start_response):
    start_response("401 Unauthorized", [TEXT, ("WWW-Authenticate", 'Basic realm="a, b"'), ("WWW-Authenticate", "Negotiate"),
                                        ("X-Mine", "1")])
    return [b"who are you?"]


@case
def unread(environ, start_response):
    """Refuses without reading the body."""
    start_response("401 Unauthorized", [TEXT, ("Content-Length", "2")])
    return [b"no"]


@case
def buffer_reader(environ, start_response):
    start_response("200 OK", [TEXT])
    return iter(io.BytesIO(b"line 1\nline 2\n"))


def application(environ, start_response):
    return CASES[environ["PATH_INFO"].lstrip("/")](environ, start_response)
