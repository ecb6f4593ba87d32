"""An application that the standard library checks for conformance, from both sides."""
from wsgiref.validate import validator


@validator
def application(environ, start_response):
    body = b"".join(environ["wsgi.input"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["REQUEST_METHOD"].encode("ascii"), b" ", body]
