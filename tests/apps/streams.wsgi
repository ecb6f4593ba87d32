"""Uses a standard stream and tells how that went."""
import sys


def application(environ, start_response):
    name = environ["PATH_INFO"].lstrip("/")
    try:
        if name == "stdout":
            print("through stdout")
        else:
            getattr(sys, name).read()
        text = "usable"
    except OSError as error:
        text = "{} {}".format(type(error).__name__, "sys." + name if "sys." + name in str(error) else error)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [text.encode("utf-8")]
