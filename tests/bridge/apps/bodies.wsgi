"""Applications that read the request body in every way."""
import json


def show(start_response, value):
    start_response("200 OK", [("Content-Type", "application/json")])

    def plain(item):
        if isinstance(item, bytes):
            return item.decode("latin-1")
        return [plain(inner) for inner in item] if isinstance(item, list) else item
    return [json.dumps(plain(value)).encode("ascii")]


def reader(function):
    def app(environ, start_response):
        return show(start_response, function(environ["wsgi.input"]))
    return app


all_at_once = reader(lambda body: [body.read(), body.read(), body.read(5), body.readline(), body.readlines()])
negative = reader(lambda body: [body.read(-1), body.read(-5)])
pieces = reader(lambda body: [body.read(4), body.read(3), body.read(1000), body.read(1)])
nothing = reader(lambda body: [body.read(0), body.read(0), body.read(3), body.read(0)])
lines = reader(lambda body: [body.readline(), body.readline(), body.readline(), body.readline(), body.readline()])
limited_lines = reader(lambda body: [body.readline(2), body.readline(0), body.readline(100), body.readline(-1)])
all_lines = reader(lambda body: [body.readlines(), body.readlines()])
hinted = reader(lambda body: [body.readlines(4), body.readlines(0)])
iterated = reader(lambda body: [line for line in body])
mixed = reader(lambda body: [body.read(1), body.readline(), next(iter(body)), body.read(2), body.readlines()])
closed = reader(lambda body: [body.close(), body.read()])
attributes = reader(lambda body: [hasattr(body, name) for name in ("seek", "tell", "readinto", "fileno", "isatty")])
total = reader(lambda body: len(body.read()))
line_count = reader(lambda body: sum(1 for line in body))
echo_blocks = reader(lambda body: sum(len(block) for block in iter(lambda: body.read(1000), b"")))


def wrong(environ, start_response):
    seen = []
    for arguments in ((None,), ("1",), (1, 2), (1.5,)):
        for name in ("read", "readline", "readlines"):
            try:
                getattr(environ["wsgi.input"], name)(*arguments)
            except TypeError:
                seen.append(name)
    return show(start_response, seen)


def failing(environ, start_response):
    body, seen = environ["wsgi.input"], []
    for attempt in (body.read, body.read, body.readline, body.readlines, lambda: next(iter(body))):
        try:
            attempt()
        except OSError as error:
            seen.append(str(error))
    return show(start_response, seen)


def wait(environ, start_response):
    """Two threads read one body; nothing is lost and nothing comes twice."""
    import threading
    blocks, body = [], environ["wsgi.input"]

    def work():
        for block in iter(lambda: body.read(777), b""):
            blocks.append(len(block))
    threads = [threading.Thread(target=work) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return show(start_response, sum(blocks))
