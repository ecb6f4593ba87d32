"""Two interpreters that compute at the same time, or try to; they see each other through a file in memory."""
import mmap
import os
import sys
import threading
import time

ROUNDS = 50


def answer(start_response, value):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [repr(value).encode("utf-8")]


def shared():
    with open(os.environ["WSGI_TEST_SHARED"], "r+b") as file:
        return mmap.mmap(file.fileno(), 8)


def meet(environ, start_response):
    """Be one ahead of the other, turn by turn, without ever waiting for anything: nothing here lets go of a GIL."""
    memory, mine, others = shared(), int(environ["wsgi_test.place"]), 1 - int(environ["wsgi_test.place"])
    sys.stderr.write("entered\n")
    until = time.monotonic() + float(environ["wsgi_test.seconds"])
    for turn in range(1, ROUNDS + 1):
        memory[mine] = turn
        while memory[others] < turn:
            if time.monotonic() > until:
                return answer(start_response, "alone")
    return answer(start_response, "met")


def hold(environ, start_response):
    """Compute for a while without letting go of the GIL; marks tell of the begin and the end."""
    memory = shared()
    sys.stderr.write("entered\n") # the GIL is let go for that
    memory[3] = 1
    until = time.monotonic() + float(environ["wsgi_test.seconds"])
    while time.monotonic() < until:
        pass
    memory[2] = 1
    return answer(start_response, "held")


def refused(environ, start_response):
    """What Python does not allow in an interpreter with its own GIL."""
    seen = {}
    for name, function in (("fork", os.fork), ("exec", lambda: os.execv(sys.executable, ["python"])),
                           ("thread", lambda: threading.Thread(target=int, daemon=True).start())):
        try:
            function()
        except RuntimeError as error:
            seen[name] = str(error)
    return answer(start_response, sorted(seen))


def single_phase(environ, start_response):
    sys.path.insert(0, os.environ["WSGI_TEST_EXTENSIONS"])
    try:
        import single_phase
    except ImportError as error:
        return answer(start_response, (str(error)))
    return answer(start_response, single_phase.__name__)


def intervals(environ, start_response):
    return answer(start_response, sys.getswitchinterval())


def gil(environ, start_response):
    return answer(start_response, getattr(sys, "_is_gil_enabled", lambda: True)())


def in_threads(function, count=6):
    """Call it in several threads at once; return the exceptions that came out."""
    together, seen = threading.Barrier(count), []

    def run():
        together.wait()
        try:
            function()
        except BaseException as error:
            seen.append(repr(error))

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen


def all_log(environ, start_response):
    """The first use of wsgi.errors, by several threads."""
    return answer(start_response, in_threads(lambda: environ["wsgi.errors"].write("line\n")))


def all_write(environ, start_response):
    """Together they write more than was declared."""
    write = start_response("200 OK", [("Content-Length", "100")])
    failed = in_threads(lambda: [write(b"0123456") for _ in range(5)])
    return [repr(failed).encode("ascii")] if failed else []


def all_read(environ, start_response):
    """Each byte of the body reaches one of them."""
    read = []

    def take():
        while True:
            line = environ["wsgi.input"].readline()
            if not line:
                return
            read.append(line)

    failed = in_threads(take)
    return answer(start_response, failed or sum(map(len, read)))
