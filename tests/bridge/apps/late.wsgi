"""Keeps what belongs to a request and uses it later, or from other threads."""
import threading

kept = {}


def keep(environ, start_response):
    write = start_response("200 OK", [])
    kept.update(start_response=start_response, write=write, input=environ["wsgi.input"], errors=environ["wsgi.errors"],
                untouched=None)
    environ["wsgi.errors"].write("kept\n")
    return [b"kept"]


def keep_untouched(environ, start_response):
    start_response("200 OK", [])
    kept["untouched"] = environ["wsgi.errors"]
    return [b"kept"]


def uses():
    errors = kept["untouched"] or kept["errors"]
    yield "start_response", lambda: kept["start_response"]("200 OK", [])
    yield "write", lambda: kept["write"](b"x")
    yield "read", lambda: kept["input"].read()
    yield "readline", lambda: kept["input"].readline()
    yield "readlines", lambda: kept["input"].readlines()
    yield "iterate", lambda: list(kept["input"])
    yield "close", lambda: kept["input"].close()
    yield "errors", lambda: errors.write("x\n")
    yield "errors_lines", lambda: errors.writelines(["x\n"])


def try_all():
    seen = []
    for name, use in uses():
        try:
            use()
            seen.append(name + "=fine")
        except Exception as error:
            seen.append("%s=%s" % (name, type(error).__name__))
    (kept["untouched"] or kept["errors"]).flush()
    return seen


def use(environ, start_response):
    start_response("200 OK", [])
    return [" ".join(try_all()).encode("ascii")]


def use_in_thread(environ, start_response):
    seen = []
    thread = threading.Thread(target=lambda: seen.extend(try_all()))
    thread.start()
    thread.join()
    start_response("200 OK", [])
    return [" ".join(seen).encode("ascii")]


def write_in_thread(environ, start_response):
    """PEP 3333 does not forbid it."""
    def work():
        start_response("200 OK", [])(b"from a thread")
        environ["wsgi.errors"].write("from a thread\n")
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return []


stop = threading.Event()
threads = []
wrong = []


def disturb(environ, start_response):
    """Threads go on using a request that has ended, at any moment."""
    write = start_response("200 OK", [])
    body, errors = environ["wsgi.input"], environ["wsgi.errors"]

    def work():
        while not stop.is_set():
            for use in (lambda: write(b"y"), lambda: body.read(1), lambda: errors.write("z"), lambda: errors.flush(),
                        lambda: start_response("200 OK", []), lambda: body.readline()):
                try:
                    use()
                except RuntimeError:
                    return
                except Exception as error:
                    wrong.append(error)
                    return
    started = [threading.Thread(target=work, daemon=True) for _ in range(3)]
    threads.extend(started)
    [thread.start() for thread in started]
    return (block for block in [b"a", b"b"])


def settle(environ, start_response):
    [thread.join(20) for thread in threads]
    alive = sum(thread.is_alive() for thread in threads)
    start_response("200 OK", [])
    return [repr((alive, wrong)).encode("utf-8")]
