"""Small blocks are held for a moment, and never longer than the application can tell."""
import os

import pytest

from bridge.bridgehost import APPS, DONE, TRACE1, TRUNCATED, open_host

APP = APPS / "held.wsgi"


def soon(attempt, attempts=100):
    """Whether it comes about: a busy machine may take the processor away for longer than output is held."""
    return any(attempt() for _ in range(attempts))


def tasks(host):
    return len(os.listdir("/proc/%d/task" % host.process.pid))


def release(host, **plan):
    """Let go who waits. Returns the responses of those."""
    host.prepare(APP, "go", plan=plan)
    host.command("spawn")
    return [answer for answer in host.join() if answer["body"] != "gone"]


@pytest.mark.parametrize("name, body", [("one", b"only"), ("nothing", b"")])
def test_response_of_one_block_is_one_transfer(host, name, body):
    def attempt():
        response = host.run(APP, name)
        assert (response.outcome, response.status, response.body) == (DONE, 200, body)
        assert response.finishes + response.lasts == 1
        return (response.sends, response.lasts) == (1, 1)
    assert soon(attempt)


@pytest.mark.parametrize("name", ["blocks_generator", "blocks_object", "subclass_of_list"])
def test_blocks_leave_together(host, name):
    def attempt():
        response = host.run(APPS / "outputs.wsgi", name)
        assert (response.outcome, response.body) == (DONE, b"onetwo")
        return (response.blocks, response.lasts, response.finishes) == ([6], 1, 0)
    assert soon(attempt)


def test_many_blocks(host):
    def attempt():
        response = host.run(APP, "many")
        assert (response.outcome, response.body) == (DONE, b"".join(b"line %d\n" % number for number in range(20000)))
        assert max(response.blocks) <= 65536 + 20
        return response.sends < 200
    assert soon(attempt)


def test_large_blocks_wait_for_nothing(host):
    """But for the first, which may be the only one: two do not fit what is held, so that a copy would be made in vain."""
    def attempt():
        response = host.run(APP, "large")
        assert (response.outcome, response.body) == (DONE, b"x" * 200000)
        return response.blocks == [80000, 40000, 40000, 40000]
    assert soon(attempt)


@pytest.mark.parametrize("name, body, sent", [
    ("waits_after_a_block", "firstsecond", 5), ("waits_after_write", "firstsecond", 5),
    ("waits_in_close", "first", 5), ("waits_in_close_of_nothing", "", 0)])
def test_what_is_held_leaves_while_the_application_waits(build, name, body, sent):
    with open_host(build) as host:
        host.prepare(APP, name, plan={"tells": 1})
        host.command("spawn")
        host.wait_for_log("waiting")
        host.wait_for_log("sent %d" % sent)
        answer, = release(host)
    assert (answer["outcome"], answer["status"], answer["body"]) == (DONE, 200, body)
    assert answer["sends"] == (2 if name.startswith("waits_after") else 1)
    assert answer["finishes"] + answer["lasts"] == 1


def test_many_wait_at_once(build):
    with open_host(build) as host:
        for _ in range(8):
            host.prepare(APP, "waits_after_a_block", plan={"tells": 1})
            host.command("spawn")
        host.wait_until(lambda: len([log for log in host.logs if log.text == "waiting"]) == 8)
        host.wait_until(lambda: len([log for log in host.logs if log.text == "sent 5"]) == 8)
        assert [answer["body"] for answer in release(host)] == ["firstsecond"] * 8


def test_held_output_leaves_before_a_read(host):
    """A client may wait for it before it sends more."""
    response = host.run(APP, "reads_after_a_block", plan={"body": "input", "read_limit": 1})
    host.command("plan body ")
    host.command("plan read_limit 0")
    assert (response.outcome, response.body, response.blocks[0]) == (DONE, b"firstinput", 5)


def test_failure_after_a_held_block(host):
    response = host.run(APP, "fails_after_a_block")
    assert (response.outcome, response.finished_with) == (TRUNCATED, TRUNCATED)
    assert (response.status, response.body, response.lasts) == (200, b"first", 0)


def test_held_block_commits(host):
    response = host.run(APP, "starts_again")
    assert (response.outcome, response.status, response.body) == (DONE, 200, b"first refused")


def test_order(host):
    response = host.run(APP, "mixed")
    assert response.body == b"ab" + b"c" * 70000 + b"d" + b"e" * 65535 + b"f" + b"g" * 30000
    assert max(response.blocks) >= 65536
    assert host.run(APP, "written_then_many").body == b"a" + b"bc" * 500


def test_client_is_gone_when_held_output_is_sent(build):
    with open_host(build) as host:
        host.prepare(APP, "waits_after_a_block", plan={"sends_before_abort": 0, "log_level": TRACE1, "tells": 1})
        host.command("spawn")
        host.wait_for_log("waiting")
        host.wait_for_log("lost 0")
        answer, = release(host, sends_before_abort=-1)
    assert (answer["outcome"], answer["body"]) == (TRUNCATED, "")
    assert answer["sends"] == 1


def test_threads_write_at_the_same_time(host):
    response = host.run(APP, "threads_write")
    lines = response.body.split(b"\n")[:-1]
    assert response.outcome == DONE
    for name in (b"a", b"b"):
        assert [line for line in lines if line.startswith(name)] == [name + b"%d" % number for number in range(2000)]


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="threads are counted below /proc")
def test_thread_is_started_when_first_needed(build):
    if build.sanitizer == "thread":
        pytest.skip("the sanitizer has a thread of its own")
    with open_host(build) as host:
        host.run(APP, "go")
        before = tasks(host)
        host.run(APP, "one")
        assert (before, tasks(host)) == (1, 2)
        host.command("stop")
        host.wait_until(lambda: tasks(host) == 1)
