"""Events of requests and processes."""
import json

import pytest

from bridge.bridgehost import APPS, DONE, FAILED, INFO, open_host

APP = APPS / "events.wsgi"


@pytest.fixture
def history(host):
    def take():
        events = json.loads(host.run(APP, "history").body)
        assert [name for name, _ in events[-1:]] == ["request_started"]
        return [event for event in events if event[1].get("callable_object") != "history"]
    host.run(APP, "history")
    take()
    return take


def test_events_of_a_request(host, history):
    response = host.run(APP, "reads", variables={"PATH_INFO": "/p"}, plan={"body": "some body"})
    assert (response.outcome, response.header("X-Event")) == (DONE, "1")
    events = history()
    names = [name for name, _ in events]
    assert names[-3:] == ["request_started", "response_started", "request_finished"]
    started, answered, finished = [payload for _, payload in events[-3:]]
    common = {"request_id", "request_data"}
    moments = {"thread_id", "server_pid", "request_start", "queue_start", "daemon_start", "application_start"}
    assert set(started) == common | moments | {"daemon_connects", "daemon_restarts", "application_object",
                                               "callable_object"}
    assert started["server_pid"] == 4711 and started["queue_start"] == 0.0
    assert started["application_start"] >= started["request_start"] > 1.6e9
    assert set(answered) == common | {"response_status", "response_headers", "exception_info"}
    assert answered["response_status"] == "201 Made" and answered["request_data"] == {"mine": "/p"}
    assert set(finished) >= common | moments | {
        "application_finish", "application_time", "input_reads", "input_length", "input_time", "output_writes",
        "output_length", "output_time", "gil_wait_time", "gil_wait_count", "status", "cpu_time"}
    assert finished["status"] == 201
    assert finished["input_length"] == 9 and finished["input_reads"] >= 1
    assert finished["output_length"] == 9 and finished["output_writes"] == 3
    assert finished["gil_wait_count"] >= 3
    assert 0 <= finished["cpu_time"] <= finished["application_time"] + 2e-6 # each is rounded to a microsecond
    assert finished["application_time"] < 10


def test_subscriber_replaces_the_application(host, history):
    response = host.run(APP, variables={"QUERY_STRING": "replace"})
    host.command("var QUERY_STRING ")
    assert (response.status, response.body) == (202, b"replaced")


def test_request_data_and_environ(host, history):
    data, added, active = json.loads(host.run(APP, variables={"PATH_INFO": "/q"}).body)
    assert data == {"mine": "/q"} and added == "by subscriber"
    assert active == {"Z0abcdefghijklmnopqrst": {"mine": "/q"}}


def test_exception(host, history):
    assert host.run(APP, "fails").outcome == FAILED
    events = history()
    assert [name for name, _ in events][-3:] == ["request_started", "request_exception", "request_finished"]
    assert events[-2][1]["exception_info"] == ["type", "ValueError", "traceback"]
    assert events[-1][1]["status"] == 500


def test_subscribers_that_fail(host, history):
    host.run(APP, "break_subscriber")
    response = host.run(APP)
    host.run(APP, "repair")
    assert response.outcome == DONE
    numbers = [text[:8] for text in response.texts() if text.startswith("WSGI")]
    assert numbers == ["WSGI0112", "WSGI0190"] * 3
    assert "ValueError: in request_started" in response.texts()


def test_lost_list(host, history):
    response = host.run(APP, "lose_list")
    assert response.outcome == DONE
    assert any(text.startswith("WSGI0114: ") for text in response.texts())


def test_no_request(host):
    assert b"no active request for thread" in host.run(APP, "outside").body


def test_request_data_while_loading(host):
    assert host.run(APP, group="import").outcome == DONE


def test_process_events(build):
    with open_host(build, process_group="web") as host:
        host.run(APP)
        host.run(APP, group="sub")
        host.take_logs()
        host.command("signalled 1")
        texts = [log.text for log in host.take_logs()]
        assert texts == ["signal process_signal {'signame': 'SIGHUP', 'signum': 1}"] * 2
        texts = [log.text for log in host.stop("maximum_requests")]
    assert texts.count("event process_stopping {'shutdown_reason': 'maximum_requests'}") == 2
    assert texts.count("shutdown process_stopping {'shutdown_reason': 'maximum_requests', 'extra': 1}") == 2


def test_signals_are_for_daemons(build):
    with open_host(build) as host:
        response = host.run(APP)
        assert any("subscribe_signals" in text and "daemon" in text for text in response.texts(INFO))
        host.take_logs()
        host.command("signalled 1")
        assert not host.take_logs()


def test_service_processes_have_no_events(build):
    with open_host(build, process_group="web", is_service=1) as host:
        host.run(APP)
        texts = [log.text for log in host.stop("shutdown_signal")]
    assert not any("process_stopping" in text for text in texts)
