"""Applications that produce bodies in every way."""
import io
import os
import tempfile

import mod_wsgi


def plain(*headers):
    return [("Content-Type", "text/plain")] + list(headers)


class Body:
    """An iterable that tells when it is closed."""

    def __init__(self, environ, blocks):
        self.environ, self.blocks = environ, blocks

    def __iter__(self):
        for block in self.blocks:
            if isinstance(block, BaseException):
                raise block
            yield block

    def close(self):
        self.environ["wsgi.errors"].write("closed\n")


def produce(blocks, *headers, kind=Body):
    def app(environ, start_response):
        start_response("200 OK", plain(*headers))
        return kind(environ, blocks)
    return app


def as_list(environ, blocks):
    return list(blocks)


def as_tuple(environ, blocks):
    return tuple(blocks)


def as_generator(environ, blocks):
    return (block for block in blocks)


LENGTH = ("Content-Length", "5")
blocks_list = produce([b"one", b"", b"two"], kind=as_list)
blocks_tuple = produce([b"one", b"", b"two"], kind=as_tuple)
blocks_generator = produce([b"one", b"", b"two"], kind=as_generator)
blocks_object = produce([b"one", b"", b"two"])
empty_list = produce([], kind=as_list)
empty_generator = produce([], kind=as_generator)
blank_list = produce([b"", b""], kind=as_list)
blank_object = produce([b"", b""])
large_object = produce([b"x" * 70000] * 3)
large_list = produce([b"x" * 50000, b"y" * 50000], kind=as_list)
many_blocks = produce([b"z"] * 5000, kind=as_list)
mixed_list = produce([b"one", "two"], kind=as_list)
mixed_object = produce([b"one", "two"])
number_list = produce([1], kind=as_list)
bytearray_list = produce([bytearray(b"x")], kind=as_list)
memory_list = produce([memoryview(b"x")], kind=as_list)
raises_first = produce([ValueError("early")])
raises_after_blank = produce([b"", ValueError("early")])
raises_later = produce([b"one", ValueError("late")])
exact_list = produce([b"abcde"], LENGTH, kind=as_list)
long_list = produce([b"abc", b"defgh"], LENGTH, kind=as_list)
long_object = produce([b"abc", b"defgh", b"ijk"], LENGTH)
short_list = produce([b"abc"], LENGTH, kind=as_list)
short_object = produce([b"abc"], LENGTH)
long_large_list = produce([b"x" * 100000], ("Content-Length", "70000"), kind=as_list)
zero_list = produce([b"abc"], ("Content-Length", "0"), kind=as_list)


def subclass_of_list(environ, start_response):
    class Blocks(list):
        def close(self):
            environ["wsgi.errors"].write("closed\n")
    start_response("200 OK", plain())
    return Blocks([b"one", b"two"])


def subclass_of_bytes(environ, start_response):
    class Block(bytes):
        pass
    start_response("200 OK", plain())
    return [Block(b"one")]


def result(value):
    def app(environ, start_response):
        start_response("200 OK", plain())
        return value
    return app


is_none = result(None)
is_number = result(7)
is_bytes = result(b"abc")
is_text = result("abc")


def not_modified(environ, start_response):
    start_response("304 Not Modified", [LENGTH])
    return []


def close_raises(environ, start_response):
    class Broken(Body):
        def close(self):
            raise ValueError("in close")
    start_response("200 OK", plain())
    return Broken(environ, [b"one"])


def close_lookup_raises(environ, start_response):
    class Broken:
        def __iter__(self):
            return iter([b"one"])

        @property
        def close(self):
            raise ValueError("in look-up")
    start_response("200 OK", plain())
    return Broken()


def close_absent(environ, start_response):
    class Odd:
        def __iter__(self):
            return iter([b"one"])

        @property
        def close(self):
            raise AttributeError("close")
    start_response("200 OK", plain())
    return Odd()


def endless(environ, start_response):
    start_response("200 OK", plain())
    return Body(environ, iter(lambda: b"more", None))


