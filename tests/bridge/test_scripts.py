"""Script files as modules: names, loading, failures, reloading."""
import hashlib
import os
import threading
import time

import pytest

from bridge.bridgehost import APPS, DONE, FAILED, INFO, NO_CALLABLE, REJECTED, open_host

VERSION = """
print("loading %(n)d")
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"version %(n)d"]
"""


def write_version(script, number, **extra):
    path = script(VERSION % {"n": number} + extra.get("text", ""))
    os.utime(path, (1_700_000_000 + number, 1_700_000_000 + number))
    return path


def test_module(host, script):
    path = script("""
import sys
def application(environ, start_response):
    start_response("200 OK", [])
    module = sys.modules[__name__]
    return [repr((__name__, __file__, __mtime__, module.application is application, __name__ == "__main__",
                  __spec__.name, list(environ).count("x"))).encode("ascii")]
""")
    os.utime(path, ns=(0, 1_700_000_000_123_456_789))
    name = "_mod_wsgi_" + hashlib.md5(str(path).encode()).hexdigest()
    shown = host.run(path).body.decode("ascii")
    assert shown == repr((name, str(path), 1_700_000_000_123_456, True, False, name, 0))
    assert not os.path.exists(os.path.join(os.path.dirname(path), "__pycache__"))


def test_case_of_names(build, script):
    path = script("def application(e, s):\n    s('200 OK', [])\n    return [__name__.encode('ascii')]\n", "App.wsgi")
    with open_host(build, case_sensitive=0) as host:
        assert host.run(path).body.decode("ascii").endswith(hashlib.md5(str(path).lower().encode()).hexdigest())


def test_source_encoding(host, tmp_path):
    path = tmp_path / "latin.wsgi"
    path.write_bytes(b"# -*- coding: latin-1 -*-\nTEXT = '\xe4'\ndef application(e, s):\n    s('200 OK', [])\n"
                     b"    return [TEXT.encode('utf-8')]\n")
    assert host.run(path).body == b"\xc3\xa4"


def test_output_while_loading_belongs_to_the_process(host, script):
    response = host.run(write_version(script, 1))
    assert [log.scope for log in response.logs if log.text == "loading 1"] == ["server"]
    assert any("Loading script '" in text for text in response.texts(INFO))
    assert not host.run(write_version(script, 1)).logs


def test_missing_callable(host, script):
    response = host.run(write_version(script, 1), "other")
    assert (response.outcome, response.finished_with) == (NO_CALLABLE, NO_CALLABLE)
    assert response.texts()[-1].startswith("WSGI0089: ") and "'other'" in response.texts()[-1]


@pytest.mark.parametrize("text, numbers", [
    ("def application(:\n", ["0105", "0174"]), ("raise ValueError('at import')\n", ["0109", "0174"]),
    ("import sys\nsys.exit(1)\n", ["0107"]), ("x = '\\0'\n\0\n", ["0105", "0174"])])
def test_broken_scripts(host, script, text, numbers):
    path = script(text)
    for _ in range(2):
        response = host.run(path)
        assert (response.outcome, response.finished_with, response.proceeds) == (FAILED, FAILED, 1)
        found = [line[4:8] for line in response.texts() if line.startswith("WSGI0")]
        assert found == numbers
    good = script(VERSION % {"n": 2})
    assert host.run(good).body == b"version 2"


def test_missing_script(host, tmp_path):
    response = host.run(tmp_path / "missing.wsgi")
    assert response.outcome == FAILED
    assert response.texts()[0].startswith("WSGI0105: ")
    assert any("FileNotFoundError" in text for text in response.texts())


def test_reload(host, script):
    assert host.run(write_version(script, 1)).body == b"version 1"
    response = host.run(write_version(script, 2))
    assert (response.body, response.changes, response.proceeds) == (b"version 2", 1, 1)
    assert any("Reloading script" in text for text in response.texts(INFO))
    assert host.run(write_version(script, 1)).body == b"version 1", "an older file is a change as well"
    assert host.run(write_version(script, 1)).changes == 0


def test_reload_rejected(host, script):
    assert host.run(write_version(script, 1)).body == b"version 1"
    response = host.run(write_version(script, 2), plan={"change": "reject"})
    assert (response.outcome, response.finished_with, response.proceeds) == (REJECTED, REJECTED, 0)
    response = host.run(write_version(script, 2), plan={"change": "ignore"})
    assert (response.body, response.changes, response.proceeds) == (b"version 1", 1, 1)
    assert host.run(write_version(script, 2), plan={"change": "reload"}).body == b"version 2"


