"""WSGIDispatchScript: where a request runs is chosen by functions of a script."""
import pytest

CONFIG = """
WSGIDaemonProcess main threads=2
WSGIDaemonProcess other threads=2
SetEnv NAMED other
WSGIScriptAlias / {root}/apps/environ.wsgi
WSGIDispatchScript {root}/apps/dispatch.wsgi
WSGIApplicationGroup plain
<Location /alias>
  WSGIProcessGroup main
</Location>
<Location /missing>
  WSGIDispatchScript {root}/apps/missing.wsgi
</Location>
<Location /broken>
  WSGIDispatchScript {root}/apps/broken_syntax.wsgi
</Location>
<Location /none>
  WSGIDispatchScript {root}/apps/empty.wsgi
</Location>
<Location /named>
  WSGIDispatchScript {root}/apps/dispatch.wsgi application-group=chooser
</Location>
<Location /restricted>
  WSGIRestrictProcess main
</Location>
"""


@pytest.fixture(scope="module")
def server(make_server):
    return make_server(config=CONFIG, application_group=None)


def environ(client, path):
    response = client.get(path)
    assert response.status == 200
    return response.json()["environ"]


@pytest.mark.parametrize("query, group, interpreter", [
    ("", "", "plain"), ("process_group=other", "other", "plain"), ("process_group=%25%7BENV:NAMED%7D", "other", "plain"),
    ("process_group=%25%7BGLOBAL%7D", "", "plain"), ("application_group=chosen", "", "chosen"),
    ("application_group=%25%7BGLOBAL%7D", "", ""), ("application_group=%25%7BRESOURCE%7D", "", "localhost:{port}|"),
    ("application_group=<bytes>", "", "bytes"), ("process_group=main&application_group=chosen", "main", "chosen"),
    ("callable_object=application", "", "plain")])
def test_targets(server, client, query, group, interpreter):
    seen = environ(client, "/?" + query)
    assert seen["mod_wsgi.process_group"] == group
    assert seen["mod_wsgi.application_group"] == interpreter.format(port=server.port)
    assert "X_DISPATCHED" not in seen


def test_directives_are_overridden(client):
    assert environ(client, "/alias?")["mod_wsgi.process_group"] == "main"
    assert environ(client, "/alias?process_group=other")["mod_wsgi.process_group"] == "other"
    assert environ(client, "/alias?process_group=%25%7BGLOBAL%7D")["mod_wsgi.process_group"] == ""


def test_callable(server, client):
    assert client.get("/?callable_object=nothing").status == 404
    server.log.expect("WSGI0089", "nothing")


@pytest.mark.parametrize("query, text", [("process_group=<raise>", "ValueError: no target"), ("application_group=<number>", "TypeError"),
                                         ("callable_object=<wide>", "UnicodeEncodeError")])
def test_failures(server, client, query, text):
    assert client.get("/?" + query).status == 500
    server.log.expect("WSGI0174")
    server.log.wait_for(text)


def test_functions_after_a_failure_are_not_called(server, client):
    assert client.get("/?process_group=<raise>&marker").status == 500
    server.log.expect("WSGI0174")
    lines = server.log.all().split("process_group [")
    assert "application_group [" not in lines[-1]


@pytest.mark.parametrize("path, number", [("/missing", "WSGI0105"), ("/broken", "WSGI0105"), ("/none", None)])
def test_static_routing_remains(server, client, path, number):
    assert environ(client, path)["mod_wsgi.application_group"] == "plain"
    if number:
        server.log.expect(number)
        server.log.allow("WSGI0174")


def test_environ_of_the_functions(server, client):
    environ(client, "/named?")
    line = server.log.wait_for(r"process_group \[.*").group()
    assert "wsgi.errors" in line and "mod_wsgi.application_group" in line and "mod_wsgi.request_id" in line
    for name in ("'wsgi.input'", "'wsgi.version'", "mod_wsgi.callable_object", "apache.request_rec"):
        assert name not in line
    server.log.wait_for("Creating sub-interpreter 'chooser'")


def test_restrictions_hold(server, client):
    assert environ(client, "/restricted?process_group=main")["mod_wsgi.process_group"] == "main"
    assert client.get("/restricted?process_group=other").status == 500
    server.log.expect("WSGI0149")
    assert client.get("/restricted?process_group=nowhere").status == 500
    server.log.expect("WSGI0149")
    assert client.get("/?process_group=nowhere").status == 500
    server.log.expect("WSGI0151")


def test_not_in_htaccess(fresh_server):
    server = fresh_server("hello.wsgi", config="<Directory {root}/htdocs>\nAllowOverride All\n</Directory>\nAlias /files {root}/htdocs\n")
    (server.root / "htdocs" / ".htaccess").write_text("WSGIDispatchScript /x\n")
    assert server.client().get("/files/static.txt").status == 500
    server.log.wait_for("WSGIDispatchScript not allowed here")


def test_python_that_cannot_start(fresh_server):
    server = fresh_server(before="WSGIPythonHome /nonexistent/python\n", config=CONFIG, application_group=None)
    assert server.client().get("/alias").status == 500
    server.log.expect("WSGI0086")
    server.log.expect("WSGI0001")
    server.log.allow("WSGI0297", "WSGI0036", "WSGI0100", "WSGI0028")
