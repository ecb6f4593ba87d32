"""Applications that take long."""
import threading
import time

import mod_wsgi

entered = threading.Event()


def spin(seconds=20):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.01)


def interrupted(environ, start_response):
    print("entered")
    spin()
    start_response("200 OK", [])
    return [b"not interrupted"]


def recovers(environ, start_response):
    print("entered")
    try:
        spin()
    except mod_wsgi.RequestTimeout:
        start_response("503 Busy", [])
        return [b"recovered"]


def later(environ, start_response):
    start_response("200 OK", [])
    yield b"begun"
    print("entered")
    spin()


def swallowed(environ, start_response):
    """`except Exception` does not catch it."""
    print("entered")
    try:
        spin()
    except Exception:
        pass
    start_response("200 OK", [])
    return [b"caught"]


def busy(environ, start_response):
    print("entered")
    import re
    re.match("(a*)*$", "a" * 24 + "b") # holds the GIL all the time
    start_response("200 OK", [])
    return [b"done"]


def quick(environ, start_response):
    start_response("200 OK", [])
    return [b"quick"]
