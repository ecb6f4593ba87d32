"""Responses that come in pieces. Steps are released by the files of a folder, so that tests decide on the order."""
import os
import time
from urllib.parse import parse_qs

closed = []


class Blocks:
    """An iterable with close(), which notes that it was called."""

    def __init__(self, blocks, name):
        self.blocks = iter(blocks)
        self.name = name

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.blocks)

    def close(self):
        closed.append(self.name)


def wait_for(path):
    deadline = time.monotonic() + 30
    while not os.path.exists(path):
        if time.monotonic() > deadline:
            raise RuntimeError("nobody made {}".format(path))
        time.sleep(0.01)


def stepwise(folder):
    """One block at once, the next when the file `go` is there, the last when `end` is."""
    yield b"first\n"
    wait_for(os.path.join(folder, "go"))
    yield b"second\n"
    wait_for(os.path.join(folder, "end"))
    yield b"third\n"


def endless(name, folder):
    """Blocks until the client is gone; the file `closed` tells that close() ran."""
    try:
        while True:
            yield b"x" * 8192
    finally:
        with open(os.path.join(folder, "closed"), "w") as file:
            file.write(name)


def application(environ, start_response):
    query = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    path = environ["PATH_INFO"]
    headers = [("Content-Type", "text/plain")]
    if path == "/closed":
        start_response("200 OK", headers)
        return [",".join(closed).encode("ascii")]
    if path == "/many":
        start_response("200 OK", headers)
        return Blocks((b"%d\n" % number for number in range(int(query["count"]))), "many")
    if path == "/big":
        start_response("200 OK", headers)
        return [b"0123456789abcdef" * 65536] * int(query["mebibytes"])
    if path == "/endless":
        start_response("200 OK", headers)
        return endless("endless", query["folder"])
    if path == "/endless-write":
        write = start_response("200 OK", headers)
        try:
            while True:
                write(b"x" * 8192)
        except OSError as error:
            with open(os.path.join(query["folder"], "closed"), "w") as file:
                file.write(type(error).__name__)
        return []
    if path == "/silent":
        wait_for(os.path.join(query["folder"], "go"))
        start_response("200 OK", headers)
        return Blocks([], "silent")
    start_response("200 OK", headers)
    return stepwise(query["folder"])
