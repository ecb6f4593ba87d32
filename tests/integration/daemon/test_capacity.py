"""Threads of a group are for requests that can make progress, and all of them are used."""
import pytest

from harness.background import Background, HeldRequests


@pytest.fixture(scope="module")
def server(make_server):
    return make_server("process.wsgi", apps={"/echo": "echo.wsgi", "/hello": "hello.wsgi"}, mode="daemon", children=4,
                       daemon={"threads": 4, "processes": 2})


def test_no_request_waits_while_a_thread_is_idle(server):
    """Work-conserving: 7 of 8 threads busy, over two processes, and the last one takes what comes."""
    server.wait_until(lambda: len(server.daemon_pids()) == 2, 20, "two processes")
    held = HeldRequests(server, folder="busy").start(7)
    for _ in range(20):
        assert server.client().get("/hello").body == b"Hello World!"
    assert all(one.release().status == 200 for one in held)


def test_all_threads_work_at_once(server):
    held = HeldRequests(server, folder="all").start(8)
    assert len({one.wait_running() for one in held}) == 2
    assert [one.release().status for one in held] == [200] * 8


def test_slow_uploads_leave_the_threads_free(server, client):
    """More clients that send byte by byte than the group has threads."""
    slow = [client.raw() for _ in range(12)]
    try:
        for connection in slow:
            connection.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\nConnection: close\r\n\r\n0123456789")
        for _ in range(10):
            assert client.post("/echo", b"quick").body == b"quick"
        for connection in slow:
            connection.send("abcdefghij")
        for connection in slow:
            assert connection.receive_all().endswith(b"0123456789abcdefghij")
    finally:
        for connection in slow:
            connection.close()


def test_concurrent_requests_get_their_own_answers(server, client):
    def work(number):
        with client.connection() as connection:
            for step in range(40):
                body = b"%d-%d " % (number, step) * (step * 50 + 1)
                response = connection.post("/echo", body)
                if response.body != body:
                    return "{}-{}: {!r}".format(number, step, response.body[:50])
        return None

    workers = [Background(work, number) for number in range(12)]
    assert [worker.result() for worker in workers] == [None] * 12


def test_thread_local_data_stays_with_the_thread(fresh_server):
    server = fresh_server("process.wsgi", apps={"/named": "process.wsgi"}, mode="daemon", daemon={"threads": 1},
                          config="<Location /named>\n  WSGIApplicationGroup named\n</Location>\n")
    client = server.client()
    assert [client.get("/").json()["thread_requests"] for _ in range(5)] == [1, 2, 3, 4, 5]
    assert [client.get("/named").json()["thread_requests"] for _ in range(5)] == [1, 2, 3, 4, 5]
