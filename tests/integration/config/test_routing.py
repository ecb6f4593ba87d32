"""Which process group and interpreter a request gets: contexts, merging, expansion variables, restrictions."""
import pytest


CONFIG = """
WSGIDaemonProcess main threads=2
WSGIDaemonProcess other threads=2
SetEnv GROUP other
SetEnv INTERPRETER chosen
SetEnv INDIRECT %{GLOBAL}
SetEnv CALLABLE application
WSGIScriptAlias /option/process {root}/apps/environ.wsgi process-group=main
WSGIScriptAlias /option/interpreter {root}/apps/environ.wsgi application-group=named
WSGIScriptAlias /option/both {root}/apps/environ.wsgi process-group=other application-group=named
WSGIScriptAlias /option/beats {root}/apps/environ.wsgi process-group=main
WSGIScriptAlias /option/authorization {root}/apps/environ.wsgi pass-authorization=On
WSGIScriptAlias /option/variable {root}/apps/environ.wsgi process-group=%{ENV:GROUP} application-group=%{ENV:INTERPRETER}
WSGIScriptAlias / {root}/apps/environ.wsgi
<Location /option/beats>
  WSGIProcessGroup other
</Location>
<Location /process>
  WSGIProcessGroup main
  <If "%{QUERY_STRING} == 'inner'">
    WSGIProcessGroup other
  </If>
</Location>
<Location /process/embedded>
  WSGIProcessGroup %{GLOBAL}
</Location>
<Location /process/env>
  WSGIProcessGroup %{ENV:GROUP}
</Location>
<Location /process/indirect>
  WSGIProcessGroup %{ENV:INDIRECT}
</Location>
<Location /process/unknown>
  WSGIProcessGroup nowhere
</Location>
<Location /process/undefined>
  WSGIProcessGroup %{ENV:UNDEFINED}
</Location>
<Location /process/literal>
  WSGIProcessGroup x%{GLOBAL}
</Location>
<Location /restricted>
  WSGIRestrictProcess main
</Location>
<Location /restricted/main>
  WSGIProcessGroup main
</Location>
<Location /restricted/other>
  WSGIProcessGroup other
</Location>
<Location /interpreter/global>
  WSGIApplicationGroup %{GLOBAL}
</Location>
<Location /interpreter/server>
  WSGIApplicationGroup %{SERVER}
</Location>
<Location /interpreter/host>
  WSGIApplicationGroup %{HOST}
</Location>
<Location /interpreter/resource>
  WSGIApplicationGroup %{RESOURCE}
</Location>
<Location /interpreter/env>
  WSGIApplicationGroup %{ENV:INTERPRETER}
</Location>
<Location /interpreter/literal>
  WSGIApplicationGroup plain-name
</Location>
<Location /interpreter/odd>
  WSGIApplicationGroup %{ODD}
</Location>
<Location /callable>
  WSGICallableObject %{ENV:CALLABLE}
</Location>
<Location /callable/undefined>
  WSGICallableObject %{ENV:UNDEFINED}
</Location>
"""


@pytest.fixture(scope="module")
def server(make_server):
    server = make_server(config=CONFIG, application_group=None, children=1)
    server.log.expect("WSGI0281", "'nowhere'")
    server.log.expect("WSGI0281", "'x%{GLOBAL}'")
    return server


def get(client, path, **options):
    return client.get(path, **options).json()["environ"]


@pytest.mark.parametrize("path, group", [
    ("/", ""), ("/option/process", "main"), ("/option/both", "other"), ("/option/beats", "main"), ("/option/variable", "other"),
    ("/process", "main"), ("/process?inner", "other"), ("/process/embedded", ""), ("/process/env", "other"), ("/process/indirect", ""),
    ("/restricted/main", "main"),
])
def test_process_group(client, path, group):
    assert get(client, path)["mod_wsgi.process_group"] == group


@pytest.mark.parametrize("path, number", [
    ("/process/unknown", "WSGI0151"), ("/process/undefined", "WSGI0151"), ("/process/literal", "WSGI0151"),
    ("/restricted/other", "WSGI0149"), ("/restricted", "WSGI0149"),
])
def test_request_without_group(server, client, path, number):
    assert client.get(path).status == 500
    server.log.expect(number)


@pytest.mark.parametrize("path, name", [
    ("/", "localhost:{port}|"), ("/option/interpreter", "named"), ("/option/both", "named"), ("/option/variable", "chosen"),
    ("/option/process", "localhost:{port}|/option/process"),
    ("/interpreter/global", ""), ("/interpreter/server", "localhost:{port}"), ("/interpreter/resource", "localhost:{port}|"),
    ("/interpreter/env", "chosen"), ("/interpreter/literal", "plain-name"), ("/interpreter/odd", "%{{ODD}}"),
])
def test_application_group(server, client, path, name):
    assert get(client, path)["mod_wsgi.application_group"] == name.format(port=server.port)


@pytest.mark.parametrize("host, name", [
    ("Example.COM", "example.com"), ("example.com:80", "example.com"), ("example.com:443", "example.com"),
    ("example.com:8080", "example.com:8080"),
])
def test_host_variable(client, host, name):
    assert get(client, "/interpreter/host", host=host)["mod_wsgi.application_group"] == name


