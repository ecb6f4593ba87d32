"""What the clients of the chaos test ask for; each answer can be checked by the one who asked."""
import hashlib
import os
import time
from urllib.parse import parse_qs

VERSION = 0


def application(environ, start_response):
    query = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    path = environ["PATH_INFO"]
    if path == "/upload":
        digest, stream = hashlib.sha256(), environ["wsgi.input"]
        for block in iter(lambda: stream.read(65536), b""):
            digest.update(block)
        body = digest.hexdigest().encode()
    elif path == "/download":
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return (bytes([number % 251]) * 4096 for number in range(int(query["blocks"])))
    elif path == "/slow":
        time.sleep(float(query["seconds"]))
        body = b"slow"
    else:
        body = "echo {} {} {}".format(query.get("token"), VERSION, os.getpid()).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
