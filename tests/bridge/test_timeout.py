"""RequestTimeout and stack dumps, as the timers of a daemon use them."""
import time

import pytest

from bridge.bridgehost import APPS, DONE, INFO, TIMED_OUT, TRUNCATED, WARNING, open_host

APP = APPS / "slow.wsgi"


def spawn(host, callable, group=""):
    host.run(APP, "quick", group)
    host.prepare(APP, callable, group)
    host.take_logs()
    host.command("spawn")
    host.wait_for_log("entered")


@pytest.mark.parametrize("group", ["", "sub"])
@pytest.mark.parametrize("callable, outcome, status, body", [
    ("interrupted", TIMED_OUT, 0, ""), ("swallowed", TIMED_OUT, 0, ""), ("recovers", DONE, 503, "recovered"),
    ("later", TRUNCATED, 200, "begun")])
def test_interrupt(host, callable, outcome, status, body, group):
    spawn(host, callable, group)
    assert host.value("interrupt 0") == 1
    answer, = host.join()
    assert (answer["outcome"], answer["status"], answer["body"]) == (outcome, status, body)
    logs = host.take_logs()
    if not host.build.is_free_threaded:
        assert any("Stack of thread" in log.text for log in logs) and any("in spin" in log.text for log in logs)
    assert not [log for log in logs if log.level <= WARNING and log.text != "entered"]
    assert host.run(APP, "quick", group).body == b"quick"


def test_nothing_to_interrupt(build):
    with open_host(build) as host:
        host.prepare(APP, "quick")
        host.command("spawn")
        host.join()
        assert host.value("interrupt 0") == 0
        assert host.run(APP, "quick").outcome == DONE


def test_dump(host):
    if host.build.is_free_threaded:
        pytest.skip("stacks are not shown without a GIL")
    spawn(host, "interrupted")
    host.take_logs()
    host.command("dump_stacks 5000")
    texts = [log.text for log in host.take_logs()]
    assert any("Stack of thread" in text for text in texts) and any("in spin" in text for text in texts)
    host.value("interrupt 0")
    host.join()


def test_dump_does_not_wait_for_ever(host):
    spawn(host, "busy")
    before = time.monotonic()
    host.command("dump_stacks 50")
    waited = time.monotonic() - before
    skipped = [log for log in host.take_logs() if log.text.startswith("WSGI0213: ")]
    host.join()
    assert len(skipped) == 1 or waited < 0.05, "neither dumped nor given up"


def test_probe(host):
    host.command("probe")
