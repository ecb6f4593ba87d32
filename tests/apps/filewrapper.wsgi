"""Returns files through wsgi.file_wrapper; the query names the variant."""
import io
import json
import os
import tempfile
from urllib.parse import parse_qs

import mod_wsgi

CONTENT = b"".join(b"%07d\n" % number for number in range(5000)) # 40000 bytes
state = {"reads": 0, "closed": 0}


class Counting(io.BufferedReader):
    """A file that counts how it is used."""

    def read(self, *arguments):
        state["reads"] += 1
        return super().read(*arguments)

    def close(self):
        if not self.closed:
            state["closed"] += 1
        super().close()


def open_file():
    file = tempfile.NamedTemporaryFile(delete=False)
    file.write(CONTENT)
    file.close()
    try:
        return Counting(io.FileIO(file.name))
    finally:
        os.unlink(file.name)


class Wrapped:
    """A middleware that hides the wrapper."""

    def __init__(self, iterable):
        self.iterable = iterable

    def __iter__(self):
        return iter(self.iterable)

    def close(self):
        self.iterable.close()


def facts(environ):
    """What can be seen of the class without sending anything."""
    wrapper = environ["wsgi.file_wrapper"]
    file = open_file()
    number = file.fileno()
    answer = {"same": wrapper is mod_wsgi.FileWrapper}
    one = wrapper(filelike=file, blksize=4)
    answer["blksize"] = one.blksize
    answer["filelike"] = one.filelike is file
    answer["fileno"] = one.fileno() == number
    answer["default"] = wrapper(io.BytesIO()).blksize
    answer["own_iterator"] = iter(one) is one
    answer["first"] = next(one).decode("ascii")
    try:
        wrapper(file, -1)
    except Exception as error:
        answer["negative"] = type(error).__name__
    try:
        next(wrapper(io.StringIO("text")))
    except Exception as error:
        answer["text"] = type(error).__name__
    answer["no_fileno"] = hasattr(wrapper(Plain()), "fileno")
    answer["subclass"] = issubclass(type("Sub", (wrapper,), {}), wrapper)
    one.close()
    one.close()
    answer["file_closed"] = file.closed
    for name, use in (("iterate", lambda: next(one)), ("access", lambda: one.filelike)):
        try:
            use()
        except Exception as error:
            answer["closed_" + name] = type(error).__name__
    return answer


class Plain:
    """Has read() only."""

    def __init__(self):
        self.blocks = [b"plain ", b"object", b""]

    def read(self, size):
        return self.blocks.pop(0)


def application(environ, start_response):
    wrapper = environ["wsgi.file_wrapper"]
    query = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    headers = [("Content-Type", "application/octet-stream")]
    path = environ["PATH_INFO"]
    if path in ("/facts", "/state"):
        body = json.dumps(facts(environ) if path == "/facts" else state).encode("ascii")
        start_response("200 OK", headers)
        return [body]
    if path == "/no-start":
        return wrapper(open_file())
    if "length" in query:
        headers.append(("Content-Length", query["length"]))
    write = start_response("200 OK", headers)
    if path == "/bytesio":
        return wrapper(io.BytesIO(CONTENT))
    if path == "/plain":
        return wrapper(Plain())
    if path == "/pipe":
        reader, writer = os.pipe()
        os.write(writer, b"from a pipe")
        os.close(writer)
        return wrapper(os.fdopen(reader, "rb"), 4)
    file = open_file()
    file.read(int(query.get("skip", 0)))
    state.update(reads=0, closed=0)
    if path == "/after-write":
        write(b"before ")
    if path == "/hidden":
        return Wrapped(wrapper(file))
    if path == "/subclass":
        return type("Sub", (wrapper,), {})(file)
    return wrapper(file)
