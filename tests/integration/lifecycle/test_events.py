"""Events for instrumentation, per interpreter."""
import pytest

APP = '''
import json
import mod_wsgi

seen = []
PLAIN = (str, int, float, bool, type(None))


@mod_wsgi.subscribe_events
def collect(name, **payload):
    seen.append([name, {key: value if isinstance(value, PLAIN) else type(value).__name__ for key, value in payload.items()}])
    if name == "request_started" and payload["request_environ"]["PATH_INFO"] == "/wrap":
        return {"application_object": wrapped}
    if name == "request_finished" and payload["status"] == 418:
        raise ValueError("subscriber")


def wrapped(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"wrapped"]


def application(environ, start_response):
    path = environ["PATH_INFO"]
    data = mod_wsgi.request_data()
    data["mine"] = path
    if path == "/raise":
        raise RuntimeError("for the event")
    active = environ.get("mod_wsgi.request_id") in mod_wsgi.active_requests
    start_response("418 Teapot" if path == "/subscriber" else "200 OK", [("Content-Type", "application/json")])
    events, seen[:] = list(seen), []
    return [json.dumps({"events": events, "active": active, "group": mod_wsgi.application_group,
                        "lists": [len(mod_wsgi.event_callbacks), len(mod_wsgi.shutdown_callbacks)]}).encode("ascii")]
'''


@pytest.fixture(scope="module")
def server(make_server, mode):
    server = make_server.site(mode=mode, children=1, daemon={"threads": 1},
                              config="WSGIScriptAlias /named {root}/apps/events.wsgi application-group=named\n"
                                     "WSGIScriptAlias / {root}/apps/events.wsgi\n")
    server.write_app("events.wsgi", APP)
    return server.start()


def events(client, path="/"):
    return client.get(path).json()["events"]


def test_order_and_payload(client, mode):
    events(client)
    client.post("/", b"12345")
    collected = events(client)
    names = [name for name, _ in collected]
    assert names[-2:] == ["request_started", "response_started"]
    assert "request_finished" in names
    started = dict(collected[-2][1])
    assert isinstance(started["request_start"], float)
    assert (started["queue_start"] > 0) is (started["daemon_start"] > 0) is (mode == "daemon")
    assert started["callable_object"] == "application"
    finished = [payload for name, payload in collected if name == "request_finished"][-1]
    assert finished["status"] == 200
    assert finished["application_time"] >= 0 and finished["output_writes"] >= 1 and finished["output_length"] > 0
    assert finished["request_id"] != started["request_id"]


def test_application_can_be_wrapped(client):
    assert client.get("/wrap").body == b"wrapped"


def test_exception_event(server, client):
    events(client)
    assert client.get("/raise").status == 500
    server.log.expect("WSGI0174")
    names = [name for name, _ in events(client)]
    assert "request_exception" in names


def test_failing_subscriber(server, client):
    assert client.get("/subscriber").status == 418
    assert "ValueError" in server.log.expect("WSGI0112")


def test_interpreters_do_not_share_events(client):
    events(client)
    events(client, "/named")
    answer = client.get("/named").json()
    assert answer["group"] == "named" and answer["active"] is True
    assert [name for name, _ in answer["events"]] == ["request_finished", "request_started", "response_started"]
    assert answer["lists"] == [1, 0]
