"""Responses of small blocks. Steps are released by files, so that tests decide on the order."""
import contextlib
import os
import threading
import time
from urllib.parse import parse_qs


class Body:
    """An iterable that is no list; `close` notes that it was called."""

    def __init__(self, blocks, note=None):
        self.blocks, self.note = iter(blocks), note

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.blocks)

    def close(self):
        if self.note:
            with open(self.note, "w") as file:
                file.write("closed")


def wait_for(path):
    deadline = time.monotonic() + 30
    while not os.path.exists(path):
        if time.monotonic() > deadline:
            raise RuntimeError("nobody made {}".format(path))
        time.sleep(0.001)


def conversation(stream):
    """Asks for each line when it has taken the one before."""
    for number in range(3):
        yield b"line %d?\n" % number
        yield b"got " + stream.readline()


def steps(folder, write=None):
    for number in range(3):
        block = b"step %d\n" % number
        if write is not None:
            write(block)
        else:
            yield block
        wait_for(os.path.join(folder, "go-%d" % number))


def ticks(pause):
    number = 0
    while True:
        yield b"data: %d\n\n" % number
        number += 1
        time.sleep(pause)


def flood(counter):
    """As many small blocks as the client takes; the file tells how many there were."""
    for number in range(10 ** 9):
        yield b"x" * 1000
        if number % 100 == 0:
            counter.seek(0)
            counter.write("%d" % number)
            counter.flush()


def forks(environ, write, folder):
    """Fork while another thread is busy with the output, whose client does not take it."""
    def fill():
        with contextlib.suppress(OSError):
            write(b"x" * (64 << 20))
    worker = threading.Thread(target=fill)
    worker.start()
    wait_for(os.path.join(folder, "fork"))
    pid = os.fork()
    if pid == 0:
        environ["wsgi.errors"].write("the child speaks\n")
        os._exit(0)
    deadline = time.monotonic() + 20
    status = (0, 0)
    while status[0] == 0 and time.monotonic() < deadline:
        status = os.waitpid(pid, os.WNOHANG)
        time.sleep(0.01)
    if status[0] == 0:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    with open(os.path.join(folder, "forked"), "w") as file:
        file.write("%d" % (status[0] == pid and status[1] == 0))
    worker.join()


def application(environ, start_response):
    query = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    folder = query.get("folder")
    path = environ["PATH_INFO"]
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    if path == "/one":
        return Body([b"only"])
    if path == "/none":
        return Body([])
    if path == "/closes-late":
        body = Body([])
        body.close = lambda: time.sleep(0.05)
        return body
    if path == "/conversation":
        return Body(conversation(environ["wsgi.input"]))
    if path == "/write":
        list(steps(folder, write))
        return []
    if path == "/ticks":
        return Body(ticks(float(query["pause"])), os.path.join(folder, "closed-" + query["pause"]))
    if path == "/flood":
        return Body(flood(open(os.path.join(folder, "count"), "w")))
    if path == "/forks":
        forks(environ, write, folder)
        return []
    if path == "/raises":
        return Body(b"block " if number < 3 else 1 // 0 for number in range(9))
    return Body(steps(folder))
