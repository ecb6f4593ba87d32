"""environ: what comes from the host, what the bridge adds, what stays hidden."""
import json

from bridge.bridgehost import APPS, open_host

APP = APPS / "environ.wsgi"


def environ_of(host, callable="application", **arguments):
    return json.loads(host.run(APP, callable, **arguments).body)


def test_variables_are_passed(host):
    environ = environ_of(host, variables={"HTTP_X_TEST": "a b", "QUERY_STRING": "x=1&y=2"})
    assert environ["HTTP_X_TEST"] == "a b"
    assert environ["QUERY_STRING"] == "x=1&y=2"
    assert environ["REQUEST_METHOD"] == "GET"
    assert environ["mod_wsgi.listener_port"] == "8000"


def test_values_follow_the_request(host):
    for number in range(5):
        environ = environ_of(host, variables={"PATH_INFO": "/%d" % number, "HTTP_X_TEST": "v%d" % (number % 2)})
        assert environ["PATH_INFO"] == "/%d" % number
        assert environ["HTTP_X_TEST"] == "v%d" % (number % 2)


def test_the_template_leaves_nothing_behind(host):
    """Room is made in it with keys that go, and with values that each request replaces."""
    environ = environ_of(host)
    assert [name for name, value in environ.items() if value is None or name.isdigit()] == []
    assert len(environ) > 42 # the step that it makes room for


def test_bytes_are_decoded_as_latin_1(host):
    assert environ_of(host, variables={"HTTP_X_TEST": r"\xff\xe4"})["HTTP_X_TEST"] == "\xff\xe4"


def test_file_names_are_decoded_as_file_names(host):
    environ = environ_of(host, variables={"DOCUMENT_ROOT": r"/w/\xc3\xa4", "SCRIPT_FILENAME": r"/w/\xff"})
    assert environ["DOCUMENT_ROOT"] == "/w/\xe4"
    assert environ["SCRIPT_FILENAME"] == "/w/\udcff"


def test_variable_without_value_is_none(host):
    assert environ_of(host, variables={"NOTHING": "<null>"})["NOTHING"] is None


def test_hidden_and_own_names(host):
    environ = environ_of(host, variables={"PATH": "/bin", "HTTPS": "on", "mod_wsgi.x-secret": "1", "wsgi.version": "z",
                                          "wsgi.run_once": "z", "mod_wsgi.process_group": "z", "wsgi.other": "kept",
                                          "wsgi.input": "z", "mod_wsgi.thread_id": "z"})
    assert not {"PATH", "HTTPS", "mod_wsgi.x-secret"} & set(environ)
    assert environ["wsgi.run_once"] is False
    assert environ["mod_wsgi.process_group"] == ""
    assert environ["wsgi.other"] == "kept"
    assert environ["wsgi.input"] == "<Input>"
    assert isinstance(environ["mod_wsgi.thread_id"], int)


def test_many_different_names(host):
    for number in range(1300):
        host.command("var HTTP_X_%d v" % number)
    environ = environ_of(host)
    assert all(environ["HTTP_X_%d" % number] == "v" for number in range(1300))
    for number in range(1300):
        host.command("unvar HTTP_X_%d" % number)
    assert "HTTP_X_7" not in environ_of(host)


def test_own_keys(host):
    environ = environ_of(host, plan={"request_start": 1700000000123456})
    assert environ["mod_wsgi.application_group"] == ""
    assert environ["mod_wsgi.callable_object"] == "application"
    assert environ["mod_wsgi.request_handler"] == "wsgi-script"
    assert environ["mod_wsgi.handler_script"] == ""
    assert environ["mod_wsgi.script_reloading"] == "1"
    assert environ["mod_wsgi.enable_sendfile"] == "0"
    assert environ["mod_wsgi.ignore_activity"] == "0"
    assert environ["wsgi.input_terminated"] is True
    assert environ["wsgi.multithread"] is True and environ["wsgi.multiprocess"] is False
    assert environ["mod_wsgi.request_start"] == "1700000000123456"
    assert environ["mod_wsgi.script_start"] == environ["mod_wsgi.application_start"]
    assert 1_700_000_000_000_000 < int(environ["mod_wsgi.script_start"]) < 10_000_000_000_000_000


def test_counts(host):
    first, second = environ_of(host), environ_of(host)
    for key in ("mod_wsgi.thread_requests", "mod_wsgi.total_requests"):
        assert second[key] == first[key] + 1
    assert first["mod_wsgi.thread_id"] == second["mod_wsgi.thread_id"] == 0


def test_no_daemon_keys_when_embedded(host):
    environ = environ_of(host)
    assert not {"mod_wsgi.queue_start", "mod_wsgi.daemon_start", "mod_wsgi.daemon_connects",
                "mod_wsgi.daemon_restarts"} & set(environ)


def test_daemon_keys(build):
    with open_host(build, process_group="web") as host:
        environ = environ_of(host, plan={"queue_start": 1700000000000001, "daemon_start": 1700000000000002,
                                         "daemon_connects": 2, "daemon_restarts": 1})
    assert environ["mod_wsgi.process_group"] == "web"
    assert environ["mod_wsgi.queue_start"] == "1700000000000001"
    assert environ["mod_wsgi.daemon_start"] == "1700000000000002"
    assert environ["mod_wsgi.daemon_connects"] == "2"
    assert environ["mod_wsgi.daemon_restarts"] == "1"


def test_handler_script(host):
    host.command("route is_handler_script 1")
    try:
        assert environ_of(host)["mod_wsgi.handler_script"] == str(APP)
    finally:
        host.command("route is_handler_script 0")


def test_scheme(host):
    assert environ_of(host, plan={"url_scheme": "https"})["wsgi.url_scheme"] == "https"
    assert environ_of(host, plan={"url_scheme": "http"})["wsgi.url_scheme"] == "http"


def test_types(host):
    shown = environ_of(host, "types")
    assert shown == {"environ": True, "wsgi.version": [1, 0], "apache.version": [2, 4, 62], "mod_wsgi.version": True,
                     "file_wrapper": True, "input": "mod_wsgi.Input", "errors": "<wsgi.errors>", "capsule": "NoneType"}


def test_dict_is_new_for_every_request(host):
    assert [host.run(APP, "change").body for _ in range(2)] == [b"False", b"False"]


def test_capsule_of_the_request(build):
    with open_host(build) as host:
        assert environ_of(host, "types", plan={"apache_request": 1})["capsule"] == "PyCapsule"
