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
WSGIScriptAlias /relative apps/environ.wsgi
WSGIScriptAlias /winding {root}/./apps//../apps/environ.wsgi
WSGIScriptAlias /linked {root}/linked/environ.wsgi
WSGIScriptAlias /guarded {root}/guarded/environ.wsgi
<Directory {root}/linked>
  Options -FollowSymLinks
</Directory>
<Directory {root}/guarded>
  AllowOverride FileInfo AuthConfig
  <Files environ.wsgi>
    SetEnv FROM_FILES yes
  </Files>
</Directory>
"""
HTACCESS = """
SetEnv FROM_HTACCESS yes
<If "%{REQUEST_URI} =~ m#/denied$#">
  Require all denied
</If>
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
    for name in ("linked", "guarded"):
        (server.root / name).mkdir()
        (server.root / name).chmod(0o755)
    (server.root / "linked" / "environ.wsgi").symlink_to(server.root / "apps" / "environ.wsgi")
    (server.root / "guarded" / "environ.wsgi").write_text(source)
    (server.root / "guarded" / ".htaccess").write_text(HTACCESS)
    for path in (server.root / "guarded").iterdir():
        path.chmod(0o644)
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
    ("/winding/x", "/winding", "/x"),
    ("/app/" + "long/" * 1200, "/app", "/" + "long/" * 1200),
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


@pytest.mark.parametrize("path", ["/guarded", "/guarded/", "/guarded/a/b"])
def test_sections_and_htaccess_of_the_folder_apply(client, path):
    environ = client.get(path).json()["environ"]
    assert (environ["FROM_FILES"], environ["FROM_HTACCESS"]) == ("yes", "yes")


def test_access_rules_of_htaccess_apply(client):
    assert [client.get(path).status for path in ("/guarded/denied", "/guarded/allowed")] == [403, 200]


@pytest.mark.parametrize("path", ["/linked", "/linked/", "/linked/a/b"])
def test_links_are_not_followed_where_that_is_off(client, path):
    assert client.get(path).status == 403


@pytest.mark.parametrize("path", ["/relative", "/relative/x"])
def test_a_relative_target_is_no_script(server, client, path):
    assert client.get(path).status == 404
    server.log.expect("WSGI0135")


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