# ---- files ----

CONTENT = bytes(range(256)) * 40


def temporary(text=CONTENT):
    opened = tempfile.TemporaryFile()
    opened.write(text)
    opened.seek(0)
    return opened


def file_of(prepare=lambda opened: opened, *headers, wrap=None):
    def app(environ, start_response):
        start_response("200 OK", plain(*headers))
        opened = prepare(temporary())
        return (wrap or environ["wsgi.file_wrapper"])(opened)
    return app


def after_ten(opened):
    opened.read(10)
    return opened


class NoTell:
    def __init__(self, opened):
        self.fileno, self.read, self.opened = opened.fileno, opened.read, opened


class NoFileno:
    def __init__(self, opened):
        self.tell, self.read, self.opened = opened.tell, opened.read, opened


class Wrapper(mod_wsgi.FileWrapper):
    pass


file_whole = file_of()
file_after_ten = file_of(after_ten)
file_shorter = file_of(lambda opened: opened, ("Content-Length", "100"))
file_longer = file_of(lambda opened: opened, ("Content-Length", "999999"))
file_memory = file_of(lambda opened: io.BytesIO(opened.read()))
file_without_tell = file_of(NoTell)
file_without_fileno = file_of(NoFileno)
file_subclass = file_of(wrap=Wrapper)
file_wrapped_again = file_of(wrap=lambda opened: (block for block in mod_wsgi.FileWrapper(opened)))


def file_end(opened):
    opened.seek(0, 2)
    return opened


file_at_end = file_of(file_end)


def file_after_write(environ, start_response):
    start_response("200 OK", plain())(b"before ")
    return environ["wsgi.file_wrapper"](temporary(b"content"))


def file_pipe(environ, start_response):
    reading, writing = os.pipe()
    os.write(writing, b"through a pipe")
    os.close(writing)
    start_response("200 OK", plain())
    return environ["wsgi.file_wrapper"](os.fdopen(reading, "rb"))


def file_not_started(environ, start_response):
    return environ["wsgi.file_wrapper"](temporary())


def file_offset_is_kept(environ, start_response):
    opened = temporary()

    class Kept:
        fileno, tell = opened.fileno, opened.tell

        def close(self):
            environ["wsgi.errors"].write("moved by %d\n" % (os.lseek(opened.fileno(), 0, os.SEEK_CUR) - before))
    opened.read(10)
    before = os.lseek(opened.fileno(), 0, os.SEEK_CUR)
    start_response("200 OK", plain())
    return environ["wsgi.file_wrapper"](Kept())


def wrapper_behaviour(environ, start_response):
    seen = []

    def check(label, function):
        try:
            seen.append("%s=%r" % (label, function()))
        except Exception as error:
            seen.append("%s=%s" % (label, type(error).__name__))

    class Plain:
        blocks = [b"one", b"two", b""]

        def read(self, size):
            return self.blocks.pop(0)
    wrapper = mod_wsgi.FileWrapper(filelike=Plain(), blksize=7)
    check("blksize", lambda: wrapper.blksize)
    check("default", lambda: mod_wsgi.FileWrapper(Plain()).blksize)
    check("filelike", lambda: type(wrapper.filelike).__name__)
    check("iter", lambda: iter(wrapper) is wrapper)
    check("blocks", lambda: list(wrapper))
    check("fileno", lambda: hasattr(wrapper, "fileno"))
    check("fileno_of_file", lambda: mod_wsgi.FileWrapper(temporary()).fileno() > 2)
    check("negative", lambda: mod_wsgi.FileWrapper(Plain(), -1))
    check("readonly", lambda: setattr(wrapper, "blksize", 3))
    check("close", lambda: [wrapper.close(), wrapper.close()])
    check("next", lambda: next(wrapper))
    check("filelike_closed", lambda: wrapper.filelike)
    check("text", lambda: next(mod_wsgi.FileWrapper(io.StringIO("text"))))
    start_response("200 OK", plain())
    return [" ".join(seen).encode("ascii")]
