"""WSGIAuthUserScript and WSGIAuthGroupScript: Basic and Digest authentication, groups, aliases of providers, .htaccess."""
import base64
import re

import pytest
import requests
from requests.auth import HTTPDigestAuth

CONFIG = """
<AuthnProviderAlias wsgi aliased>
  WSGIAuthUserScript {root}/apps/access.wsgi application-group=aliased
</AuthnProviderAlias>
WSGIScriptAlias /app {root}/apps/access.wsgi
Alias /static {root}/htdocs
<LocationMatch ^/(app|static)/basic>
  AuthType Basic
  AuthName "a realm"
  AuthBasicProvider wsgi
  WSGIAuthUserScript {root}/apps/access.wsgi
  Require valid-user
</LocationMatch>
<Location /app/basic/alias>
  AuthBasicProvider aliased
</Location>
<Location /app/basic/missing>
  WSGIAuthUserScript {root}/apps/missing.wsgi
</Location>
<Location /app/basic/empty>
  WSGIAuthUserScript {root}/apps/empty.wsgi
</Location>
<Location /app/unset>
  AuthType Basic
  AuthName "a realm"
  AuthBasicProvider wsgi
  Require valid-user
</Location>
<LocationMatch ^/app/digest>
  AuthType Digest
  AuthName "a realm"
  AuthDigestProvider wsgi
  WSGIAuthUserScript {root}/apps/access.wsgi
  Require valid-user
</LocationMatch>
<Location /app/digest/empty>
  WSGIAuthUserScript {root}/apps/empty.wsgi
</Location>
<Location /app/digestunset>
  WSGIAuthUserScript {root}/apps/access.wsgi
</Location>
<Location /app/basic/group>
  WSGIAuthGroupScript {root}/apps/access.wsgi
  Require wsgi-group unknown STAFF "with space"
</Location>
<Location /app/basic/group/expression>
  Require wsgi-group %{reqenv:WANTED}
</Location>
<Location /app/basic/group/missing>
  WSGIAuthGroupScript {root}/apps/missing.wsgi
</Location>
<Location /app/basic/group/empty>
  WSGIAuthGroupScript {root}/apps/empty.wsgi
</Location>
<Location /app/basic/groupunset>
  Require wsgi-group staff
</Location>
SetEnvIf Request_URI expression WANTED=admins
"""

MODULES = ("authn_core", "auth_basic", "auth_digest", "authz_user")


@pytest.fixture(scope="module")
def server(make_server):
    return make_server(config=CONFIG, modules=MODULES, children=1)


def basic(user, password="secret", encoding="latin-1"):
    return {"Authorization": "Basic " + base64.b64encode("{}:{}".format(user, password).encode(encoding)).decode()}


def test_credentials(server, client):
    answer = client.get("/app/basic/info", headers=basic("alice")).json()
    assert answer["user"] == "alice"
    assert answer["auth_type"] == "Basic"
    seen = answer["last"]["check_password"]
    assert seen["arguments"] == ["alice", "secret"]
    assert "HTTP_AUTHORIZATION" not in seen["environ"]
    assert "AUTH_TYPE" not in seen["environ"]
    assert seen["environ"]["mod_wsgi.application_group"] == "''"


def test_static_files(server, client):
    assert client.get("/static/basic.txt", headers=basic("alice", "wrong")).status == 401


def test_latin_1(client):
    assert client.get("/app/basic", headers=basic("j\xf6rg", "stra\xdfe")).status == 200


@pytest.mark.parametrize("user, password, status, number", [
    ("alice", "wrong", 401, None), ("none", "x", 401, None), ("empty", "x", 500, "WSGI0176"), ("one", "x", 500, "WSGI0177"),
    ("bytes", "x", 500, "WSGI0177"), ("raise", "x", 500, "WSGI0174")])
def test_verdicts(server, client, user, password, status, number):
    assert client.get("/app/basic", headers=basic(user, password)).status == status
    if number:
        server.log.expect(number)


def test_without_credentials(client):
    response = client.get("/app/basic")
    assert response.status == 401
    assert response.header("WWW-Authenticate") == 'Basic realm="a realm"'


def test_name_that_the_script_gives(server, client):
    user = client.get("/app/basic", headers=basic("alias", "any")).json()["user"]
    assert user.encode("latin-1").decode("utf-8") == "j\xf6rg \u20ac"


def test_provider_alias(server, client):
    assert client.get("/app/basic/alias", headers=basic("alice")).json()["user"] == "alice"
    server.log.wait_for("Creating sub-interpreter 'aliased'")
    assert client.get("/app/basic/alias", headers=basic("alice", "wrong")).status == 401


@pytest.mark.parametrize("path, number", [("/app/basic/missing", "WSGI0105"), ("/app/basic/empty", "WSGI0043"), ("/app/unset", "WSGI0041")])
def test_no_function_for_basic(server, client, path, number):
    assert client.get(path, headers=basic("alice")).status == 500
    server.log.expect(number)
    server.log.allow("WSGI0174")


def digest(server, path, user, password="secret"):
    return requests.get("http://127.0.0.1:{}{}".format(server.port, path), auth=HTTPDigestAuth(user, password), timeout=20)


