"""Clients that ask for all sorts of things and check what they get."""
import hashlib
import random
import threading
import time
from dataclasses import dataclass, field
from typing import List

from harness.server import Server


@dataclass
class Failure:
    when: float # time.time()
    what: str
    result: str


@dataclass
class Record:
    """What happened; several threads append."""

    right: dict = field(default_factory=dict)
    wrong: List[Failure] = field(default_factory=list)  # a complete answer that is not the one asked for
    failed: List[Failure] = field(default_factory=list) # an answer that says so, or is cut off
    versions: List[tuple] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, what: str) -> None:
        with self.lock:
            self.right[what] = self.right.get(what, 0) + 1


class Crowd:
    """So many clients until they are told to stop."""

    KINDS = ("echo", "echo", "echo", "upload", "download", "slow", "abort", "abort upload", "slow upload")

    def __init__(self, server: Server, number: int, seed: int):
        self.server = server
        self.record = Record()
        self.done = threading.Event()
        self.threads = [threading.Thread(target=self.live, args=(random.Random(seed + index),), daemon=True) for index in range(number)]
        for thread in self.threads:
            thread.start()

    def stop(self) -> Record:
        self.done.set()
        for thread in self.threads:
            thread.join(120)
        return self.record

    def live(self, dice: random.Random) -> None:
        while not self.done.is_set():
            kind = dice.choice(self.KINDS)
            try:
                problem = getattr(self, kind.replace(" ", "_"))(dice)
            except OSError as error:
                problem = "failed", repr(error)
            if problem is None:
                self.record.count(kind)
            else:
                getattr(self.record, problem[0]).append(Failure(time.time(), kind, problem[1]))

    @staticmethod
    def judge(response, expected: bytes):
        """None for the right answer."""
        if response.status != 200 or response.truncated:
            return "failed", "status %d%s" % (response.status, ", cut off" if response.truncated else "")
        return None if response.body == expected else ("wrong", "%r instead of %r" % (response.body[:60], expected[:60]))

    def echo(self, dice):
        token = "%x" % dice.getrandbits(64)
        response = self.server.client().get("/?token=" + token)
        words = response.body.split()
        if response.status == 200 and len(words) == 4 and words[1] == token.encode():
            return None
        return self.judge(response, b"echo " + token.encode())

    def upload(self, dice):
        body = dice.randbytes(dice.choice((10, 1000, 70000, 400000)))
        return self.judge(self.server.client().post("/upload", body), hashlib.sha256(body).hexdigest().encode())

    def download(self, dice):
        blocks = dice.choice((1, 20, 300))
        response = self.server.client().get("/download?blocks=%d" % blocks)
        return self.judge(response, b"".join(bytes([number % 251]) * 4096 for number in range(blocks)))

    def slow(self, dice):
        return self.judge(self.server.client().get("/slow?seconds=%.2f" % dice.uniform(0.05, 1.5)), b"slow")

    def abort(self, dice):
        with self.server.client().raw() as raw:
            raw.send("GET /download?blocks=300 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            time.sleep(dice.uniform(0, 0.05))

    def abort_upload(self, dice):
        with self.server.client().raw() as raw:
            raw.send("POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n" + "x" * dice.randrange(90000))

    def slow_upload(self, dice):
        body = dice.randbytes(200)
        with self.server.client().raw() as raw:
            raw.send("POST /upload HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 200\r\n\r\n")
            for start in range(0, 200, 20):
                raw.send(body[start:start + 20])
                time.sleep(dice.uniform(0, 0.05))
            answer = raw.receive_all()
        if not answer.startswith(b"HTTP/1.1 200 "):
            return "failed", repr(answer[:60])
        return None if answer.endswith(hashlib.sha256(body).hexdigest().encode()) else ("wrong", repr(answer[-80:]))
