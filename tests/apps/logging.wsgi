"""Writes to every place that leads to the error log."""
import faulthandler
import logging
import os
import subprocess
import sys
import threading

import mod_wsgi

print("printed while loading")
sys.stderr.write("error output while loading\n")

handler_logger = logging.getLogger("handler")
handler_logger.setLevel(logging.DEBUG)
handler_logger.propagate = False
handler_logger.addHandler(mod_wsgi.LogHandler())
formatted = []


class Remembering(logging.Formatter):
    def format(self, record):
        formatted.append(record.getMessage())
        return super().format(record)


handler_logger.handlers[0].setFormatter(Remembering("handled: %(message)s"))


def work(errors, tag):
    """Each line carries the tag of the test."""
    errors.write("errors {}\n".format(tag))
    print("printed {}".format(tag))
    sys.stderr.write("stderr {}\n".format(tag))
    sys.stderr.write("joined ")
    errors.write("line {}\n".format(tag))
    errors.write("three-a {0}\n\nthree-c {0}\n".format(tag))
    errors.writelines(["first {}\n".format(tag), "second {}\n".format(tag)])
    print("to the stream {}".format(tag), file=errors)
    errors.write("snowman {} \N{SNOWMAN}\n".format(tag))
    logging.warning("root logger %s", tag)
    for level in ("debug", "info", "warning", "error", "critical"):
        getattr(handler_logger, level)("%s %s", level, tag)
    handler_logger.error("two\nlines %s", tag)
    thread = threading.Thread(target=print, args=("from a thread {}".format(tag),))
    thread.start()
    thread.join()
    errors.write("no newline {}".format(tag))


def attributes(stream):
    def call(name):
        try:
            return repr(getattr(stream, name)())
        except Exception as error:
            return type(error).__name__
    return "; ".join(["{}={}".format(name, call(name)) for name in ("isatty", "readable", "seekable", "writable")]
                     + ["{}={}".format(name, getattr(stream, name)) for name in ("encoding", "errors", "name", "line_buffering")])


def application(environ, start_response):
    tag = environ["QUERY_STRING"]
    errors = environ["wsgi.errors"]
    path = environ["PATH_INFO"]
    body = b"logged"
    if path == "/attributes":
        body = "\n".join(attributes(stream) for stream in (errors, sys.stderr, sys.stdout)).encode("ascii")
    elif path == "/formatted":
        body = "\n".join(formatted).encode("ascii")
    elif path == "/descriptor":
        os.write(errors.fileno(), "through the descriptor {}\n".format(tag).encode("ascii"))
        subprocess.run(["/bin/sh", "-c", "echo 'from a child {}' >&2".format(tag)], stderr=sys.stderr, check=True)
    elif path == "/faulthandler":
        faulthandler.enable(file=sys.stderr)
        faulthandler.dump_traceback(file=errors)
    elif path == "/long":
        errors.write("y" * 20000 + tag + "\n")
    elif path == "/close":
        sys.stderr.close()
        sys.stderr.write("still open {}\n".format(tag))
    else:
        work(errors, tag)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
