"""Every key of environ: value, type, presence."""
import os
import re
import time

import pytest

CONFIG = """
SetEnv MY_SETTING value
SetEnv PATH /nowhere
SetEnv REQUEST_METHOD overridden
SetEnv HTTP_X_SET by-the-administrator
SetEnvIf Request_URI ^/https HTTPS=on
SetEnvIf Request_URI ^/secure HTTPS=1
SetEnvIf Request_URI ^/insecure HTTPS=off
ServerAdmin admin@example.com
<Location /authorized>
  WSGIPassAuthorization On
</Location>
<Location /head-on>
  WSGIMapHEADToGET On
</Location>
<Location /head-off>
  SetOutputFilter DEFLATE
  WSGIMapHEADToGET Off
</Location>
<Location /head-auto>
  SetOutputFilter DEFLATE
</Location>
<Location /no-reload>
  WSGIScriptReloading Off
  WSGIIgnoreActivity On
  WSGIEnableSendfile On
</Location>
"""


@pytest.fixture(scope="module")
def server(make_server, mode):
    return make_server("environ.wsgi", mode=mode, config=CONFIG, daemon={"processes": 1, "threads": 3}, modules=("filter", "deflate"))


@pytest.fixture
def answer(client):
    return client.get("/path?query=1").json()


@pytest.fixture
def environ(answer):
    return answer["environ"]


def test_is_a_plain_dict_with_text_keys(answer):
    assert answer["environ_type"] == "builtins.dict"
    assert answer["key_types"] == ["str"]


def test_cgi_variables(environ, server):
    expected = {
        "REQUEST_METHOD": "GET", "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_NAME": "127.0.0.1", "SERVER_PORT": str(server.port),
        "SERVER_ADDR": "127.0.0.1", "REMOTE_ADDR": "127.0.0.1", "REQUEST_SCHEME": "http", "SERVER_ADMIN": "admin@example.com",
        "GATEWAY_INTERFACE": "CGI/1.1", "SERVER_SIGNATURE": "", "CONTEXT_PREFIX": "", "CONTEXT_DOCUMENT_ROOT": str(server.root / "htdocs"),
    }
    assert {key: environ.get(key) for key in expected} == expected
    assert int(environ["REMOTE_PORT"]) > 0
    assert environ["SERVER_SOFTWARE"].startswith("Apache")


@pytest.mark.parametrize("key", [
    "PATH", "PATH_TRANSLATED", "REMOTE_IDENT", "REMOTE_HOST", "LD_LIBRARY_PATH", "HTTPS", "CONTENT_TYPE", "CONTENT_LENGTH",
    "REMOTE_USER", "AUTH_TYPE", "REDIRECT_URL", "HTTP_AUTHORIZATION", "mod_wsgi.mount_point", "apache.request_rec",
    "mod_ssl.is_https", "mod_ssl.var_lookup",
])
def test_absent(environ, key):
    assert key not in environ


def test_no_internal_keys(environ):
    assert [key for key in environ if key.startswith("mod_wsgi.x-")] == []


def test_variables_of_apache(environ):
    assert environ["MY_SETTING"] == "value"
    assert environ["REQUEST_METHOD"] == "GET" # CGI variables override the administrator's
    assert environ["HTTP_X_SET"] == "by-the-administrator"


def test_process_environment_is_not_merged_in(environ):
    assert "WSGI_TEST_SERVER" not in environ


@pytest.mark.parametrize("path, scheme", [("/", "http"), ("/https", "https"), ("/secure", "https"), ("/insecure", "http")])
def test_url_scheme(client, path, scheme):
    environ = client.get(path).json()["environ"]
    assert environ["wsgi.url_scheme"] == scheme
    assert environ["REQUEST_SCHEME"] == "http"
    assert "HTTPS" not in environ


