"""Processes that application code forks: they serve nobody, stop nobody and keep nothing from ending."""
import os
import signal

import pytest

from harness import processes
from harness.background import Background

APP = '''
import multiprocessing, os, signal, socket, subprocess, sys, time

FOLDER = {folder!r}
BLOCKS = [b"one\\n", b"two\\n"]


def note(name, text=""):
    with open(os.path.join(FOLDER, name + ".part"), "w") as file:
        file.write(str(text))
    os.rename(os.path.join(FOLDER, name + ".part"), os.path.join(FOLDER, name))


def reap(pid):
    return str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode("ascii")


def double(queue, number):
    queue.put(number * 2)


def multi(method):
    context = multiprocessing.get_context(method)
    queue = context.SimpleQueue()
    process = context.Process(target=double, args=(queue, 21))
    process.start()
    value = queue.get()
    process.join(20)
    return "{{}} {{}}".format(value, process.exitcode).encode("ascii")


def generate():
    yield BLOCKS[0]
    pid = os.fork()
    if pid:
        reap(pid)
    yield BLOCKS[1]


def linger():
    """A process that outlives us, with two forks as daemons do it."""
    pid = os.fork()
    if pid:
        return reap(pid)
    if os.fork():
        os._exit(0)
    note("lingering", "{{}} {{}}".format(os.getpid(), os.getppid()))
    time.sleep(120)
    os._exit(0)


def own_sockets():
    """What the application opened itself works in both processes: here, a UNIX socket that it listens on, and its connections."""
    name = os.path.join(FOLDER, "own")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(name)
        listener.listen(2)
        client = socket.socket(socket.AF_UNIX)
        client.connect(name)
        accepted = listener.accept()[0]
        pid = os.fork()
        if pid == 0:
            accepted.sendall(b"accepted ")
            with socket.socket(socket.AF_UNIX) as other:
                other.connect(name)
                other.sendall(b"listener")
            os._exit(0)
        reap(pid)
        text = client.recv(100) + listener.accept()[0].recv(100)
        client.close()
        accepted.close()
    os.unlink(name)
    return text


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/generator":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return generate()
    body = str(os.getpid()).encode("ascii")
    if path in ("/return", "/exit", "/raise", "/write"):
        pid = os.fork()
        if pid == 0:
            if path == "/exit":
                sys.exit(5)
            if path == "/raise":
                raise RuntimeError("in the forked process")
            if path == "/write":
                start_response("200 OK", [("Content-Type", "text/plain")])(b"from the forked process")
            body = b"from the forked process"
        else:
            body = reap(pid)
    elif path == "/os-exit":
        pid = os.fork()
        if pid == 0:
            os._exit(3)
        body = reap(pid)
    elif path == "/signal":
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGUSR2, signal.SIG_DFL)
            os._exit(0 if signal.getsignal(signal.SIGUSR2) == signal.SIG_DFL else 9)
        body = reap(pid)
    elif path == "/signalled":
        number = int(environ["QUERY_STRING"])
        pid = os.fork()
        if pid == 0:
            time.sleep(60)
            os._exit(9)
        os.kill(pid, number)
        body = reap(pid)
    elif path == "/linger":
        body = linger()
    elif path == "/linger-and-die":
        linger()
        os.kill(os.getpid(), signal.SIGKILL)
    elif path == "/hold":
        note("holding")
        time.sleep(120)
    elif path == "/read":
        pid = os.fork()
        if pid == 0:
            try:
                environ["wsgi.input"].read()
            except OSError:
                os._exit(0)
            os._exit(9)
        body = reap(pid) + b" " + str(len(environ["wsgi.input"].read())).encode("ascii")
    elif path == "/descriptors":
        body = subprocess.run(["/bin/ls", "/proc/self/fd"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, close_fds=False, check=True).stdout
    elif path == "/own-socket":
        body = own_sockets()
    elif path == "/subprocess":
        body = subprocess.run([sys.executable, "-c", "print(6 * 7)"] if os.path.basename(sys.executable or "").startswith("python")
                              else ["/bin/sh", "-c", "echo 42"], stdout=subprocess.PIPE, check=True).stdout.strip()
    elif path.startswith("/multi/"):
        body = multi(path[7:])
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
'''


@pytest.fixture
def server(fresh_server, mode):
    server = fresh_server("hello.wsgi", mode=mode, children=1, daemon={"threads": 3})
    server.write_app("hello.wsgi", APP.format(folder=str(server.data_folder())))
    assert server.client().get("/").status == 200
    return server


