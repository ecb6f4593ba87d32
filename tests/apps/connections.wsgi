"""Tells about the connections of the process that it runs in."""
import json
import os
import socket
import stat
import threading
import time
from urllib.parse import parse_qs

import mod_wsgi

local = threading.local()


def connections():
    """Inodes of the sockets that Apache's children talk to this process over."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            info = os.fstat(int(name))
            if not stat.S_ISSOCK(info.st_mode):
                continue
            with socket.socket(fileno=os.dup(int(name))) as copy:
                if copy.family == socket.AF_UNIX and copy.getsockname() and not copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    found.append(info.st_ino)
        except OSError:
            continue
    return sorted(found)


def wait_for(path):
    deadline = time.monotonic() + 30
    while not os.path.exists(path):
        if time.monotonic() > deadline:
            raise RuntimeError("nobody made {}".format(path))
        time.sleep(0.01)


def note(path, text):
    with open(path, "a") as file:
        file.write(text)


def linger(name, **details):
    """The end of a request for /linger takes until the test makes a file."""
    if name == "request_finished" and getattr(local, "until", None):
        until, local.until = local.until, None
        wait_for(until)


def application(environ, start_response):
    query = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    path = environ["PATH_INFO"]
    body = b"" if path == "/unread" else environ["wsgi.input"].read()
    local.until = query["until"] if path == "/linger" else None
    child = None
    if path == "/stream":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return (b"x" * 65536 for _ in range(1000000))
    if path == "/fork":
        child = os.fork()
        if child == 0:
            wait_for(query["until"])
            os._exit(0)
    if path == "/wait":
        note(os.path.join(query["folder"], "running-" + query["name"]), "{}\n".format(os.getpid()))
        wait_for(os.path.join(query["folder"], query["name"]))
    answer = {"pid": os.getpid(), "child": child, "length": len(body), "connections": connections(),
              "connects": environ.get("mod_wsgi.daemon_connects"), "restarts": environ.get("mod_wsgi.daemon_restarts")}
    data = json.dumps(answer).encode("ascii")
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(data)))])
    return [data]


mod_wsgi.subscribe_events(linger)
