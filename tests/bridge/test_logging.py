"""Exceptions, streams and the logging handler on their way to the error log."""
import ast

import pytest

from bridge.bridgehost import APPS, CRIT, DEBUG, DONE, ERR, FAILED, INFO, TIMED_OUT, TRUNCATED, WARNING, open_host

APP = APPS / "failures.wsgi"


def test_exception(host):
    response = host.run(APP, "raises")
    assert (response.outcome, response.finished_with, response.sends) == (FAILED, FAILED, 0)
    logs = [log for log in response.logs if log.level == ERR]
    first = logs[0]
    assert first.text.startswith("WSGI0174: [script %s] " % APP)
    assert "'ValueError'" in first.text and "main interpreter in embedded mode" in first.text
    assert logs[1].text == "Traceback (most recent call last):"
    assert {(log.scope, log.level, log.plain) for log in logs} == {("request", ERR, True)}
    texts = response.texts()
    assert "KeyError: 'cause'" in texts and "ValueError: broken" in texts and "in two lines \u20ac" in texts
    assert "" not in texts


@pytest.mark.parametrize("name, outcome", [("exits", FAILED), ("exits_later", TRUNCATED)])
def test_system_exit(host, name, outcome):
    response = host.run(APP, name)
    assert response.outcome == outcome
    assert response.texts()[0].startswith("WSGI0175: ") and response.texts()[0].endswith("it was ignored.")
    assert host.run(APP, "ok").outcome == DONE


def test_exception_that_cannot_be_shown(host):
    response = host.run(APP, "unprintable")
    assert response.outcome == FAILED
    assert response.texts()[0].startswith("WSGI0174: ")


@pytest.mark.parametrize("name, outcome", [("times_out", TIMED_OUT), ("times_out_later", TRUNCATED)])
def test_request_timeout_raised_by_the_application(host, name, outcome):
    response = host.run(APP, name)
    assert (response.outcome, response.finished_with) == (outcome, outcome)
    assert not response.texts() and any("RequestTimeout" in text for text in response.texts(INFO))


def test_output_of_a_request_is_one_stream(host):
    response = host.run(APP, "mixes")
    assert response.texts() == ["ab", "c", "de", "f", "g"]
    assert {log.scope for log in response.logs if log.level == ERR} == {"request"}


def test_lines(host):
    assert host.run(APP, "lines").texts() == ["a", "", "b", "raw \ufffd"]


def test_output_of_other_threads(host):
    response = host.run(APP, "in_thread")
    assert [(log.scope, log.text) for log in response.logs] == [("server", "from a thread")]


def test_output_while_iterating(host):
    response = host.run(APP, "while_iterating")
    assert [(log.scope, log.text) for log in response.logs] == [("request", "iterating"), ("request", "closing")]


def test_streams(host):
    response = host.run(APP, "streams")
    common = [2, False, "utf-8", "replace", True, True, True, False, "Log"]
    assert ast.literal_eval(response.body.decode("ascii")) == (
        ["<stderr>", "<stdout>", "<wsgi.errors>"] + common + common + [True, True, True])


def test_stream_after_close(host):
    """Whoever closes sys.stderr does not take it away from everybody else."""
    host.run(APP, "streams")
    assert host.run(APP, "mixes").texts() == ["ab", "c", "de", "f", "g"]


def test_descriptor(build):
    with open_host(build) as host:
        assert host.run(APP, "descriptor").outcome == DONE
        assert "from a child" in host.read_stderr() and "from a shell" in host.read_stderr()


def test_warnings(host):
    assert any("UserWarning: careful" in text for text in host.run(APP, "warns").texts())


def test_log_handler(build):
    with open_host(build) as host:
        response = host.run(APP, "logs")
        assert ast.literal_eval(response.body.decode("ascii")) == (True, 10)
        found = [(log.scope, log.level, log.text) for log in response.logs if log.file.endswith("failures.wsgi")]
        assert found == [("request", level, "level %d" % number) for number, level in
                         ((5, DEBUG), (10, DEBUG), (20, INFO), (30, WARNING), (40, ERR), (50, CRIT), (60, CRIT))] + [
            ("request", ERR, "two"), ("request", ERR, "lines \u20ac")]
        assert [log.scope for log in response.logs if log.text == "from a thread"] == ["server"]
        lines = [log.line for log in response.logs if log.text.startswith("level")]
        assert len(set(lines)) == 1 and lines[0] > 100


def test_log_handler_does_not_format_what_nobody_wants(build):
    with open_host(build) as host:
        response = host.run(APP, "logs", plan={"log_level": WARNING})
        assert b"True, 7" in response.body


def test_log_handler_that_fails(host):
    response = host.run(APP, "logs_badly")
    assert response.outcome == DONE
    assert any("cannot format" in text for text in response.texts())
