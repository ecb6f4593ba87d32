"""What every server under measurement runs, the same file for all."""
import hashlib
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BIG = os.path.join(HERE, "big.bin")
BLOCK = 65536
BLOCKS = 1024
TEXT = [("Content-Type", "text/plain")]
JSON = json.dumps([{"id": number, "name": "customer {}".format(number), "balance": number * 1.25} for number in range(188)]).encode()
JSON_HEADERS = [("Content-Type", "application/json"), ("Cache-Control", "private, max-age=60"), ("Vary", "Accept-Encoding, Cookie"),
                ("ETag", '"5f1c8e-2b60"'), ("X-Request-Id", "7d3f8a52-9f0c-4ab1"), ("X-Frame-Options", "DENY"),
                ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "same-origin"), ("Content-Language", "en"),
                ("Set-Cookie", "session=abcdef; HttpOnly; Path=/"), ("Strict-Transport-Security", "max-age=3600")]
DATA = bytes(range(256)) * (BLOCK // 256)
loaded = {}


def small(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "13")])
    return [b"Hello, World\n"]


def as_json(environ, start_response):
    start_response("200 OK", [*JSON_HEADERS, ("Content-Length", str(len(JSON)))])
    return [JSON]


def lines(environ, start_response):
    start_response("200 OK", TEXT)
    return (b"line %d\n" % number for number in range(2000))


def blocks(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return (DATA for _ in range(BLOCKS))


def in_blocks(file, size):
    return iter(lambda: file.read(size), b"")


def big_file(environ, start_response):
    file = open(BIG, "rb")
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(os.fstat(file.fileno()).st_size))])
    return environ.get("wsgi.file_wrapper", in_blocks)(file, BLOCK)


def upload(environ, start_response):
    size = 0
    for block in in_blocks(environ["wsgi.input"], BLOCK):
        size += len(block)
    return text(start_response, size)


def digest(environ, start_response):
    sha = hashlib.sha256()
    for block in in_blocks(environ["wsgi.input"], BLOCK):
        sha.update(block)
    return text(start_response, sha.hexdigest())


def post(environ, start_response):
    return text(start_response, len(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))))


def sleep(environ, start_response):
    time.sleep(0.02)
    return text(start_response, "slept")


def compute(environ, start_response):
    total = 0
    for number in range(100_000):
        total += number * number % 7
    return text(start_response, total)


def process(environ, start_response):
    return text(start_response, os.getpid())


def text(start_response, value):
    body = str(value).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def flask(environ, start_response):
    """The Flask application of the tests, loaded by the first request for it."""
    if "flask" not in loaded:
        module = {"__name__": "flask_site", "__file__": os.path.join(HERE, "flask_site.wsgi")}
        with open(module["__file__"]) as file:
            exec(compile(file.read(), module["__file__"], "exec"), module)
        loaded["flask"] = module["application"]
    return mounted(loaded["flask"], "/flask", environ, start_response)


def django(environ, start_response):
    """The Django project of the tests."""
    if "django" not in loaded:
        sys.path.insert(0, os.path.join(HERE, "django_site"))
        from project.wsgi import application as site
        loaded["django"] = site
    return mounted(loaded["django"], "/django", environ, start_response)


def mounted(site, prefix, environ, start_response):
    environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + prefix # uWSGI behind Apache leaves an empty one out
    environ["PATH_INFO"] = environ["PATH_INFO"][len(prefix):]
    return site(environ, start_response)


PAGES = {"/small": small, "/json": as_json, "/lines": lines, "/blocks": blocks, "/file": big_file, "/upload": upload, "/digest": digest,
         "/post": post, "/sleep": sleep, "/compute": compute, "/process": process, "/flask/": flask, "/django/": django}


def application(environ, start_response):
    return PAGES[environ["PATH_INFO"]](environ, start_response)
