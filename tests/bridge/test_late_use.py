"""What an application keeps beyond its request raises RuntimeError, and never harms another request."""
import pytest

from bridge.bridgehost import APPS, DONE, open_host

APP = APPS / "late.wsgi"
ALL_REFUSED = (b"start_response=RuntimeError write=RuntimeError read=RuntimeError readline=RuntimeError "
               b"readlines=RuntimeError iterate=RuntimeError close=RuntimeError errors=RuntimeError "
               b"errors_lines=RuntimeError")


@pytest.mark.parametrize("group", ["", "other"])
@pytest.mark.parametrize("use", ["use", "use_in_thread"])
def test_late_use(host, use, group):
    host.run(APP, "keep", group=group)
    response = host.run(APP, use, group=group, plan={"body": "of the next request"})
    assert response.body == ALL_REFUSED
    assert not response.texts()


def test_late_first_use_of_errors(host):
    host.run(APP, "keep")
    host.run(APP, "keep_untouched")
    assert host.run(APP, "use").body == ALL_REFUSED


def test_use_by_a_thread_while_the_request_runs(host):
    response = host.run(APP, "write_in_thread")
    assert (response.outcome, response.body) == (DONE, b"from a thread")
    assert response.texts() == ["from a thread"]


def test_threads_that_do_not_stop(build):
    with open_host(build) as host:
        host.prepare(APP, "disturb", plan={"body_size": 100000, "discard": 1})
        host.command("run_many 60 3")
        assert host.run(APP, "settle", plan={"discard": 0}).body == b"(0, [])"
