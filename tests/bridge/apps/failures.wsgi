"""Applications that fail, and applications that log."""
import logging
import sys
import threading
import warnings

import mod_wsgi


def raises(environ, start_response):
    try:
        raise KeyError("cause")
    except KeyError as error:
        raise ValueError("broken\nin two lines \u20ac") from error


def exits(environ, start_response):
    sys.exit(3)


def exits_later(environ, start_response):
    start_response("200 OK", [])
    yield b"begun"
    raise SystemExit


class Unprintable(Exception):
    def __str__(self):
        raise TypeError("no text")


def unprintable(environ, start_response):
    raise Unprintable


def ok(environ, start_response):
    start_response("200 OK", [])
    return [b"ok"]


def times_out(environ, start_response):
    raise mod_wsgi.RequestTimeout


def times_out_later(environ, start_response):
    start_response("200 OK", [])
    yield b"begun"
    raise mod_wsgi.RequestTimeout


def mixes(environ, start_response):
    sys.stderr.write("a")
    environ["wsgi.errors"].write("b\n")
    print("c")
    print("d", end="")
    print("e", file=sys.stderr)
    environ["wsgi.errors"].writelines(["f\n", "g"])
    return ok(environ, start_response)


def lines(environ, start_response):
    environ["wsgi.errors"].write("a\n\nb\n")
    environ["wsgi.errors"].buffer.write(b"raw \xff\n")
    return ok(environ, start_response)


def in_thread(environ, start_response):
    thread = threading.Thread(target=print, args=("from a thread",))
    thread.start()
    thread.join()
    return ok(environ, start_response)


def while_iterating(environ, start_response):
    start_response("200 OK", [])

    class Body:
        def __iter__(self):
            print("iterating")
            yield b"x"

        def close(self):
            print("closing")
    return Body()


def streams(environ, start_response):
    seen = [stream.name for stream in (sys.stderr, sys.stdout, environ["wsgi.errors"])]
    for stream in (sys.stderr, environ["wsgi.errors"]):
        seen += [stream.fileno(), stream.isatty(), stream.encoding, stream.errors, stream.line_buffering,
                 stream.write_through, stream.writable(), stream.readable(), type(stream.buffer).__name__]
    import io
    seen += [isinstance(sys.stderr, io.TextIOWrapper), isinstance(environ["wsgi.errors"], io.TextIOWrapper),
             "LogStream" in repr(environ["wsgi.errors"]) or "TextIOWrapper" in repr(environ["wsgi.errors"])]
    sys.stderr.close()
    print("after close", file=sys.stderr)
    start_response("200 OK", [])
    return [repr(seen).encode("ascii")]


def descriptor(environ, start_response):
    import faulthandler
    import subprocess
    faulthandler.enable(file=environ["wsgi.errors"])
    faulthandler.disable()
    subprocess.run([sys.executable, "-c", "import sys; sys.stderr.write('from a child')"], stderr=sys.stderr, check=True)
    subprocess.run(["sh", "-c", "echo from a shell >&2"], stderr=environ["wsgi.errors"], check=True)
    return ok(environ, start_response)


def warns(environ, start_response):
    warnings.warn("careful")
    return ok(environ, start_response)


class Formatter(logging.Formatter):
    formatted = 0

    def format(self, record):
        Formatter.formatted += 1
        if record.msg == "fail":
            raise ValueError("cannot format")
        return super().format(record)


logger = logging.Logger("test")
handler = mod_wsgi.LogHandler()
handler.setFormatter(Formatter("%(message)s"))
logger.addHandler(handler)


def logs(environ, start_response):
    for level in (5, 10, 20, 30, 40, 50, 60):
        logger.log(level, "level %d", level)
    logger.error("two\nlines \u20ac")
    logger.error("")
    thread = threading.Thread(target=logger.error, args=("from a thread",))
    thread.start()
    thread.join()
    start_response("200 OK", [])
    return [repr((mod_wsgi.LogHandler.__mro__[1] is logging.Handler, Formatter.formatted)).encode("ascii")]


def logs_badly(environ, start_response):
    logger.error("fail")
    return ok(environ, start_response)
