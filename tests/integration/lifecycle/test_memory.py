"""Memory does not grow with the number of requests."""
import pytest

from harness import processes
from harness.background import Background

ROUNDS = 3000
NOISE = 1500 # kB


@pytest.fixture(scope="module")
def server(make_server, mode):
    return make_server("hello.wsgi", apps={"/echo": "echo.wsgi", "/stream": "stream.wsgi", "/response": "response.wsgi"}, mode=mode,
                       children=1, daemon={"threads": 2})


def send(server, requests, number=ROUNDS):
    def work():
        with server.client().connection() as connection:
            for step in range(number // 2):
                method, path, body = requests[step % len(requests)]
                assert connection.request(method, path, body=body).status == 200
        return True

    assert all(worker.result(120) for worker in [Background(work), Background(work)])


def resident(server):
    """kB of each process of the server that lives through the test."""
    return {entry.pid: int(processes.status_field(entry.pid, "VmRSS")[0]) for entry in server.processes()}


@pytest.mark.plain_memory
@pytest.mark.parametrize("requests", [
    [("GET", "/", None)],
    [("POST", "/echo", b"x" * 5000), ("GET", "/stream/many?count=5", None), ("GET", "/response/write_and_iterate", None)],
], ids=["small", "mixed"])
def test_memory_is_flat(server, requests):
    send(server, requests)
    before = resident(server)
    send(server, requests)
    after = resident(server)
    assert before.keys() == after.keys()
    grown = {pid: after[pid] - before[pid] for pid in before}
    assert max(grown.values()) < NOISE, grown
