"""A dispatch script: each function returns what the query names for it, e.g. ?process_group=other."""
from urllib.parse import parse_qs

SEEN = []


def chosen(environ, name):
    print(name, sorted(key for key in environ if key.startswith(("wsgi.", "mod_wsgi.", "apache."))), file=environ["wsgi.errors"])
    query = parse_qs(environ["QUERY_STRING"], keep_blank_values=True)
    value = query.get(name, [None])[0]
    special = {"<raise>": ValueError("no target"), "<number>": 5, "<bytes>": b"bytes", "<wide>": "\u20ac"}
    value = special.get(value, value)
    if isinstance(value, Exception):
        raise value
    environ["X_DISPATCHED"] = "yes"
    return value


def process_group(environ):
    return chosen(environ, "process_group")


def application_group(environ):
    return chosen(environ, "application_group")


def callable_object(environ):
    return chosen(environ, "callable_object")