def test_digest(server):
    answer = digest(server, "/app/digest/info", "alice").json()
    assert (answer["user"], answer["auth_type"]) == ("alice", "Digest")
    assert answer["last"]["get_realm_hash"]["arguments"] == ["alice", "a realm"]
    assert digest(server, "/app/digest", "bob", "hunter2").status_code == 200 # the hash as bytes


@pytest.mark.parametrize("user, status, number", [("alice", 401, None), ("none", 401, None), ("empty", 500, "WSGI0178"),
                                                  ("number", 500, "WSGI0179"), ("raise", 500, "WSGI0174")])
def test_digest_refused(server, user, status, number):
    assert digest(server, "/app/digest", user, "wrong").status_code == status
    if number:
        server.log.expect(number)


def test_no_function_for_digest(server):
    assert digest(server, "/app/digest/empty", "alice").status_code == 500
    server.log.expect("WSGI0046")


@pytest.mark.parametrize("path, user, query, status", [
    ("", "alice", "", 200), ("", "bob", "", 401), ("", "j\xf6rg", "", 401), ("/expression", "alice", "", 200), ("/expression", "j\xf6rg", "", 401)])
def test_groups(server, client, path, user, query, status):
    passwords = {"alice": "secret", "bob": "hunter2", "j\xf6rg": "stra\xdfe"}
    assert client.get("/app/basic/group" + path + query, headers=basic(user, passwords[user])).status == status
    if status != 200:
        server.log.expect("WSGI0059" if user == "bob" else "WSGI0060")


@pytest.mark.parametrize("query, number", [("wide", "WSGI0049"), ("number", "WSGI0050"), ("nothing", "WSGI0051"), ("raise", "WSGI0174")])
def test_groups_that_cannot_be_used(server, client, query, number):
    assert client.get("/app/basic/group?" + query, headers=basic("alice")).status == 401
    server.log.expect(number)


@pytest.mark.parametrize("path, number", [("group/missing", "WSGI0105"), ("group/empty", "WSGI0052"), ("groupunset", "WSGI0058")])
def test_no_function_for_groups(server, client, path, number):
    assert client.get("/app/basic/" + path, headers=basic("alice")).status == 401
    server.log.expect(number)
    server.log.allow("WSGI0174")


def test_htaccess(fresh_server):
    config = """
    Alias /private {root}/htdocs
    <Directory {root}/htdocs>
      AllowOverride AuthConfig
    </Directory>
    WSGIRestrictEmbedded Off
    """
    server = fresh_server(config=config, modules=MODULES)
    (server.root / "htdocs" / ".htaccess").write_text(
        'AuthType Basic\nAuthName x\nAuthBasicProvider wsgi\nWSGIAuthUserScript {0}/apps/access.wsgi\n'
        'WSGIAuthGroupScript {0}/apps/access.wsgi\nWSGIAccessScript {0}/apps/access.wsgi\nRequire wsgi-group staff\n'.format(server.root))
    client = server.client()
    assert client.get("/private/static.txt").status == 401
    assert client.get("/private/static.txt?no", headers=basic("alice")).status == 403
    server.log.expect("WSGI0057")
    assert client.get("/private/static.txt", headers=basic("alice")).status == 200


def test_restricted_embedded_python_still_checks(fresh_server):
    server = fresh_server("hello.wsgi", before="WSGIRestrictEmbedded On\n", config=CONFIG, modules=MODULES)
    assert client_status(server, "/static/basic.txt", "alice") == 404
    assert client_status(server, "/static/basic.txt", "nobody") == 401
    assert server.client().get("/").status == 500
    server.log.expect("WSGI0143")


def client_status(server, path, user):
    return server.client().get(path, headers=basic(user)).status


def test_python_that_cannot_start(fresh_server):
    server = fresh_server(before="WSGIPythonHome /nonexistent/python\n", config=CONFIG, modules=MODULES)
    assert client_status(server, "/app/basic", "alice") == 500
    server.log.expect("WSGI0042")
    assert digest(server, "/app/digest", "alice").status_code == 500
    server.log.expect("WSGI0045")
    server.log.expect("WSGI0001")
    server.log.allow("WSGI0297", "WSGI0036", "WSGI0100")


def test_satisfy_any(fresh_server):
    """A refusal by host is no message when the user may still log in."""
    config = CONFIG + """
    <Location /app/basic/any>
      WSGIAccessScript {root}/apps/access.wsgi
      Satisfy Any
    </Location>
    """
    server = fresh_server(config=config, modules=(*MODULES, "access_compat"))
    client = server.client()
    assert client.get("/app/basic/any?yes").status == 200
    assert client.get("/app/basic/any?no").status == 401
    assert client.get("/app/basic/any?no", headers=basic("alice")).status == 200
    assert not re.search("WSGI0057", server.log.all())


@pytest.mark.parametrize("line", ["WSGIAccessScript {root}/apps/access.wsgi", "WSGIAuthUserScript {root}/apps/access.wsgi",
                                  "WSGIAuthGroupScript {root}/apps/access.wsgi"])
def test_only_in_sections(make_server, line):
    done = make_server.site(config=line + "\n").check_config()
    assert done.returncode != 0
    assert "not allowed here" in done.stdout
