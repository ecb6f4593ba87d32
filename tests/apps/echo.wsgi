"""Sends back the request body, read in pieces, with its length and digest in headers."""
import hashlib


def application(environ, start_response):
    blocks = []
    while True:
        block = environ["wsgi.input"].read(65536)
        if not block:
            break
        blocks.append(block)
    body = b"".join(blocks)
    start_response("200 OK", [
        ("Content-Type", "application/octet-stream"),
        ("Content-Length", str(len(body))),
        ("X-Digest", hashlib.sha256(body).hexdigest()),
        ("X-Declared", environ.get("CONTENT_LENGTH", "none")),
    ])
    return [body]
