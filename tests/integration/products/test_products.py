"""Configurations such as products ask for, with an application in the place of each: they start, route and restart as intended."""
import base64
import json
import os
import ssl
import urllib.request
from pathlib import Path

import pytest

from harness import apache
from harness.server import free_port

CONF = Path(__file__).with_name("conf")
CERTIFICATE = Path(__file__).resolve().parents[2] / "harness" / "localhost.pem"
MODULES = ("authn_core", "authn_file", "auth_basic", "authz_user", "ssl", "socache_shmcb")


class Product:
    """A server with the configuration of a product; ``second`` is the port of its second virtual host."""

    def __init__(self, servers, name, environment="", **more):
        account = apache.account()
        self.second = free_port()
        self.server = servers.site(modules=MODULES, application_group=None)
        text = (CONF / (name + ".conf")).read_text()
        values = {"user": account.pw_name, "group": "#%d" % account.pw_gid, "second": self.second, "environment": environment,
                  "certificate": CERTIFICATE, **more}
        for key, value in values.items():
            text = text.replace("{%s}" % key, str(value))
        if os.geteuid() != 0: # only root gives a group to another account
            text = text.replace(" user=%s group=#%d" % (account.pw_name, account.pw_gid), "")
        self.text = text

    def start(self):
        self.server.write_config = self.write_config
        self.server.start()
        return self

    def write_config(self):
        self.server.site.config = self.text.replace("{port}", str(self.server.port))
        type(self.server).write_config(self.server)

    def get(self, path, **options):
        response = self.server.client().get(path, **options)
        assert response.status == 200, response.body
        return response.json()


@pytest.fixture
def product(fresh_server):
    made = []

    def start(name, **options):
        made.append(Product(fresh_server, name, **options).start())
        return made[0]

    yield start
    for one in made: # each goes on after a graceful restart, with new processes
        one.server.graceful()
        assert one.server.accepts()


def second(product, path, scheme="http"):
    context = ssl.create_default_context(cafile=str(CERTIFICATE)) if scheme == "https" else None
    with urllib.request.urlopen("{}://localhost:{}{}".format(scheme, product.second, path), timeout=20, context=context) as response:
        return json.loads(response.read())


def test_freeipa(product):
    ipa = product("freeipa")
    answer = ipa.get("/ipa/xml")
    assert (answer["group"], answer["interpreter"], answer["threads"]) == ("ipa", "ipa", 1)
    assert (answer["environ"]["SCRIPT_NAME"], answer["environ"]["PATH_INFO"]) == ("/ipa", "/xml")
    assert answer["environ"]["wsgi.multiprocess"] is True and answer["environ"]["wsgi.multithread"] is False
    assert answer["reloading"] == "0"
    assert len(ipa.server.daemon_pids()) == 2
    ipa.server.log.wait_for("Loading script .*product.wsgi.* in the sub-interpreter 'ipa'", count=2)
    assert ipa.get("/ipa/migration/migration.py/x")["interpreter"] == "ipa-migration"


def test_keystone(product):
    keystone = product("keystone")
    credentials = {"Authorization": "Basic " + base64.b64encode(b"u:p").decode()}
    public = keystone.get("/v3/users%2Fx", headers=credentials)
    assert (public["group"], public["interpreter"]) == ("keystone-public", "")
    assert public["environ"]["HTTP_AUTHORIZATION"] == credentials["Authorization"]
    assert public["environ"]["PATH_INFO"] == "/v3/users/x"
    assert float(public["environ"]["mod_wsgi.queue_start"]) > 0
    admin = second(keystone, "/v3/domains")
    assert (admin["group"], admin["environ"]["PATH_INFO"]) == ("keystone-admin", "/v3/domains")
    shared = keystone.get("/identity/v3", headers=credentials) # by SetHandler
    assert (shared["group"], shared["environ"]["SCRIPT_NAME"], shared["environ"]["PATH_INFO"]) == ("keystone-shared", "/identity", "/v3")
    assert shared["environ"]["HTTP_AUTHORIZATION"] == credentials["Authorization"]
    assert keystone.server.client().post("/v3", b"x" * 200000).status == 413


def test_horizon(product):
    horizon = product("horizon")
    answer = horizon.get("/horizon/auth/login/")
    assert (answer["group"], answer["threads"]) == ("horizon", 10)
    assert (answer["environ"]["SCRIPT_NAME"], answer["environ"]["PATH_INFO"]) == ("/horizon", "/auth/login/")
    assert horizon.server.client().get("/static/static.txt").body == b"static\n"
    horizon.server.log.expect("WSGI0293", "'dashboard-old'")


def test_graphite(product):
    graphite = product("graphite")
    graphite.server.wait_until(lambda: len(graphite.server.log.lines("Loading script .*product.wsgi")) == 2, 20, "both processes to load it")
    answer = graphite.get("/render?target=x")
    assert (answer["group"], answer["interpreter"], answer["environ"]["PATH_INFO"]) == ("graphite", "", "/render")
    assert graphite.server.client().get("/content/static.txt").body == b"static\n"
    assert len(graphite.server.log.lines("Loading script .*product.wsgi")) == 2 # the request found it loaded


def test_pgadmin(product, virtual_environment):
    pgadmin = product("pgadmin", environment=virtual_environment)
    answer = pgadmin.get("/pgadmin4/browser/")
    assert (answer["group"], answer["threads"], answer["prefix"]) == ("pgadmin", 25, str(virtual_environment))
    assert {pgadmin.get("/pgadmin4/")["pid"] for _ in range(20)} == {answer["pid"]}


def test_reviewboard(product):
    board = product("reviewboard")
    answer = board.get("/r/1/diff/?page=2", headers={"Authorization": "token x"})
    assert (answer["group"], answer["environ"]["HTTP_AUTHORIZATION"]) == ("", "token x")
    assert answer["environ"]["PATH_INFO"] == "/rb/r/1/diff/"
    assert board.server.client().get("/media/static.txt").body == b"static\n"
    assert board.server.client().get("/favicon.ico").body == b"static\n"


def test_trac(product):
    trac = product("trac")
    (trac.server.root / "passwords").write_text("alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n") # "secret"
    (trac.server.root / "passwords").chmod(0o644)
    assert trac.get("/trac/wiki")["environ"]["REMOTE_USER"] is None
    assert trac.server.client().get("/trac/login").status == 401
    answer = trac.get("/trac/login", headers={"Authorization": "Basic " + base64.b64encode(b"alice:secret").decode()})
    assert (answer["group"], answer["interpreter"], answer["environ"]["REMOTE_USER"]) == ("", "", "alice")
    assert answer["environ"]["HTTP_AUTHORIZATION"] is None


def test_certbot(product):
    site = product("certbot", clone=5)
    assert site.get("/")["environ"]["wsgi.url_scheme"] == "http"
    secure = second(site, "/x", "https")
    assert (secure["group"], secure["environ"]["wsgi.url_scheme"]) == ("site", "https")
    assert len(site.server.daemon_pids()) == 1 # one group for both
    site.server.log.wait_for("Process group 'site' .* is defined again, with the same options")


def test_certbot_with_a_clone_that_was_edited(fresh_server):
    site = Product(fresh_server, "certbot", clone=7)
    site.server.port = free_port()
    site.server.write_config = site.write_config
    done = site.server.check_config()
    assert done.returncode != 0
    assert "site" in done.stdout and "defined differently" in done.stdout
    assert done.stdout.count("httpd.conf") >= 2
