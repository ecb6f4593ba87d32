"""What an Apache child makes of a daemon that says anything at all: a false worker behind the socket of a group."""
import array
import os
import socket
import struct
import threading
import time

import pytest

REQUEST, BODY, BODY_END, BODY_FAILED, GO, HEAD, DATA, FILE, END = 1, 2, 3, 4, 16, 17, 18, 19, 20
DONE, FAILED, NO_CALLABLE, TIMED_OUT, TRUNCATED, REJECTED, EXPIRED = range(7)
NONE, FOLLOWS, DEFERRED = range(3)
CONTENT = b"".join(b"%07d\n" % number for number in range(100_000))


def frame(kind, payload=b"", flags=0):
    return struct.pack("=IBBH", len(payload), kind, flags, 0) + payload


def head(*headers, status=200, reason=b"OK", count=None):
    text = struct.pack("=II", status, len(headers) if count is None else count)
    text += struct.pack("=I", len(reason)) + reason + b"\0"
    for name, value in headers:
        text += struct.pack("=II", len(name), len(value)) + name + b"\0" + value + b"\0"
    return frame(HEAD, text)


HELLO = head((b"Content-Type", b"text/plain")) + frame(DATA, b"hello")
GOOD = HELLO + frame(END)


class Visit:
    """One connection of an Apache child, its request already read."""

    def __init__(self, connection):
        self.connection = connection
        self.kind, self.follows, self.request = self.read()

    def exactly(self, count):
        data = b""
        while len(data) < count:
            piece = self.connection.recv(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def read(self):
        """The next frame: type, flags, payload."""
        length, kind, flags, _ = struct.unpack("=IBBH", self.exactly(8))
        return kind, flags, self.exactly(length)

    def body(self):
        """Read a body to its end: the bytes, and the type of the frame that ended it."""
        data = b""
        while True:
            kind, _, payload = self.read()
            data += payload
            if kind != BODY:
                return data, kind

    def say(self, data):
        self.connection.sendall(data)

    def say_file(self, offset, length, *fds):
        self.connection.sendmsg([frame(FILE, struct.pack("=qq", offset, length))],
                                [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [])

    def wait_for_close(self):
        while self.connection.recv(65536):
            pass


class FalseWorker:
    """Listens in the place of a group. ``script(visit)`` holds the conversation; then the connection is closed."""

    def __init__(self, path):
        os.unlink(path)
        self.path = path
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(path)
        os.chmod(path, 0o777)
        self.listener.listen(100)
        self.script = None
        self.visits = []
        self.deaths, self.bites = 0, 0 # how many connections are dropped, and what is read of each before, bytes
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(30)
                if self.deaths > 0: # with the request, or the end of it, unread
                    self.deaths -= 1
                    connection.recv(self.bites)
                    continue
                try:
                    visit = Visit(connection)
                    self.visits.append(visit)
                    self.script(visit)
                except (EOFError, OSError):
                    pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        os.unlink(self.path) # Apache removes its own socket only


@pytest.fixture(scope="module")
def server(make_server):
    server = make_server("hello.wsgi", mode="daemon", children=1, daemon={"processes": 1, "socket-timeout": 2}, config=(
        "Timeout 10\nWSGIChunkedRequest On\nAlias /static {root}/htdocs\n"
        "<Location /override>\n  WSGIErrorOverride On\n</Location>\n<Location /sendfile>\n  WSGIEnableSendfile On\n</Location>\n"))
    (server.root / "htdocs" / "content.bin").write_bytes(CONTENT)
    return server


@pytest.fixture(scope="module")
def worker(server):
    worker = FalseWorker(server.request_sockets()[0])
    yield worker
    worker.close()


@pytest.fixture
def answer(worker, client):
    """``answer(script or bytes, path)``: the response to one GET."""
    def ask(script, path="/", **options):
        worker.visits.clear()
        worker.script = script if callable(script) else lambda visit: visit.say(script)
        return client.get(path, **options)
    return ask


@pytest.fixture
def child(server):
    """Pid of the only Apache child."""
    workers = server.daemon_pids() | server.daemon_pids(keepers=True)
    pid, = [entry.pid for entry in server.processes() if entry.parent == server.pid and entry.pid not in workers]
    return pid


def open_files(pid):
    """What a process has open, but for sockets: those of clients come and go."""
    found = []
    for fd in os.listdir("/proc/{}/fd".format(pid)):
        try:
            found.append(os.readlink("/proc/{}/fd/{}".format(pid, fd)))
        except FileNotFoundError:
            pass
    return sorted(path for path in found if not path.startswith("socket:"))


# What is right


def test_good_answer(answer):
    response = answer(GOOD)
    assert (response.status, response.body, response.truncated) == (200, b"hello", False)
    assert response.header("Content-Length") == "5" # all of it came at once


def test_byte_by_byte(answer):
    def drip(visit):
        for byte in GOOD:
            visit.say(bytes([byte]))
    assert answer(drip).body == b"hello"


def test_head_alone_is_sent_on(server, worker, client):
    """A head whose body takes its time reaches the client first."""
    more = threading.Event()

    def slowly(visit):
        visit.say(head())
        assert more.wait(20)
        visit.say(frame(DATA, b"late") + frame(END))
    worker.script = slowly
    with client.raw() as raw:
        raw.get("/", "Connection: close")
        assert b"200 OK" in raw.receive_until(b"\r\n\r\n")
        more.set()
        assert b"late" in raw.receive_all()


@pytest.mark.parametrize("outcome, status, body", [
    (FAILED, 500, b"Internal Server Error"), (NO_CALLABLE, 500, b"Internal Server Error"), (TIMED_OUT, 504, b""),
    (EXPIRED, 504, b"Gateway Timeout"), (TRUNCATED, 500, b""),
])
def test_outcomes(answer, outcome, status, body):
    response = answer(frame(END, flags=outcome))
    if outcome != TRUNCATED: # a daemon that says so without a head makes no sense; any failure will do
        assert response.status == status
        assert body in response.body and bool(body) == bool(response.body)
    assert response.status >= 500


def test_time_out_under_error_override(answer):
    response = answer(frame(END, flags=TIMED_OUT), "/override/x")
    assert response.status == 504 and b"Gateway Timeout" in response.body


def test_truncated_by_the_daemon(answer):
    response = answer(HELLO + frame(END, flags=TRUNCATED))
    assert (response.status, response.body, response.truncated) == (200, b"hello", True)
    response = answer(HELLO + frame(END, flags=FAILED))
    assert response.truncated


# Lost workers


def test_silence_then_close(server, answer):
    assert answer(b"").status == 502
    server.log.expect("WSGI0146", "site")


@pytest.mark.parametrize("bites", [0, 1, 100])
def test_request_that_nobody_has_read_goes_to_another_worker(server, worker, answer, bites):
    """It was accepted, and its worker died before it could begin."""
    worker.deaths, worker.bites = 2, bites
    assert answer(GOOD).body == b"hello"
    server.log.wait_for("Connecting again to daemon process group 'site', whose process ends .attempt 3")


def test_request_that_nobody_ever_reads(server, worker, answer):
    worker.deaths = 100
    assert answer(GOOD).status == 503
    worker.deaths = 0
    server.log.expect("WSGI0124", "3 times in a row")


def test_close_in_the_middle(server, answer):
    for cut in range(1, len(GOOD)):
        response = answer(GOOD[:cut])
        if cut < GOOD.index(struct.pack("=IBBH", 5, DATA, 0, 0)):
            assert response.status == 502, cut
        else:
            assert (response.status, response.truncated) == (200, True), cut
        server.log.allow("WSGI0146", "WSGI0119")


def test_silence(server, answer):
    response = answer(lambda visit: visit.wait_for_close())
    assert response.status == 504
    server.log.expect("WSGI0145", "site")


def test_silence_after_the_head(server, answer):
    def stop(visit):
        visit.say(HELLO)
        visit.wait_for_close()
    response = answer(stop)
    assert (response.status, response.body, response.truncated) == (200, b"hello", True)
    server.log.expect("WSGI0119", "site")


# Nonsense

NONSENSE = {
    "text": b"HTTP/1.1 200 OK\r\n\r\nhello",
    "unknown type": frame(99),
    "frame of a child": frame(BODY_END),
    "request": frame(REQUEST, b"x" * 100),
    "huge head": struct.pack("=IBBH", 0xffffffff, HEAD, 0, 0),
    "reserved bytes": struct.pack("=IBBH", 0, END, 0, 7),
    "unknown outcome": frame(END, flags=200),
    "end without head": frame(END),
    "body without head": frame(DATA, b"hello"),
    "empty head": frame(HEAD),
    "head of noise": frame(HEAD, os.urandom(200)),
    "more headers than there are": head((b"A", b"b"), count=2),
    "a billion headers": head((b"A", b"b"), count=10**9),
    "fewer headers than there are": head((b"A", b"b"), count=0),
    "status 100": head(status=100) + frame(END),
    "status 0": head(status=0) + frame(END),
    "status 2000": head(status=2000) + frame(END),
    "line break in the reason": head(reason=b"OK\r\nX-Evil: 1") + frame(END),
    "line break in a value": head((b"X-A", b"b\r\nX-Evil: 1")) + frame(END),
    "line break in a name": head((b"X-A: b\r\nX-Evil", b"1")) + frame(END),
    "NUL in a value": head((b"X-A", b"b\0c")) + frame(END),
    "transfer encoding": head((b"Transfer-Encoding", b"chunked")) + frame(DATA, b"0\r\n\r\n") + frame(END),
    "upgrade": head((b"Upgrade", b"websocket")) + frame(END),
    "body asked for where there is none": frame(GO),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense(server, answer, name):
    response = answer(NONSENSE[name])
    assert response.status == 502
    assert b"Evil" not in response.body and not response.all("X-Evil")
    server.log.expect("WSGI0147", "site")


@pytest.mark.parametrize("more", [head(), frame(99), frame(GO), b"\0\0\0\0\x14\0\1\0"])
def test_nonsense_after_the_head(server, answer, more):
    response = answer(HELLO + more + frame(END))
    assert (response.status, response.truncated) == (200, True)
    server.log.expect("WSGI0147", "site")


def test_long_header(server, answer):
    assert answer(head((b"X-Long", b"x" * (32768 - 10))) + frame(END)).status == 200
    assert answer(head((b"X-Long", b"x" * (32768 - 9))) + frame(END)).status == 500
    server.log.expect("WSGI0144", "X-Long")


# Content-Length


def test_more_than_declared_is_cut(server, worker, client):
    evil = b"hello" + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    worker.script = lambda visit: visit.say(head((b"Content-Length", b"5")) + frame(DATA, evil) + frame(DATA, evil) + frame(END))
    with client.connection() as connection:
        assert connection.get("/").body == b"hello"
        worker.script = lambda visit: visit.say(GOOD)
        assert connection.get("/").body == b"hello"
        assert connection.is_open


def test_less_than_declared_is_seen(answer):
    response = answer(head((b"Content-Length", b"50")) + frame(DATA, b"hello") + frame(END))
    assert (response.status, response.body, response.truncated) == (200, b"hello", True)


@pytest.mark.parametrize("status", [204, 304])
def test_no_body_is_due(client, worker, status):
    worker.script = lambda visit: visit.say(head((b"Content-Length", b"50"), status=status) + frame(END))
    with client.connection() as connection:
        assert connection.get("/").status == status
        assert connection.is_open


def test_head_request(client, worker):
    worker.script = lambda visit: visit.say(head((b"Content-Length", b"50")) + frame(END))
    with client.connection() as connection:
        response = connection.request("HEAD", "/")
        assert (response.status, response.header("Content-Length")) == (200, "50")
        assert connection.is_open


def test_wish_to_close(client, worker):
    worker.script = lambda visit: visit.say(head((b"Connection", b"close")) + frame(DATA, b"bye") + frame(END))
    with client.connection() as connection:
        assert connection.get("/").body == b"bye"
        assert not connection.is_open


# Handing back


def test_handed_back_a_few_times(server, worker, client):
    def twice(visit):
        assert visit.follows == FOLLOWS
        body, last = visit.body()
        assert last == BODY_END
        visit.say(frame(END, flags=REJECTED) if len(worker.visits) < 3 else head() + frame(DATA, body) + frame(END))
    worker.visits.clear()
    worker.script = twice
    assert client.post("/", b"small body").body == b"small body" # kept, and sent again
    assert len(worker.visits) == 3


def test_handed_back_for_ever(server, worker, answer):
    assert answer(frame(END, flags=REJECTED)).status == 503
    assert len(worker.visits) == 4 # the first, and 2 x processes + 1 more
    server.log.expect("WSGI0124", "site")


def test_handed_back_after_the_body_was_asked_for(server, worker, client):
    def late(visit):
        visit.say(frame(GO))
        visit.body()
        visit.say(frame(END, flags=REJECTED))
    worker.visits.clear()
    worker.script = late
    assert client.post("/", b"x" * 100_000).status == 502
    assert len(worker.visits) == 1
    server.log.expect("WSGI0147", "site")


# Request bodies


def test_small_body_comes_with_the_request(worker, client):
    def look(visit):
        assert visit.follows == FOLLOWS
        visit.say(head() + frame(DATA, visit.body()[0]) + frame(END))
    worker.script = look
    assert client.post("/", b"x" * 65536).body == b"x" * 65536


@pytest.mark.parametrize("body", [b"y" * 65537, [b"z" * 10] * 5, [b"0123456789" * 100_000]], ids=["large", "chunked", "both"])
def test_other_bodies_come_when_asked_for(worker, client, body):
    def look(visit):
        assert visit.follows == DEFERRED
        visit.connection.settimeout(0.2)
        with pytest.raises(socket.timeout):
            visit.read()
        visit.connection.settimeout(30)
        visit.say(frame(GO))
        data, last = visit.body()
        assert last == BODY_END
        visit.say(head() + frame(DATA, data) + frame(END))
    worker.script = look
    assert client.post("/", body).body == (body if isinstance(body, bytes) else b"".join(body))


def test_continue_goes_out_when_the_body_is_asked_for(worker, client):
    asked = threading.Event()

    def look(visit):
        assert asked.wait(20)
        visit.say(frame(GO))
        visit.say(head() + frame(DATA, b"%d" % len(visit.body()[0])) + frame(END))
    worker.script = look
    with client.raw() as raw:
        raw.send("POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 70000\r\n\r\n")
        raw.socket.settimeout(0.2)
        with pytest.raises(socket.timeout):
            raw.receive_until(b"Continue")
        raw.socket.settimeout(30)
        asked.set()
        raw.receive_until(b"100 Continue\r\n\r\n")
        raw.send(b"x" * 70000)
        assert b"200 OK" in raw.receive_until(b"70000")


def test_daemon_that_does_not_read(worker, client):
    """The rest of the body is dropped and the response read; the next request starts where it should."""
    def refuse(visit):
        visit.say(frame(GO) + head(status=413) + frame(DATA, b"too much") + frame(END))
    worker.script = refuse
    with client.connection() as connection:
        response = connection.post("/", b"GET /evil HTTP/1.1\r\n" * 100_000)
        assert (response.status, response.body) == (413, b"too much")
        worker.script = lambda visit: visit.say(GOOD)
        if connection.is_open:
            assert connection.get("/").body == b"hello"


def test_both_sides_write(worker, client):
    """A daemon that answers with much before it reads, to a child that sends much."""
    body = b"u" * 3_000_000

    def talk(visit):
        visit.say(frame(GO) + head())
        for _ in range(50):
            visit.say(frame(DATA, b"d" * 100_000))
        data, last = visit.body()
        assert (len(data), last) == (len(body), BODY_END)
        visit.say(frame(END))
    worker.script = talk
    received = []
    with client.raw() as raw:
        raw.send("POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n".format(len(body)))
        reader = threading.Thread(target=lambda: received.append(raw.receive_all()))
        reader.start()
        raw.send(body)
        reader.join()
    assert received[0].count(b"d") >= 5_000_000 and received[0].endswith(b"0\r\n\r\n")


def test_client_that_leaves_during_its_body(server, worker, client):
    ended = []

    def look(visit):
        visit.say(frame(GO))
        ended.append(visit.body())
        visit.say(head(status=418) + frame(END))
    worker.script = look
    before = len(server.access_log())
    with client.raw() as raw:
        raw.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n" + "x" * 10)
        raw.reset()
    server.wait_until(lambda: len(server.access_log()) > before, 10, "end of the request")
    assert ended[0][1] == BODY_FAILED
    assert server.access_log()[-1].split()[0] == "418" # the application's


def test_client_that_stops_in_its_body(server, worker, client):
    ended = []

    def look(visit):
        visit.say(frame(GO))
        ended.append(visit.body())
    worker.script = look
    with client.raw() as raw:
        raw.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n" + "x" * 10)
        assert b" 408 " in raw.receive_until(b"\r\n")
    server.wait_until(lambda: ended, 10, "end of the body")
    assert ended[0][1] == BODY_FAILED
    server.log.expect("WSGI0126")


def test_broken_chunks(server, worker, client):
    worker.script = lambda visit: (visit.say(frame(GO)), visit.body())
    with client.raw() as raw:
        raw.send("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nnonsense\r\n")
        assert raw.receive_until(b"\r\n").split()[1] in (b"400", b"500")
    server.log.allow("WSGI0126")


# Redirects


def test_internal_redirect(answer):
    response = answer(head((b"Location", b"/static/static.txt")) + frame(DATA, b"dropped") + frame(END))
    assert (response.status, response.body) == (200, b"static\n")
    assert not response.all("Location")


def test_redirect_does_not_lose_track_of_the_request_body(worker, client):
    """The body was never asked for; it must not be taken for the next request."""
    evil = b"GET /evil HTTP/1.1\r\nHost: localhost\r\n\r\n"
    worker.visits.clear()
    worker.script = lambda visit: visit.say(head((b"Location", b"/static/static.txt")) + frame(END))
    with client.connection() as connection:
        assert connection.post("/", evil + b"x" * 100_000).body == b"static\n"
        worker.script = lambda visit: visit.say(GOOD)
        if connection.is_open:
            assert connection.get("/").body == b"hello"
    assert not [visit for visit in worker.visits if b"/evil" in visit.request]


def test_error_override(answer):
    response = answer(head((b"WWW-Authenticate", b"Basic realm=x"), (b"X-Other", b"y"), status=401) + frame(DATA, b"mine")
                      + frame(END), "/override/x")
    assert response.status == 401 and b"mine" not in response.body
    assert response.header("WWW-Authenticate") == "Basic realm=x" and not response.all("X-Other")


# Files


@pytest.fixture
def content(server):
    with open(str(server.root / "htdocs" / "content.bin"), "rb") as file:
        yield file


@pytest.mark.parametrize("path", ["/", "/sendfile/x"])
@pytest.mark.parametrize("private", [False, True])
def test_file(server, answer, content, path, private):
    """Also one that only the daemon may open, or that has no name any more."""
    if private:
        hidden = server.root / "hidden"
        hidden.write_bytes(CONTENT)
        hidden.chmod(0o600)
        content = open(str(hidden), "rb")
        hidden.unlink()
    content.seek(77)

    def send(visit):
        visit.say(head())
        visit.say_file(8, 700_000, content.fileno())
        visit.say(frame(END))
    response = answer(send, path)
    assert response.body == CONTENT[8:700_008]
    assert response.header("Content-Length") == "700000"
    assert os.lseek(content.fileno(), 0, os.SEEK_CUR) == 77 # shared with whoever else has it open


def test_file_and_data(answer, content):
    def send(visit):
        visit.say(head() + frame(DATA, b"before"))
        visit.say_file(0, 8, content.fileno())
        visit.say(frame(DATA, b"between"))
        visit.say_file(8, 8, content.fileno())
        visit.say_file(0, 0, content.fileno())
        visit.say(frame(END))
    assert answer(send).body == b"before" + b"0000000\n" + b"between" + b"0000001\n"


def test_file_is_held_to_the_content_length(answer, content):
    def send(visit):
        visit.say(head((b"Content-Length", b"10")))
        visit.say_file(0, 80_000, content.fileno())
        visit.say(frame(END))
    assert answer(send).body == CONTENT[:10]


def bad_descriptors(server):
    """Name, descriptors, and the part of the file to send."""
    path = str(server.root / "htdocs" / "content.bin")
    size = len(CONTENT)
    return {
        "none": ([], 0, 10),
        "a pipe": ([os.pipe()[0]], 0, 10),
        "a folder": ([os.open(str(server.root), os.O_RDONLY)], 0, 10),
        "a device": ([os.open("/dev/zero", os.O_RDONLY)], 0, 10),
        "only named": ([os.open(path, os.O_PATH)], 0, 10),
        "write only": ([os.open(path, os.O_WRONLY)], 0, 10),
        "beyond the end": ([os.open(path, os.O_RDONLY)], size, 1),
        "longer": ([os.open(path, os.O_RDONLY)], 0, size + 1),
        "negative offset": ([os.open(path, os.O_RDONLY)], -1, 1),
        "negative length": ([os.open(path, os.O_RDONLY)], 1, -1),
        "overflow": ([os.open(path, os.O_RDONLY)], 2**63 - 1, 2**63 - 1),
    }


def test_bad_files(server, answer, child):
    answer(GOOD)
    before = open_files(child)
    for name, (fds, offset, length) in bad_descriptors(server).items():
        def send(visit):
            visit.say(head())
            visit.say_file(offset, length, *fds)
            visit.say(frame(END))
        response = answer(send)
        assert (response.status, response.body, response.truncated) == (200, b"", True), name
        server.log.expect("WSGI0147", "file")
        for fd in fds:
            os.close(fd)
    server.wait_until(lambda: open_files(child) == before, 5, "descriptors closed")


def test_heaps_of_descriptors(server, answer, content, child):
    """Neither beside other frames, nor several at once, nor one after the other."""
    answer(GOOD)
    before = open_files(child)

    def hide(visit):
        fds = array.array("i", [content.fileno()] * 10)
        visit.connection.sendmsg([HELLO[:1]], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        visit.say(HELLO[1:] + frame(END))

    def flood(visit):
        visit.say(head())
        for _ in range(100):
            visit.say_file(0, 1, content.fileno(), content.fileno(), content.fileno())
        visit.say(frame(END))
    assert answer(hide).body == b"hello"
    assert answer(flood).truncated
    server.log.expect("WSGI0147", "file")
    server.wait_until(lambda: open_files(child) == before, 5, "descriptors closed")


def test_file_that_is_cut_meanwhile(server, worker, client):
    path = server.root / "htdocs" / "shrinking"
    path.write_bytes(b"x" * 60_000_000)
    path.chmod(0o644)

    def send(visit):
        with open(str(path), "rb") as file:
            visit.say(head())
            visit.say_file(0, 60_000_000, file.fileno())
            visit.say(frame(END))
    worker.script = send
    with client.raw() as raw:
        raw.get("/")
        assert b"Content-Length: 60000000" in raw.receive_until(b"\r\n\r\n")
        os.truncate(str(path), 1000)
        assert len(raw.receive_all()) < 60_000_000 # and the child lives: the file was not mapped
    worker.script = lambda visit: visit.say(GOOD)
    assert client.get("/").body == b"hello"


# Connecting


def test_queue_that_stays_full(make_server):
    server = make_server("hello.wsgi", mode="daemon", daemon={"processes": 1, "connect-timeout": 1})
    path = server.request_sockets()[0]
    os.unlink(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener, \
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as first:
        listener.bind(path)
        os.chmod(path, 0o777)
        listener.listen(0)
        first.connect(path)
        start = time.monotonic()
        assert server.client().get("/").status == 503
        assert 0.9 <= time.monotonic() - start < 10
        server.log.expect("WSGI0116", "site")
    os.unlink(path)
    assert server.client().get("/").status == 503
    server.log.expect("WSGI0117", "user id")
