"""Tells about the process it runs in, and does to it what the path says."""
import ctypes
import json
import locale
import os
import resource
import signal
import socket
import stat
import sys
import threading
import time
from urllib.parse import parse_qs

import mod_wsgi

local = threading.local()
totals = {"requests": 0}
leaked = []


def inspect():
    umask = os.umask(0)
    os.umask(umask)
    local.count = getattr(local, "count", 0) + 1
    return {
        "pid": os.getpid(), "parent": os.getppid(), "thread": threading.get_ident(), "thread_requests": local.count,
        "requests": totals["requests"], "uid": os.getuid(), "euid": os.geteuid(), "gid": os.getgid(), "groups": sorted(os.getgroups()),
        "umask": umask, "cwd": os.getcwd(), "path": sys.path, "prefix": sys.prefix, "version": list(sys.version_info[:2]),
        "argv": sys.argv, "LANG": os.environ.get("LANG"), "LC_ALL": os.environ.get("LC_ALL"), "HOME": os.environ.get("HOME"),
        "ctype": locale.setlocale(locale.LC_CTYPE), "switch_interval": sys.getswitchinterval(), "optimize": sys.flags.optimize,
        "dont_write_bytecode": sys.dont_write_bytecode, "hash_seed": sys.flags.hash_randomization, "hash": hash("text"),
        "eggs": os.environ.get("PYTHON_EGG_CACHE"), "name": __name__, "file": __file__, "mtime": __mtime__,
        "process_group": mod_wsgi.process_group, "application_group": mod_wsgi.application_group,
        "maximum_processes": mod_wsgi.maximum_processes, "threads_per_process": mod_wsgi.threads_per_process,
        "module_version": list(mod_wsgi.version), "stack_size": threading.stack_size(),
        "warnings": sys.warnoptions, "interpreter_modules": sorted(name for name in sys.modules if name.startswith("_mod_wsgi_")),
    }


def limits():
    """Resource limits and priority of this process."""
    names = ("RLIMIT_CPU", "RLIMIT_DATA", "RLIMIT_AS")
    answer = {name: list(resource.getrlimit(getattr(resource, name))) for name in names}
    answer["priority"] = os.getpriority(os.PRIO_PROCESS, 0)
    return answer


def sockets():
    """Buffer sizes of the named UNIX sockets that this process has open."""
    sizes = []
    for name in os.listdir("/proc/self/fd"):
        try:
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            with socket.socket(fileno=os.dup(int(name))) as copy:
                if copy.family == socket.AF_UNIX and copy.getsockname():
                    sizes.append([copy.getsockopt(socket.SOL_SOCKET, option) for option in (socket.SO_SNDBUF, socket.SO_RCVBUF)])
        except OSError:
            continue
    return sizes


def wait_for(path):
    deadline = time.monotonic() + 30
    while not os.path.exists(path):
        if time.monotonic() > deadline:
            raise RuntimeError("nobody made {}".format(path))
        time.sleep(0.01)


def note(path, text=""):
    with open(path, "w") as file:
        file.write(text)


def die(how):
    if how == "exit":
        os._exit(7)
    if how == "segv":
        ctypes.string_at(0)
    os.kill(os.getpid(), getattr(signal, how))
    time.sleep(30)


def application(environ, start_response):
    totals["requests"] += 1
    query = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    path = environ["PATH_INFO"]
    headers = [("Content-Type", "application/json")]
    if path == "/die":
        die(query["how"])
    if path == "/die-later":
        start_response("200 OK", headers)
        return dying(query["how"], query.get("go"))
    if path == "/wait":
        # Say that the request is running, then hold it until the test lets it go.
        note(os.path.join(query["folder"], "running-" + query["name"]), str(os.getpid()))
        wait_for(os.path.join(query["folder"], query["name"]))
    if path == "/signal":
        answer = signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        body = json.dumps({"returned": int(answer)}).encode("ascii")
        start_response("200 OK", headers)
        return [body]
    if path == "/hold-gil":
        library, mutex = ctypes.PyDLL(None), ctypes.create_string_buffer(64)
        while True:  # the second time it waits for itself
            library.pthread_mutex_lock(mutex)
    if path == "/leak":
        leaked.append(bytearray(int(query["bytes"])))
    if path == "/spin":
        while True:
            pass
    answers = {"/limits": limits, "/sockets": sockets}
    body = json.dumps(answers.get(path, inspect)()).encode("ascii")
    start_response("200 OK", headers + [("Content-Length", str(len(body)))])
    return [body]


def dying(how, go):
    """Die after a block that is sent at once because of its size, or after a small one when the test says so."""
    yield b"first block\n" * (1 if go else 6000)
    if go:
        wait_for(go)
    die(how)
