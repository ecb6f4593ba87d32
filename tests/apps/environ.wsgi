"""Answers with what it was given: environ as JSON, with the type of each value."""
import json
import os
import threading


def describe(value):
    if isinstance(value, (str, bool, int, float, type(None))):
        return value
    if isinstance(value, tuple):
        return list(value)
    return repr(value)


def application(environ, start_response):
    answer = {
        "environ": {key: describe(value) for key, value in environ.items()},
        "types": {key: type(value).__name__ for key, value in environ.items()},
        "environ_type": "{0.__module__}.{0.__name__}".format(type(environ)),
        "key_types": sorted({type(key).__name__ for key in environ}),
        "pid": os.getpid(),
        "thread": threading.get_ident(),
    }
    body = json.dumps(answer).encode("ascii")
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body))),
                              ("X-Method", environ["REQUEST_METHOD"])])
    return [body]
