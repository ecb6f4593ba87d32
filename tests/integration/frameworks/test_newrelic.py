"""The agent of New Relic reads the time a request spent in queues from environ."""
import time

import pytest


@pytest.fixture(scope="module")
def server(make_server, framework_home):
    return make_server("newrelic_agent.wsgi", mode="daemon", python_home=framework_home, daemon={"threads": 2})


def test_queue_start_is_when_the_request_was_sent(server, client):
    client.get("/") # loads the agent, which takes longer than the queue
    before = time.time()
    answer = client.get("/").json()
    assert answer["active"]
    assert answer["queue_start"] > 0
    assert before - 0.001 <= answer["queue_start"] <= before + 0.05


def test_header_of_a_front_end_wins(client):
    moment = time.time() - 5
    answer = client.get("/", headers={"X-Request-Start": "t={:.0f}".format(moment * 1e6)}).json()
    assert answer["queue_start"] == pytest.approx(moment, abs=0.001)
