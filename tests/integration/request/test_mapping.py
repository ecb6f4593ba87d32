"""From URL to script, SCRIPT_NAME and PATH_INFO."""
import pytest

CONFIG = """
AllowEncodedSlashes On
WSGIScriptAlias /dir {root}/apps/
WSGIScriptAliasMatch ^/match/([a-z]+) {root}/apps/$1.wsgi
Alias /static-wins {root}/htdocs
WSGIScriptAlias /static-wins {root}/apps/environ.wsgi
<Directory {root}/htdocs/cgi>
  Options +ExecCGI
  AddHandler wsgi-script .wsgi
</Directory>
<Directory {root}/htdocs/noexec>
  Options -ExecCGI
  AddHandler wsgi-script .wsgi
</Directory>
<Directory {root}/htdocs/typed>
  Options +ExecCGI
  AddType application/x-httpd-wsgi .wsgi
</Directory>
<Location /no-path-info>
  AcceptPathInfo Off
</Location>
Alias /plain {root}/htdocs
"""


@pytest.fixture(scope="module")
def server(make_server, mode):
    server = make_server.site(apps={"/": "environ.wsgi", "/app": "environ.wsgi", "/no-path-info": "environ.wsgi"},
                              mode=mode)
    source = (server.root / "apps" / "environ.wsgi").read_text()
    for name in ("cgi", "noexec", "typed"):
        folder = server.root / "htdocs" / name
        folder.mkdir()
        folder.chmod(0o755)
        (folder / "one.wsgi").write_text(source)
        (folder / "one.wsgi").chmod(0o644)
    # Before the alias of `/`, which takes everything that is left.
    server.site.before = CONFIG + "".join("Alias /{0} {{root}}/htdocs/{0}\n".format(name) for name in ("cgi", "noexec", "typed"))
    return server.start()


@pytest.mark.parametrize("path, script_name, path_info", [
    ("/", "", "/"),
    ("/a/b", "", "/a/b"),
    ("/a//b/", "", "/a/b/"),
    ("/a%20b", "", "/a b"),
    ("/%C3%BC", "", "/\xc3\xbc"),
    ("/app", "/app", ""),
    ("/app/", "/app", "/"),
    ("/app/x", "/app", "/x"),
    ("/app//x///y", "/app", "/x/y"),
    ("//app//x", "/app", "/x"),
    ("/app/x%2Fy", "/app", "/x/y"),
    ("/app/./x/../y", "/app", "/y"),
    ("/apple", "", "/apple"),
    ("/dir/environ.wsgi/x", "/dir/environ.wsgi", "/x"),
    ("/dir/environ.wsgi", "/dir/environ.wsgi", ""),
    ("/match/environ/x/y", "/match/environ", "/x/y"),
    ("/cgi/one.wsgi/a/b", "/cgi/one.wsgi", "/a/b"),
    ("/typed/one.wsgi/a", "/typed/one.wsgi", "/a"),
])
def test_script_name_and_path_info(client, path, script_name, path_info):
    environ = client.get(path).json()["environ"]
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == (script_name, path_info)
    assert (environ["mod_wsgi.script_name"], environ["mod_wsgi.path_info"]) == (script_name, path_info)


@pytest.mark.parametrize("target, query", [
    ("/app/x?a=1&b=%20", "a=1&b=%20"),
    ("/app//x%20?", ""),
    ("/app", ""),
    ("/?a?b", "a?b"),
])
def test_request_uri_is_as_received(client, target, query):
    environ = client.get(target).json()["environ"]
    assert environ["REQUEST_URI"] == target
    assert environ["QUERY_STRING"] == query


def test_absolute_request_target_stays_absolute(server, client):
    target = "http://localhost:{}/app/x".format(server.port)
    environ = client.get(target).json()["environ"]
    assert environ["REQUEST_URI"] == target
    assert environ["PATH_INFO"] == "/x"


def test_script_filename_is_the_mapped_file(server, client):
    assert client.get("/app/x").json()["environ"]["SCRIPT_FILENAME"] == str(server.root / "apps" / "environ.wsgi")
    assert client.get("/cgi/one.wsgi/x").json()["environ"]["SCRIPT_FILENAME"] == str(server.root / "htdocs/cgi/one.wsgi")
    assert client.get("/app").json()["environ"]["DOCUMENT_ROOT"] == str(server.root / "htdocs")


def test_alias_wins_over_script_alias(client):
    assert client.get("/static-wins/static.txt").body == b"static\n"


def test_missing_script(server, client):
    assert client.get("/dir/none.wsgi").status == 404
    server.log.expect("WSGI0135")


def test_folder_instead_of_script(server, client):
    assert client.get("/dir/").status == 403
    server.log.expect("WSGI0136")


def test_exec_cgi_is_needed_without_alias(server, client):
    assert client.get("/noexec/one.wsgi").status == 403
    server.log.expect("WSGI0134")


def test_path_info_can_be_refused(server, client):
    assert client.get("/no-path-info/x").status == 404
    server.log.expect("WSGI0137")
    assert client.get("/no-path-info").status == 200
