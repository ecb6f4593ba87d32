"""An application that has been taken over: does to its keeper and to what it shares with Apache all that it can."""
import ctypes
import os
import random
import re
import socket
import stat
import struct


def control_socket():
    """The connection to the keeper: a UNIX socket that has no name at either end."""
    for name in os.listdir("/proc/self/fd"):
        try:
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            found = socket.socket(fileno=os.dup(int(name)))
            if found.family == socket.AF_UNIX and not found.getsockname() and found.getpeername() == "":
                return found
        except OSError:
            continue
    raise RuntimeError("no connection to the keeper")


def message(kind, text):
    return struct.pack("=HH", kind, len(text)) + text


def shared_areas():
    """Addresses and sizes of what is shared and writable."""
    with open("/proc/self/maps") as file:
        found = [re.match(r"([0-9a-f]+)-([0-9a-f]+) .w.s", line) for line in file]
    return [(int(area.group(1), 16), int(area.group(2), 16) - int(area.group(1), 16)) for area in found if area]


def fill(pattern):
    for start, size in shared_areas():
        ctypes.memmove(start, (pattern * (size // len(pattern) + 1))[:size], size)


def scribble(seed):
    """Plausible numbers at random places: states, process ids, generations, times."""
    source = random.Random(seed)
    values = [0, 1, 2, 3, 4, 5, -1, 0x7FFFFFFF, -0x80000000, os.getpid(), os.getppid()]
    for start, size in shared_areas():
        for _ in range(20000):
            address = start + 4 * source.randrange(size // 4)
            ctypes.c_int.from_address(address).value = source.choice(values)


def speak(seed):
    """All kinds of messages, whole, cut, too long and none, in one stream."""
    source = random.Random(seed)
    keeper = control_socket()
    keeper.settimeout(5)
    for _ in range(500):
        text = bytes(source.randrange(256) for _ in range(source.randrange(60)))
        texts = [b"", b"script_reload", b"%x %x\0group\0/tmp/x" % (source.getrandbits(64), source.getrandbits(64)),
                 b"1 1\0" + b"g" * 2000 + b"\0/" + b"s" * 2000, b"x" * 4000, text]
        try:
            keeper.sendall(message(source.choice([1, 2, 3, 4, 15, 16, 17, 32, 33, 34, 0, 65535]), source.choice(texts)))
        except OSError:
            return


def misaddress():
    """A message that says to be longer than any, and then silence."""
    keeper = control_socket()
    keeper.sendall(struct.pack("=HH", 2, 65535) + b"x" * 100)


def application(environ, start_response):
    what, _, seed = environ["PATH_INFO"].strip("/").rpartition("/")[2].partition("-")
    {"zeros": lambda: fill(b"\0"), "ones": lambda: fill(b"\xff"), "words": lambda: fill(b"AAAA/etc"),
     "scribble": lambda: scribble(seed), "speak": lambda: speak(seed), "misaddress": misaddress,
     "hello": lambda: None}[what or seed]()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "4")])
    return [b"done"]
