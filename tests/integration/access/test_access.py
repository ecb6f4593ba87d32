"""WSGIAccessScript: who may come in."""
import re

import pytest

CONFIG = """
WSGIScriptAlias /app {root}/apps/access.wsgi
<Location /app>
  WSGIAccessScript {root}/apps/access.wsgi application-group=%{GLOBAL}
</Location>
Alias /static {root}/htdocs
<Location /static>
  WSGIAccessScript {root}/apps/access.wsgi
</Location>
<Location /app/named>
  WSGIAccessScript {root}/apps/access.wsgi application-group=doorman
</Location>
<Location /app/server>
  WSGIAccessScript {root}/apps/access.wsgi application-group=%{SERVER}
</Location>
<Location /app/literal>
  WSGIAccessScript {root}/apps/access.wsgi application-group=%{RESOURCE}
</Location>
<Location /app/refused>
  Require all denied
</Location>
<Location /app/request>
  WSGIPassApacheRequest On
</Location>
<Location /app/nofunction>
  WSGIAccessScript {root}/apps/empty.wsgi
</Location>
<Location /app/nofile>
  WSGIAccessScript {root}/apps/missing.wsgi
</Location>
<Location /app/syntax>
  WSGIAccessScript {root}/apps/broken_syntax.wsgi
</Location>
<Location /app/changing>
  WSGIAccessScript {root}/apps/changing.wsgi
</Location>
SetEnv FROM_CONFIGURATION yes
"""


@pytest.fixture(scope="module")
def server(make_server):
    return make_server(config=CONFIG, children=1)


@pytest.mark.parametrize("query, status", [("yes", 200), ("none", 200), ("no", 403), ("number", 403), ("text", 403), ("raise", 403)])
@pytest.mark.parametrize("path", ["/app", "/static/static.txt"])
def test_verdicts(server, client, path, query, status):
    assert client.get(path + "?" + query).status == status
    if status == 403:
        server.log.expect("WSGI0057", "static.txt" if "static" in path else "access.wsgi")
    if query in ("number", "text"):
        server.log.expect("WSGI0055", "int" if query == "number" else "str")
    if query == "raise":
        server.log.expect("WSGI0174")
        server.log.wait_for("RuntimeError: no verdict")


def test_other_checks_still_run(server, client):
    assert client.get("/app/refused?yes").status == 403


def test_environ(client):
    headers = {"X-Word": "value", "Authorization": "Basic eDp5", "Proxy": "evil", "X_Odd": "1", "Content-Type": "text/plain"}
    last = client.get("/app/some//info?yes=1&x=%20", headers=headers).json()["last"]["allow_access"]
    environ = last["environ"]
    assert last["arguments"] == ["127.0.0.1"]
    assert environ["HTTP_X_WORD"] == "'value'"
    assert environ["CONTENT_TYPE"] == "'text/plain'"
    assert environ["PATH_INFO"] in ("'/some//info'", "'/some/info'")
    assert environ["SCRIPT_NAME"] == "'/app'"
    assert environ["QUERY_STRING"] == "'yes=1&x=%20'"
    assert environ["REQUEST_URI"] == "'/app/some//info?yes=1&x=%20'"
    assert environ["REQUEST_METHOD"] == "'GET'"
    assert environ["mod_wsgi.process_group"] == "''"
    assert environ["mod_wsgi.application_group"] == "''"
    assert environ["apache.version"].startswith("(2, 4, ")
    present = {"SERVER_NAME", "SERVER_PORT", "SERVER_ADDR", "SERVER_SOFTWARE", "SERVER_SIGNATURE", "SERVER_PROTOCOL", "REMOTE_ADDR",
               "REMOTE_PORT", "DOCUMENT_ROOT", "wsgi.errors", "mod_ssl.is_https", "mod_ssl.var_lookup", "mod_wsgi.version"}
    assert present <= set(environ)
    absent = {"HTTP_AUTHORIZATION", "HTTP_PROXY", "HTTP_X_ODD", "FROM_CONFIGURATION", "wsgi.input", "wsgi.version", "wsgi.url_scheme",
              "mod_wsgi.callable_object", "mod_wsgi.request_start", "apache.request_rec", "REMOTE_USER", "GATEWAY_INTERFACE"}
    assert not absent & set(environ)


def test_odd_header_stays_for_others(client):
    """A request that is only checked is left as it is: the application behind sees what the rules of CGI let through."""
    assert client.get("/app?yes", headers={"X_Odd": "1"}).status == 200


def test_apache_request(client):
    environ = client.get("/app/request").json()["last"]["allow_access"]["environ"]
    assert environ["apache.request_rec"].startswith("<capsule object NULL")


@pytest.mark.parametrize("path, group", [("named", "doorman"), ("server", "localhost:{port}"), ("literal", "%{RESOURCE}")])
def test_interpreter(server, client, path, group):
    assert client.get("/app/" + path + "?log").status == 200
    assert client.get("/app/" + path + "?no").status == 403
    server.log.expect("WSGI0057")
    server.log.wait_for("Creating sub-interpreter '" + re.escape(group.replace("{port}", str(server.port))) + "'")


def test_log(server, client):
    assert client.get("/app?log").status == 200
    server.log.wait_for(r"\[client 127.0.0.1.*a line of wsgi.errors")
    server.log.wait_for("named <log>")
    server.log.wait_for(r"tid \d+\] a line of print")


def test_without_tls(server, client):
    assert client.get("/app?ssl=SSL_PROTOCOL").status == 200
    server.log.wait_for(r"ssl 0 \[null, null\]")


def test_kept_functions_expire(client):
    assert "after the request had completed" in client.get("/app/more").json()["kept"]


@pytest.mark.parametrize("path, number", [("nofunction", "WSGI0056"), ("nofile", "WSGI0105"), ("syntax", "WSGI0105")])
def test_scripts_that_cannot_answer(server, client, path, number):
    assert client.get("/app/" + path).status == 403
    server.log.expect(number)
    server.log.expect("WSGI0057")
    server.log.allow("WSGI0174")


def test_reloading(server, client):
    script = server.root / "apps" / "changing.wsgi"
    assert client.get("/app/changing").status == 403
    server.log.expect("WSGI0105")
    server.log.expect("WSGI0057")
    server.log.allow("WSGI0174")
    script.write_text("def allow_access(environ, host):\n    return False\n")
    assert client.get("/app/changing").status == 403
    server.log.expect("WSGI0057")
    script.write_text("def allow_access(environ, host):\n    return True\n\n\n")
    assert client.get("/app/changing").status == 200
