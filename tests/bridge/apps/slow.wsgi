"""Applications that take long."""
import time

import mod_wsgi


def spin(seconds=20):
    print("entered")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.01)


def interrupted(environ, start_response):
    spin()
    start_response("200 OK", [])
    return [b"not interrupted"]


def for_minutes(environ, start_response):
    spin(600)
    start_response("200 OK", [])
    return [b"minutes later"]


def recovers(environ, start_response):
    try:
        spin()
    except mod_wsgi.RequestTimeout:
        start_response("503 Busy", [])
        return [b"recovered"]


def later(environ, start_response):
    start_response("200 OK", [])
    yield b"begun"
    spin()


def swallowed(environ, start_response):
    """`except Exception` does not catch it."""
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


def brief(environ, start_response):
    spin(1)
    start_response("200 OK", [])
    return [b"brief"]


def quick(environ, start_response):
    start_response("200 OK", [])
    return [b"quick"]
