"""Applications that use start_response() and write() in every way, right and wrong."""
import sys

PLAIN = ("Content-Type", "text/plain")


def attempt(environ, start_response, *arguments, **keywords):
    """Show what start_response() makes of the arguments; earlier state must be as it was."""
    start_response("299 Before", [("X-Before", "1")])
    try:
        start_response(*arguments, **keywords)
    except Exception as error:
        return [("%s: %s" % (type(error).__name__, error)).encode("utf-8")]
    return [b"accepted"]


def make(*arguments, **keywords):
    return lambda environ, start_response: attempt(environ, start_response, *arguments, **keywords)


none = make()
one = make("200 OK")
four = make("200 OK", [], None, None)
keywords = make("200 OK", headers=[])
headers_tuple = make("200 OK", ())
exc_info_list = make("200 OK", [], [])
status_bytes = make(b"200 OK", [])
status_wide = make("200 \u20ac", [])
status_word = make("OK", [])
status_short = make("20X", [])
status_empty = make("", [])
status_long = make("2000 OK", [])
status_joined = make("200OK", [])
status_tab = make("200\tOK", [])
status_newline = make("200 O\nK", [])
status_nul = make("200 O\0K", [])
status_delete = make("200 O\x7fK", [])
status_informational = make("100 Continue", [])
status_zero = make("000 Zero", [])
item_list = make("200 OK", [["a", "b"]])
item_long = make("200 OK", [("a", "b", "c")])
name_bytes = make("200 OK", [(b"a", "b")])
value_bytes = make("200 OK", [("a", b"b")])
value_number = make("200 OK", [("a", 1)])
name_wide = make("200 OK", [("\u20ac", "b")])
value_wide = make("200 OK", [("a", "\u20ac")])
name_empty = make("200 OK", [("", "b")])
name_space = make("200 OK", [("a b", "c")])
name_control = make("200 OK", [("a\x01", "b")])
name_colon = make("200 OK", [("a:", "b")])
value_newline = make("200 OK", [("a", "b\r\nc")])
value_nul = make("200 OK", [("a", "b\0c")])
value_control = make("200 OK", [("a", "b\x01c")])
length_word = make("200 OK", [("Content-Length", "ten")])
length_empty = make("200 OK", [("Content-Length", "")])
length_negative = make("200 OK", [("Content-Length", "-1")])
length_huge = make("200 OK", [("Content-Length", "99999999999999999999")])
length_twice = make("200 OK", [("Content-Length", "8"), ("content-length", "9")])


def serve(status, headers, body=b"x"):
    def app(environ, start_response):
        start_response(status, headers)
        return [body]
    return app


fine_code = serve("200", [])
fine_space = serve("200 ", [])
fine_latin = serve("404 Nicht gefunden \xe4", [("X-A", "\xe4\tb"), ("X-B", ""), ("X(", "y")])
fine_lines = serve("401 No", [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("WWW-Authenticate", "Basic realm=x"),
                              ("WWW-Authenticate", "Digest"), ("X-A", "1"), ("X-A", "2")])
fine_status_header = serve("200 Error", [("Status", "404 Odd")])
fine_length_twice = serve("200 OK", [("Content-Length", "1"), ("Content-Length", "1")])
hop_by_hop = serve("200 OK", [PLAIN, ("Transfer-Encoding", "chunked"), ("Keep-Alive", "5"), ("Connection", "x"),
                              ("X-Last", "1")])
connection_close = serve("200 OK", [("Connection", "close")])


def replaced(environ, start_response):
    start_response("200 OK", [("X-First", "1")])
    start_response("404 Gone", [("X-Second", "1")])
    return [b"x"]


def replaced_after_error(environ, start_response):
    start_response("200 OK", [("X-First", "1")])
    try:
        raise ValueError("inner")
    except ValueError:
        start_response("500 Sorry", [], sys.exc_info())
    return [b"x"]


def again_after_data(environ, start_response):
    start_response("200 OK", [])(b"")
    try:
        start_response("404 Late", [])
    except RuntimeError as error:
        return [str(error).encode("ascii")]


def reraised(environ, start_response):
    write = start_response("200 OK", [])
    write(b"begun ")
    try:
        raise KeyError("inner")
    except KeyError:
        try:
            start_response("500 Late", [], sys.exc_info())
        except KeyError as error:
            names = []
            traceback = error.__traceback__
            while traceback is not None:
                names.append(traceback.tb_frame.f_code.co_name)
                traceback = traceback.tb_next
            write(repr((error, "reraised" in names)).encode("ascii"))
    for wrong in ((1, 2), (None, None, None), (1, 2, 3)):
        try:
            start_response("500 Late", [], wrong)
        except TypeError:
            write(b" TypeError")
    return []


def never(environ, start_response):
    return [b"x"]


def never_empty(environ, start_response):
    return []


def list_changes_later(environ, start_response):
    headers = [("X-A", "".join(["a"] * 3)), ("X-B", "".join(["b"] * 3))]
    start_response("".join(["200", " OK"]), headers)
    del headers[:]
    return (block for block in [b"x"])


def writes(environ, start_response):
    write = start_response("200 OK", [PLAIN])
    result = write(b"one ")
    write(b"")
    write(b"two ")
    return [b"three " + repr(result).encode("ascii")]


def write_attempt(*arguments):
    def app(environ, start_response):
        write = start_response("200 OK", [])
        try:
            write(*arguments)
        except Exception as error:
            return [type(error).__name__.encode("ascii")]
        return [b"accepted"]
    return app


write_nothing = write_attempt()
write_two = write_attempt(b"a", b"b")
write_text = write_attempt("text")
write_bytearray = write_attempt(bytearray(b"x"))


def write_while_gone(environ, start_response):
    write = start_response("200 OK", [])
    write(b"first" * 20000) # too large to be held
    try:
        write(b"second" * 20000)
    except OSError as error:
        environ["wsgi.errors"].write("seen %s\n" % error)
    return []