def test_wsgi_keys(answer, mode, server):
    environ, types = answer["environ"], answer["types"]
    assert environ["wsgi.version"] == [1, 0] and types["wsgi.version"] == "tuple"
    assert environ["wsgi.multithread"] is (mode == "daemon" or server.site.mpm != "prefork")
    assert environ["wsgi.multiprocess"] is True # processes=1 was written, or several children may run
    assert environ["wsgi.run_once"] is False
    assert environ["wsgi.input_terminated"] is True
    assert types["wsgi.input"] == "Input"
    assert types["wsgi.file_wrapper"] == "type"
    assert types["apache.version"] == types["mod_wsgi.version"] == "tuple"
    assert environ["apache.version"][:2] == [2, 4] and len(environ["mod_wsgi.version"]) == 3


def test_mod_wsgi_keys(answer, mode, server):
    environ, types = answer["environ"], answer["types"]
    expected = {
        "mod_wsgi.process_group": "site" if mode == "daemon" else "", "mod_wsgi.application_group": "",
        "mod_wsgi.callable_object": "application", "mod_wsgi.request_handler": "wsgi-script", "mod_wsgi.handler_script": "",
        "mod_wsgi.listener_host": "127.0.0.1", "mod_wsgi.listener_port": str(server.port), "mod_wsgi.script_reloading": "1",
        "mod_wsgi.enable_sendfile": "0", "mod_wsgi.ignore_activity": "0",
    }
    assert {key: environ.get(key) for key in expected} == expected
    assert environ["mod_wsgi.server_pid"].isdigit()
    assert int(environ["mod_wsgi.server_pid"]) in {entry.pid for entry in server.processes()}
    assert re.fullmatch(r"\S{10,}", environ["mod_wsgi.request_id"])
    on_initial_thread = mode == "embedded" and server.site.mpm == "prefork"
    assert types["mod_wsgi.thread_id"] == "int" and (environ["mod_wsgi.thread_id"] == 0) is on_initial_thread
    assert (int(environ["mod_wsgi.server_pid"]) == answer["pid"]) is (mode == "embedded")


def test_flags_of_the_directives_show(client):
    environ = client.get("/no-reload").json()["environ"]
    keys = ("mod_wsgi.script_reloading", "mod_wsgi.ignore_activity", "mod_wsgi.enable_sendfile")
    assert [environ[key] for key in keys] == ["0", "1", "1"]


def test_moments_are_decimal_microseconds(client, mode):
    before = time.time()
    environ = client.get("/").json()["environ"]
    after = time.time()
    keys = ["mod_wsgi.request_start", "mod_wsgi.queue_start", "mod_wsgi.daemon_start", "mod_wsgi.script_start"]
    if mode == "embedded":
        assert "mod_wsgi.queue_start" not in environ and "mod_wsgi.daemon_start" not in environ
        keys = [keys[0], keys[3]]
    moments = [environ[key] for key in keys]
    assert all(re.fullmatch(r"\d{16}", moment) for moment in moments), moments
    seconds = [before - 0.001] + [int(moment) / 1e6 for moment in moments] + [after + 0.001]
    assert seconds == sorted(seconds)
    assert environ["mod_wsgi.application_start"] == environ["mod_wsgi.script_start"]


def test_counters(client, mode):
    first, second = (client.get("/").json() for _ in range(2))
    for answer in (first, second):
        environ, types = answer["environ"], answer["types"]
        assert types["mod_wsgi.thread_requests"] == types["mod_wsgi.total_requests"] == "int"
        assert environ["mod_wsgi.total_requests"] >= environ["mod_wsgi.thread_requests"] >= 0
        assert ("mod_wsgi.daemon_connects" in environ) is ("mod_wsgi.daemon_restarts" in environ) is (mode == "daemon")
    if mode == "daemon":
        assert second["environ"]["mod_wsgi.daemon_connects"] == "1"
        assert second["environ"]["mod_wsgi.daemon_restarts"] == "0"
    if first["pid"] == second["pid"]:
        assert second["environ"]["mod_wsgi.total_requests"] > first["environ"]["mod_wsgi.total_requests"]


