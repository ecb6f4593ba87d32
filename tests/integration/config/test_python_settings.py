"""Directives about Python itself, in both modes."""
import os

import pytest


@pytest.fixture
def inspect(fresh_server, mode):
    """``inspect("WSGIPythonOptimize 1")``: what the application sees with that line in the configuration."""

    def run(lines, daemon=None):
        server = fresh_server("process.wsgi", mode=mode, children=1, before=lines + "\n", daemon=daemon or {})
        return server.client().get("/").json()

    return run


def test_defaults(inspect):
    answer = inspect("")
    assert (answer["optimize"], answer["dont_write_bytecode"], answer["warnings"]) == (0, False, [])


def test_optimize(inspect):
    assert inspect("WSGIPythonOptimize 2")["optimize"] == 2


def test_bytecode(inspect):
    assert inspect("WSGIDontWriteBytecode On")["dont_write_bytecode"] is True


def test_warnings(inspect):
    answer = inspect("WSGIPythonWarnings ignore::UserWarning\nWSGIPythonWarnings error")
    assert answer["warnings"] == ["ignore::UserWarning", "error"]


def test_hash_seed(inspect):
    first, second = inspect("WSGIPythonHashSeed 7"), inspect("WSGIPythonHashSeed 7")
    assert first["hash"] == second["hash"]


def test_random_hash_seed(inspect):
    assert len({inspect("WSGIPythonHashSeed random")["hash"] for _ in range(3)}) > 1


def test_python_path_and_eggs(inspect, mode):
    answer = inspect("WSGIPythonPath /usr/lib:/usr/share\nWSGIPythonEggs /tmp/eggs")
    if mode == "embedded":
        assert (answer["path"][:2], answer["eggs"]) == (["/usr/lib", "/usr/share"], "/tmp/eggs")
    else: # daemons have options of their own for these
        assert (answer["path"][:2] == ["/usr/lib", "/usr/share"], answer["eggs"]) == (False, None)


def test_python_home(inspect, virtual_environment):
    answer = inspect("WSGIPythonHome {}".format(virtual_environment))
    assert os.path.realpath(answer["prefix"]) == os.path.realpath(str(virtual_environment))


def test_switch_interval(inspect, mode):
    answer = inspect("WSGISwitchInterval 0.03")
    assert answer["switch_interval"] == pytest.approx(0.03 if mode == "embedded" else 0.005)


@pytest.mark.parametrize("name", ["stdin", "stdout"])
def test_restricted_streams(fresh_server, mode, name):
    server = fresh_server("streams.wsgi", mode=mode, before="WSGIRestrict{} On\n".format(name.capitalize()))
    assert server.client().get("/" + name).text == "OSError sys.{}".format(name)


def test_unrestricted_streams(fresh_server, mode):
    server = fresh_server("streams.wsgi", mode=mode)
    assert server.client().get("/stdout").text == "usable"


@pytest.mark.parametrize("value, count", [("On", 1), ("Off", 0)])
def test_restricted_signals(fresh_server, mode, value, count):
    server = fresh_server("process.wsgi", mode=mode, mpm="event", before="WSGIRestrictSignal {}\n".format(value))
    status = server.client().get("/signal").status
    assert status == (200 if value == "On" else 500) # Off: signal.signal refuses outside the main thread
    server.log.allow("WSGI0174")


def test_case_sensitivity(fresh_server):
    server = fresh_server(before="WSGICaseSensitivity Off\n", application_group=None,
                          config="WSGIScriptAlias /Upper {root}/apps/environ.wsgi\n")
    assert server.client().get("/Upper").json()["environ"]["mod_wsgi.application_group"].endswith("|/upper")


def test_apache_request_capsule(fresh_server, mode):
    server = fresh_server("environ.wsgi", mode=mode, config="WSGIPassApacheRequest On\n")
    types = server.client().get("/").json()["types"]
    assert types.get("apache.request_rec") == ("PyCapsule" if mode == "embedded" else None)


def test_banner(fresh_server):
    server = fresh_server("hello.wsgi", config="ServerTokens Full\n")
    assert "mod_wsgi/" in server.client().get("/").header("Server")


def test_default_socket_place_works(fresh_server):
    """Without WSGISocketPrefix the sockets lie in the runtime folder of Apache."""
    server = fresh_server.site("hello.wsgi", mode="daemon")
    server.site.config = "WSGISocketPrefix {root}/run/elsewhere\n"
    server.start()
    assert server.client().get("/").body == b"Hello World!"
    assert [path for path in (server.root / "run").iterdir() if path.name.startswith("elsewhere.")]


@pytest.mark.parametrize("value", ["On", "Off"])
def test_socket_rotation(fresh_server, value):
    server = fresh_server("hello.wsgi", mode="daemon", before="WSGISocketRotation {}\n".format(value))
    for _ in range(3):
        assert server.client().get("/").body == b"Hello World!"
        server.graceful()
    assert server.client().get("/").body == b"Hello World!"
