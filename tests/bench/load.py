"""The load: wrk, h2load and curl, and how to read what they print. Failed requests make a figure worthless."""
import re
import subprocess
from pathlib import Path

UNITS = {"": 1, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


class BadAnswers(RuntimeError):
    """The server answered something else than what is to be measured."""


def run(*words: str, seconds: float = 120) -> str:
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, timeout=seconds, check=False)
    if done.returncode != 0:
        raise BadAnswers("{} ended with status {}:\n{}".format(words[0], done.returncode, done.stdout[-1000:]))
    return done.stdout


def read_wrk_errors(text: str, may_close: bool = False) -> int:
    """Raise for failed requests. Returns how many connections the server closed before it was sent a whole request.

    Args:
        may_close: whether it may: the event MPM ends idle connections when all of its threads are busy.
    """
    bad = re.search(r"Non-2xx or 3xx responses: \d+", text)
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    connect, read, write, timeout = map(int, errors.groups()) if errors else (0, 0, 0, 0)
    if bad or connect or write or timeout or (read and not may_close):
        raise BadAnswers(" ".join(match.group(0) for match in (bad, errors) if match))
    return read


def read_wrk(text: str, may_close: bool = False) -> dict:
    """Requests per second, the median and 99th percentile of the time for one in seconds, and connections that were closed."""
    result = {"closed": read_wrk_errors(text, may_close), "value": float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))}
    for name, percent in (("median", 50), ("p99", 99)):
        number, unit = re.search(r"\b%d%%\s+([\d.]+)(us|ms|s|m)" % percent, text).groups()
        result[name] = float(number) * UNITS[unit]
    return result


def wrk(url: str, connections: int, seconds: int, script: str = "", may_close: bool = False) -> dict:
    words = ["wrk", "--latency", "-t1", "-c%d" % connections, "-d%ds" % seconds]
    return read_wrk(run(*words, *(["-s", script] if script else []), url), may_close)


def read_h2load(text: str) -> dict:
    """Requests per second."""
    counts = dict((name, int(count)) for count, name in re.findall(r"(\d+) (total|started|done|succeeded|failed|errored|timeout|2xx|3xx|4xx|5xx)", text))
    if "Application protocol: h2" not in text:
        raise BadAnswers("HTTP/2 was not agreed on")
    if counts["failed"] or counts["errored"] or counts["timeout"] or counts["3xx"] or counts["4xx"] or counts["5xx"] or not counts["2xx"]:
        raise BadAnswers(str(counts))
    return {"value": float(re.search(r"finished in [\d.]+m?s, ([\d.]+) req/s", text).group(1))}


def h2load(url: str, connections: int, seconds: int) -> dict:
    return read_h2load(run("h2load", "-t1", "-m1", "-c%d" % connections, "-D%d" % seconds, url))


def curl(url: str, expected: bytes, size: int, upload: Path = None, chunked: bool = False) -> dict:
    """MB per second of one body.

    Args:
        expected: the answer to an upload.
        size: bytes of the body that is sent or received.
    """
    words = ["curl", "-s", "-S", "-o", "/dev/null" if upload is None else "-", "-w", "\n%{http_code} %{size_download} %{time_total}"]
    if upload is not None:
        words += ["-X", "POST", "-H", "Expect:", "-H", "Content-Type: application/octet-stream", "-T", str(upload)]
        words += ["-H", "Transfer-Encoding: chunked"] if chunked else []
    body, _, facts = run(*words, url).rpartition("\n")
    status, received, seconds = facts.split()
    if status != "200" or (body.encode() != expected if upload is not None else int(received) != size):
        raise BadAnswers("status {}, {} bytes: {}".format(status, received, body[:200]))
    return {"value": size / float(seconds) / 1e6}