@pytest.mark.parametrize("path, answer", [
    ("/return", "0"), ("/exit", "5"), ("/raise", "1"), ("/write", "1"), ("/os-exit", "3"), ("/signal", "0"),
    ("/subprocess", "42"), ("/multi/fork", "42 0"), ("/generator", "one\ntwo\n"), ("/own-socket", "accepted listener"),
])
def test_forked_process_answers_nobody(server, path, answer):
    """However it comes back to us; the process that forked goes on."""
    before = server.client().get("/").text
    for _ in range(2):
        assert server.client().get(path).text == answer
    assert {server.client().get("/").text for _ in range(8)} == {before}


def test_programs_get_no_descriptor_of_the_server(server):
    """Even without close_fds: 3 is what the program itself has opened to look."""
    assert server.client().get("/descriptors").text.split() == ["0", "1", "2", "3"]


def test_script_that_forks_while_it_is_loaded(server):
    text = APP.format(folder=str(server.data_folder())) + '''
if os.fork() == 0:
    sys.exit(7)
LOADED = reap(-1)
inner = application


def application(environ, start_response):
    if environ["PATH_INFO"] == "/loaded":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [LOADED]
    return inner(environ, start_response)
'''
    server.write_app("hello.wsgi", text)
    assert [server.client().get("/loaded").text for _ in range(3)] == ["7"] * 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP, signal.SIGUSR2, signal.SIGXCPU])
def test_signal_ends_the_forked_process_only(fresh_server, number):
    server = fresh_server("hello.wsgi", mode="daemon", daemon={"threads": 2})
    server.write_app("hello.wsgi", APP.format(folder=str(server.data_folder())))
    before = server.client().get("/").text
    assert server.client().get("/signalled?{:d}".format(number)).text not in ("0", "9")
    assert server.client().get("/").text == before


def listening(server):
    """Names, as in /proc/PID/fd, of the sockets on which the groups of a server listen."""
    lines = [line.split() for line in open("/proc/net/unix").read().splitlines()[1:]]
    return {"socket:[{}]".format(line[6]) for line in lines if line[7:] and line[7] in server.sockets() and line[3] == "00010000"}


def test_process_that_outlives_its_worker(fresh_server):
    """It has neither the listener nor the line to the keeper; the group ends and starts as if it was not there."""
    server = fresh_server("hello.wsgi", mode="daemon", daemon={"threads": 2})
    server.write_app("hello.wsgi", APP.format(folder=str(server.data_folder())))
    worker = int(server.client().get("/").text)
    assert server.client().get("/linger").text == "0"
    note = server.root / "data" / "lingering"
    server.wait_until(note.exists, 20, "the process to linger")
    pid = int(note.read_text().split()[0])
    try:
        held = {os.readlink("/proc/{}/fd/{}".format(pid, fd)) for fd in os.listdir("/proc/{}/fd".format(pid))}
        listeners = listening(server)
        assert listeners and not listeners & held
        os.kill(worker, signal.SIGTERM)
        server.wait_until(lambda: not processes.alive(worker), 20, "the end of the worker")
        assert int(server.client().get("/").text) not in (worker, pid)
        server.restart()
        assert int(server.client().get("/").text) not in (worker, pid)
        assert processes.alive(pid)
    finally:
        os.kill(pid, signal.SIGKILL)
    server.wait_until(lambda: not processes.alive(pid), 20, "the end of the lingering process")


def test_worker_that_dies_leaves_nobody_waiting(fresh_server):
    """A process that it had forked lives on: it does not hold the connections on which the requests' answers are waited for."""
    server = fresh_server("hello.wsgi", mode="daemon", daemon={"threads": 3, "processes": 1, "socket-timeout": 600})
    server.write_app("hello.wsgi", APP.format(folder=str(server.data_folder())))
    assert server.client().get("/").status == 200
    held = Background(server.client().get, "/hold")
    server.wait_until((server.root / "data" / "holding").exists, 20, "the request that is held")
    dying = Background(server.client().get, "/linger-and-die")
    note = server.root / "data" / "lingering"
    server.wait_until(note.exists, 20, "the process to linger")
    pid = int(note.read_text().split()[0])
    try:
        assert [request.result().status for request in (dying, held)] == [502, 502]
        assert processes.alive(pid)
    finally:
        os.kill(pid, signal.SIGKILL)
    server.log.expect("WSGI0146")
    server.wait_until(lambda: not processes.alive(pid), 20, "the end of the lingering process")


def test_forked_process_takes_nothing_from_the_request_body(fresh_server):
    server = fresh_server("hello.wsgi", mode="daemon", daemon={"threads": 2})
    server.write_app("hello.wsgi", APP.format(folder=str(server.data_folder())))
    assert server.client().post("/read", body=b"x" * 3000000).text.split()[0] == "0"
    assert server.client().post("/read", body=b"x" * 3000000).text == "0 3000000"
