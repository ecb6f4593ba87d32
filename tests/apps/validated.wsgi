"""The reference checker of the standard library around an application that uses all that PEP 3333 offers."""
from wsgiref.validate import validator


@validator
def application(environ, start_response):
    size = int(environ.get("CONTENT_LENGTH") or 0)
    data = environ["wsgi.input"].read(size)
    environ["wsgi.errors"].write("")
    environ["wsgi.errors"].flush()
    path = environ.get("PATH_INFO")
    if path == "/write":
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"written ")
        return [b"and returned"]
    if path == "/none":
        start_response("204 No Content", [])
        return []
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Length", str(len(data)))])
    return iter([b"valid ", b"response ", data])