def test_reload_off(host, script):
    assert host.run(write_version(script, 1)).body == b"version 1"
    host.command("route script_reloading 0")
    try:
        response = host.run(write_version(script, 2))
        assert (response.body, response.changes) == (b"version 1", 0)
    finally:
        host.command("route script_reloading 1")


def test_failing_reload(host, script):
    assert host.run(write_version(script, 1)).body == b"version 1"
    path = script("raise ValueError\n")
    assert [host.run(path).outcome for _ in range(2)] == [FAILED, FAILED]
    assert host.run(write_version(script, 3)).body == b"version 3"


def test_mtime_set_by_the_application(host, script):
    path = script("""
loaded = []
def application(environ, start_response):
    global __mtime__
    if environ["QUERY_STRING"] == "forget":
        __mtime__ = 0
    loaded.append(1)
    start_response("200 OK", [])
    return [str(len(loaded)).encode("ascii")]
""")
    assert [host.run(path).body for _ in range(2)] == [b"1", b"2"]
    assert host.run(path, variables={"QUERY_STRING": "forget"}).body == b"3"
    response = host.run(path, variables={"QUERY_STRING": ""})
    assert (response.body, response.changes) == (b"1", 1)
    assert host.run(path).changes == 0


def test_mtime_set_by_a_thread(host, script):
    path = script("""
import threading
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"x"]
def forget(environ, start_response):
    def work():
        import time
        time.sleep(0.2)
        globals()["__mtime__"] = 0
    threading.Thread(target=work).start()
    return application(environ, start_response)
""")
    host.run(path, "forget")
    deadline = time.monotonic() + 10
    while not host.run(path).changes:
        assert time.monotonic() < deadline


def test_reload_required(host, script):
    path = script("""
asked = []
answer = False
def reload_required(resource):
    asked.append(resource)
    if answer is None:
        raise ValueError("in reload_required")
    return answer
def application(environ, start_response):
    global answer
    answer = {"yes": True, "fail": None}.get(environ["QUERY_STRING"], False)
    start_response("200 OK", [])
    return [repr(asked).encode("utf-8")]
""")
    assert host.run(path).body == b"[]"
    assert host.run(path, variables={"QUERY_STRING": "fail"}).body == repr([str(path)]).encode()
    response = host.run(path, variables={"QUERY_STRING": "yes"})
    assert response.body == repr([str(path)] * 2).encode()
    assert any("in reload_required" in text for text in response.texts())
    response = host.run(path, variables={"QUERY_STRING": ""})
    assert (response.body, response.changes) == (b"[]", 1)


def test_module_removed_by_the_application(host, script):
    path = script("""
import sys
def application(environ, start_response):
    del sys.modules[__name__]
    start_response("200 OK", [])
    return [b"gone"]
""")
    assert [host.run(path).body for _ in range(3)] == [b"gone"] * 3


def test_concurrent_first_requests_load_once(build, script):
    path = script("""
import time
time.sleep(0.3)
print("loaded")
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"x"]
""")
    with open_host(build) as host:
        host.prepare(path, group="new")
        for _ in range(6):
            host.command("spawn")
        host.join()
        texts = [log.text for log in host.take_logs()]
        assert texts.count("loaded") == 1
        assert len([text for text in texts if text.startswith("Creating sub-interpreter")]) == 1


def test_slow_script_keeps_nobody_else_waiting(build, script, tmp_path):
    ready = tmp_path / "go"
    path = script("""
import os, time
while not os.path.exists(%r):
    time.sleep(0.01)
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"slow"]
""" % str(ready), "slow.wsgi")
    with open_host(build) as host:
        assert host.run(APPS / "hello.wsgi").outcome == DONE
        host.prepare(path)
        host.command("spawn")
        # not before it loads: what is tested is who waits for that
        host.wait_until(lambda: any("slow.wsgi" in log.text for log in host.logs))
        assert host.run(APPS / "hello.wsgi").body == b"Hello World!\n"
        ready.touch()
        assert [answer["body"] for answer in host.join()] == ["slow"]


def test_preload(build, script):
    path = write_version(script, 1)
    broken = script("raise ValueError('at import')", "broken.wsgi")
    with open_host(build) as host:
        assert host.value("preload %s early" % path) == DONE
        assert [log.text for log in host.take_logs()][-1] == "loading 1"
        response = host.run(path, group="early")
        assert response.body == b"version 1" and not response.logs
        assert host.value("preload %s early" % broken) == FAILED
        numbers = [log.text[4:8] for log in host.take_logs() if log.text.startswith("WSGI")]
        assert numbers == ["0110", "0174"]
