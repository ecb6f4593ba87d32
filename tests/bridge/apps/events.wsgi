"""Subscribers."""
import json

import mod_wsgi

seen = []


def show(value):
    if isinstance(value, (str, int, float, type(None))):
        return value
    if isinstance(value, dict):
        return {str(key): show(inner) for key, inner in value.items() if key != "request_environ"}
    if isinstance(value, (list, tuple)):
        return [show(inner) for inner in value]
    return type(value).__name__


@mod_wsgi.subscribe_events
def note(event, **payload):
    seen.append([event, show({key: value for key, value in payload.items() if key != "request_environ"})])
    if event == "request_started":
        payload["request_data"]["mine"] = payload["request_environ"]["PATH_INFO"]
        payload["request_environ"]["added"] = "by subscriber"
        if payload["request_environ"]["QUERY_STRING"] == "replace":
            return {"application_object": replacement}
    if event == "response_started" and isinstance(payload["response_headers"], list):
        payload["response_headers"].append(("X-Event", "1"))
    if event == "process_stopping":
        print("event", event, payload)
        return {"extra": 1}


@mod_wsgi.subscribe_shutdown
def stopping(event, **payload):
    print("shutdown", event, payload)


@mod_wsgi.subscribe_signals
def signalled(event, **payload):
    print("signal", event, payload)


def replacement(environ, start_response):
    start_response("202 Replaced", [])
    return [b"replaced"]


def application(environ, start_response):
    start_response("200 OK", [])
    data = mod_wsgi.request_data()
    return [json.dumps([data, environ.get("added"), mod_wsgi.active_requests]).encode("ascii")]


def reads(environ, start_response):
    total = len(environ["wsgi.input"].read())
    write = start_response("201 Made", [])
    write(b"12345")
    return (block for block in [b"", b"678", str(total).encode("ascii")])


def fails(environ, start_response):
    raise ValueError("no")


def history(environ, start_response):
    result = json.dumps(seen).encode("ascii")
    del seen[:]
    start_response("200 OK", [])
    return [result]


def break_subscriber(environ, start_response):
    def broken(event, **payload):
        raise ValueError("in " + event)

    def leaves(event, **payload):
        raise SystemExit
    mod_wsgi.event_callbacks[:] = [broken, leaves]
    start_response("200 OK", [])
    return [b"x"]


def repair(environ, start_response):
    mod_wsgi.event_callbacks[:] = [note]
    start_response("200 OK", [])
    return [b"x"]


def lose_list(environ, start_response):
    kept = mod_wsgi.event_callbacks
    del mod_wsgi.event_callbacks
    start_response("200 OK", [])
    yield b"x"
    mod_wsgi.event_callbacks = kept


def no_request():
    try:
        return mod_wsgi.request_data()
    except RuntimeError as error:
        return str(error)


import threading


def outside(environ, start_response):
    found = []
    thread = threading.Thread(target=lambda: found.append(no_request()))
    thread.start()
    thread.join()
    start_response("200 OK", [])
    return [found[0].encode("ascii")]


during_import = mod_wsgi.request_data() if mod_wsgi.application_group == "import" else None
