"""Shows what an application is given."""
import json


def describe(value):
    return value if isinstance(value, (str, int, bool, type(None))) else "<%s>" % type(value).__name__


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({key: describe(value) for key, value in environ.items()}).encode("ascii")]


def types(environ, start_response):
    """Types and values of the objects among the items."""
    import mod_wsgi
    shown = {
        "environ": type(environ) is dict,
        "wsgi.version": environ["wsgi.version"],
        "apache.version": environ["apache.version"],
        "mod_wsgi.version": environ["mod_wsgi.version"] == mod_wsgi.version,
        "file_wrapper": environ["wsgi.file_wrapper"] is mod_wsgi.FileWrapper,
        "input": type(environ["wsgi.input"]).__module__ + "." + type(environ["wsgi.input"]).__qualname__,
        "errors": environ["wsgi.errors"].name,
        "capsule": type(environ.get("apache.request_rec")).__name__,
    }
    start_response("200 OK", [])
    return [json.dumps(shown).encode("ascii")]


def change(environ, start_response):
    """The dict is the application's own."""
    seen = "left.over" in environ
    environ["left.over"] = "x"
    environ["wsgi.version"] = (9, 9)
    start_response("200 OK", [])
    return [str(seen).encode("ascii")]