@pytest.mark.parametrize("headers, key, value", [
    ([("X-Simple", "a")], "HTTP_X_SIMPLE", "a"),
    ([("x-lower-case", "a")], "HTTP_X_LOWER_CASE", "a"),
    ([("X-Twice", "a"), ("X-Twice", "b")], "HTTP_X_TWICE", "a, b"),
    ([("X-Empty", "")], "HTTP_X_EMPTY", ""),
    ([("X-Latin", "\xe9")], "HTTP_X_LATIN", "\xe9"),
    ([("X-Utf", "\u20ac".encode("utf-8").decode("latin-1"))], "HTTP_X_UTF", "\xe2\x82\xac"),
    ([("X-Evil", "2"), ("X_Evil", "1")], "HTTP_X_EVIL", "2"),
    ([("X.Dot", "1")], "HTTP_X.DOT", None),
    ([("X.Dot", "1")], "HTTP_X_DOT", None),
    ([("X~Tilde", "1")], "HTTP_X_TILDE", None),
    ([("Proxy", "http://evil")], "HTTP_PROXY", None),
    ([("Authorization", "Basic YTpi")], "HTTP_AUTHORIZATION", None),
    ([("Proxy-Authorization", "Basic YTpi")], "HTTP_PROXY_AUTHORIZATION", None),
    ([("Content-Type", "text/x; charset=y")], "CONTENT_TYPE", "text/x; charset=y"),
    ([("Content-Type", "text/x")], "HTTP_CONTENT_TYPE", None),
    ([("Cookie", "a=1"), ("Cookie", "b=2")], "HTTP_COOKIE", "a=1, b=2"),
    ([("X-Set", "by the client")], "HTTP_X_SET", "by the client"),
])
def test_request_header(client, headers, key, value):
    assert client.get("/", headers=headers).json()["environ"].get(key) == value


def test_content_length(client):
    environ = client.post("/", b"12345").json()["environ"]
    assert environ["CONTENT_LENGTH"] == "5"
    assert "HTTP_CONTENT_LENGTH" not in environ


def test_authorization_is_passed_where_wanted(client):
    environ = client.get("/authorized", headers={"Authorization": "Basic YTpi"}).json()["environ"]
    assert environ["HTTP_AUTHORIZATION"] == "Basic YTpi"


@pytest.mark.parametrize("path, method", [("/", "HEAD"), ("/head-on", "GET"), ("/head-off", "HEAD"), ("/head-auto", "GET")])
def test_head_mapping(client, path, method):
    response = client.head(path)
    assert response.status == 200 and response.body == b""
    assert response.header("X-Method") == method


def test_server_name_is_escaped_and_canonical(client):
    environ = client.get("/", host="example.com:1234").json()["environ"]
    assert environ["SERVER_NAME"] == "example.com"
    assert environ["SERVER_PORT"] == "1234"
    assert environ["HTTP_HOST"] == "example.com:1234"


def test_http_1_0(client):
    with client.raw() as raw:
        raw.send("GET / HTTP/1.0\r\n\r\n")
        text = raw.receive_all().decode()
    assert '"SERVER_PROTOCOL": "HTTP/1.0"' in text
    assert '"HTTP_HOST"' not in text


def test_environ_is_fresh_for_each_request(client):
    first = client.get("/", headers={"X-Once": "1"}).json()["environ"]
    second = client.get("/").json()["environ"]
    assert "HTTP_X_ONCE" in first and "HTTP_X_ONCE" not in second


def test_process_is_one_of_the_server(answer, server, mode):
    assert answer["pid"] != os.getpid()
    pids = server.daemon_pids() if mode == "daemon" else {entry.pid for entry in server.processes()} - {server.pid}
    assert answer["pid"] in pids
