"""Copies a large file beside the folder of the applications and sends the copy through wsgi.file_wrapper."""
import os
import shutil
from urllib.parse import parse_qs

PATH = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data", "big")


def application(environ, start_response):
    query = {name: int(values[0]) for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    headers = [("Content-Type", "application/octet-stream")]
    if environ["PATH_INFO"] == "/make":
        shutil.copyfile(os.path.join(os.path.dirname(PATH), "original"), PATH + ".new")
        os.chmod(PATH + ".new", 0o644)
        os.replace(PATH + ".new", PATH)
        start_response("200 OK", headers)
        return [b"made"]
    file = open(PATH, "rb")
    file.seek(query.get("skip", 0))
    if "closed" in query:
        os.fchmod(file.fileno(), 0) # who has it open may go on, nobody can open it any more
    start_response("200 OK", headers)
    return environ["wsgi.file_wrapper"](file, 65536)