@pytest.mark.parametrize("path, name", [("/callable", "application"), ("/callable/undefined", "application"), ("/", "application")])
def test_callable(client, path, name):
    assert get(client, path)["mod_wsgi.callable_object"] == name


def test_option_passes_authorization(client):
    headers = {"Authorization": "Basic YTpi"}
    assert get(client, "/option/authorization", headers=headers)["HTTP_AUTHORIZATION"] == "Basic YTpi"
    assert "HTTP_AUTHORIZATION" not in get(client, "/", headers=headers)


# Virtual hosts

VHOSTS = """
WSGIDaemonProcess shared threads=1
WSGIScriptAlias / {root}/apps/environ.wsgi
<VirtualHost *>
  ServerName first.example.com
  WSGIDaemonProcess own threads=1
  WSGIProcessGroup own
  SetEnv HOST_SETTING first
  WSGIScriptAlias /first {root}/apps/hello.wsgi
</VirtualHost>
<VirtualHost *>
  ServerName second.example.com
  WSGIProcessGroup own
</VirtualHost>
<VirtualHost *>
  ServerName third.example.com
  WSGIProcessGroup shared
</VirtualHost>
<VirtualHost *>
  ServerName fourth.example.com
  WSGIRestrictProcess %{GLOBAL}
</VirtualHost>
"""


@pytest.fixture(scope="module")
def hosts(make_server):
    server = make_server(before="WSGIProcessGroup shared\nWSGIPassAuthorization On\n", config=VHOSTS, application_group="%{GLOBAL}")
    server.log.expect("WSGI0294", "'own'")
    return server


def test_group_of_a_virtual_host(hosts):
    environ = get(hosts.client(), "/", host="first.example.com")
    assert (environ["mod_wsgi.process_group"], environ["HOST_SETTING"]) == ("own", "first")
    assert hosts.client().get("/first", host="first.example.com").body == b"Hello World!"


def test_settings_of_the_main_server_are_inherited(hosts):
    environ = get(hosts.client(), "/", host="third.example.com", headers={"Authorization": "x"})
    assert (environ["mod_wsgi.process_group"], environ["HTTP_AUTHORIZATION"]) == ("shared", "x")


def test_group_of_another_virtual_host_is_refused(hosts):
    assert hosts.client().get("/", host="second.example.com").status == 500
    hosts.log.expect("WSGI0152", "own")


def test_restriction_of_a_virtual_host(hosts):
    assert hosts.client().get("/", host="fourth.example.com").status == 500
    hosts.log.expect("WSGI0149")


# Whole server

def test_undefined_group_is_announced_at_start(fresh_server):
    server = fresh_server("hello.wsgi", config="<Location /x>\n  WSGIProcessGroup nowhere\n</Location>\n")
    assert "httpd.conf:" in server.log.expect("WSGI0281", "nowhere")
    assert server.client().get("/").body == b"Hello World!"
    assert server.client().get("/x").status == 500
    server.log.allow("WSGI0150", "WSGI0151")


def test_restrict_embedded(fresh_server):
    server = fresh_server("hello.wsgi", before="WSGIRestrictEmbedded On\n")
    assert server.client().get("/").status == 500
    server.log.expect("WSGI0143")


def test_htaccess(fresh_server):
    server = fresh_server("environ.wsgi", config="<Directory {root}/apps>\n  AllowOverride FileInfo\n</Directory>\n")
    htaccess = server.root / "apps" / ".htaccess"
    htaccess.write_text("WSGIPassAuthorization On\n")
    htaccess.chmod(0o644)
    headers = {"Authorization": "x"}
    assert get(server.client(), "/", headers=headers)["HTTP_AUTHORIZATION"] == "x"
    for line in ("WSGIProcessGroup x", "WSGIApplicationGroup x", "WSGIPassApacheRequest On", "WSGIRestrictProcess x"):
        htaccess.write_text(line + "\n")
        assert server.client().get("/").status == 500, line


def test_handler_script(fresh_server):
    server = fresh_server(config="WSGIHandlerScript my-handler {root}/apps/handler.wsgi\n"
                                 "<Directory {root}/htdocs>\n  AddHandler my-handler .txt\n</Directory>\n")
    answer = server.client().get("/static.txt/info").text.split("\n")
    assert answer == ["handled", str(server.root / "htdocs" / "static.txt"), str(server.root / "apps" / "handler.wsgi"), "my-handler", "/info"]


def test_identical_definition_is_shared(fresh_server):
    clone = "<VirtualHost *>\nServerName {0}.example.com\nWSGIDaemonProcess same threads=2\nWSGIProcessGroup same\n</VirtualHost>\n"
    server = fresh_server("environ.wsgi", config=clone.format("a") + clone.format("a"))
    assert get(server.client(), "/", host="a.example.com")["mod_wsgi.process_group"] == "same"
    server.wait_until(lambda: len(server.daemon_pids()) == 1, 10, "one group")
