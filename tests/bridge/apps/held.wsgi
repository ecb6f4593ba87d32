"""Applications that produce small blocks, and wait between them."""
import threading

ready = threading.Event()


def begin(start_response):
    ready.clear()
    return start_response("200 OK", [("Content-Type", "text/plain")])


class Body:
    def __init__(self, *blocks, close=lambda: None):
        self.blocks, self.close = iter(blocks), close

    def __iter__(self):
        return self

    def __next__(self):
        block = next(self.blocks)
        return block() if callable(block) else block


def wait():
    print("waiting")
    if not ready.wait(60):
        raise ValueError("nobody came")
    return b""


def go(environ, start_response):
    """Called while another one waits."""
    ready.set()
    start_response("200 OK", [])
    return [b"gone"]


def one(environ, start_response):
    begin(start_response)
    return Body(b"only")


def nothing(environ, start_response):
    begin(start_response)
    return Body()


def many(environ, start_response):
    begin(start_response)
    return (b"line %d\n" % number for number in range(20000))


def large(environ, start_response):
    begin(start_response)
    return (b"x" * 40000 for _ in range(5))


def waits_after_a_block(environ, start_response):
    begin(start_response)
    return Body(b"first", wait, b"second")


def waits_after_write(environ, start_response):
    begin(start_response)(b"first")
    wait()
    return [b"second"]


def waits_in_close(environ, start_response):
    begin(start_response)
    return Body(b"first", close=wait)


def waits_in_close_of_nothing(environ, start_response):
    begin(start_response)
    return Body(close=wait)


def reads_after_a_block(environ, start_response):
    begin(start_response)
    return Body(b"first", environ["wsgi.input"].read)


def fails_after_a_block(environ, start_response):
    begin(start_response)
    return Body(b"first", lambda: 1 / 0)


def starts_again(environ, start_response):
    def again():
        try:
            start_response("404 Other", [])
        except RuntimeError:
            return b" refused"
    begin(start_response)
    return Body(b"first", again)


def mixed(environ, start_response):
    begin(start_response)(b"a")
    return Body(b"b", b"c" * 70000, b"d", b"e" * 65535, b"f", b"g" * 30000)


def written_then_many(environ, start_response):
    begin(start_response)(b"a")
    return [b"b", b"c"] * 500


def threads_write(environ, start_response):
    """Lines of one thread keep their order, and none is torn."""
    write = begin(start_response)

    def work(name):
        for number in range(2000):
            write(b"%s%d\n" % (name, number))
    workers = [threading.Thread(target=work, args=(name,)) for name in (b"a", b"b")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return []
