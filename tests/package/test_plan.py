"""The text of generated files."""
import ast
import re

import pytest

from mod_wsgi.express import plan
from mod_wsgi.express.render import quote
from mod_wsgi.express.settings import resolve

from .machine import host


def made(machine=None, **given):
    return resolve(given, host(**(machine or {})), ("mod_wsgi-express", "start-server", "two\nlines"))


def configuration(**given):
    return plan.configuration(made(**given), is_file=lambda path: path.endswith(".txt"))


def content(name, **given):
    files = {file.path.rsplit("/", 1)[1]: file for file in plan.make(made(**given)).files}
    return files[name].content


@pytest.mark.parametrize("value, word", [
    ("plain", '"plain"'), ('a "b" c', '"a \\"b\\" c"'), ("back\\slash", '"back\\\\slash"'), ("", '""'), (5, '"5"'),
])
def test_words_of_the_configuration(value, word):
    assert quote(value) == word


def test_files_and_folders():
    result = plan.make(made(mount_point="/a/b"))
    root = "/tmp/mod_wsgi-localhost:8000:1000"
    assert {file.path[len(root) + 1:] for file in result.files} == {
        "httpd.conf", "handler.wsgi", "default.wsgi", "apachectl", "envvars", "rewrite.conf"}
    assert result.directories == (root, root + "/htdocs", root + "/htdocs/a", root + "/htdocs/a/b")
    assert result.owned == (root + "/python-eggs",)
    assert {file.path.rsplit("/", 1)[1] for file in result.files if file.keep} == {"envvars", "rewrite.conf"}
    assert [oct(file.mode) for file in result.files if file.path.endswith("apachectl")] == ["0o755"]


def test_envvars_script_replaces_what_is_kept():
    result = plan.make(made(envvars_script="/etc/my vars"))
    envvars = [file for file in result.files if file.path.endswith("envvars")][0]
    assert (envvars.content, envvars.keep) == (". '/etc/my vars'\n", False)


def test_no_placeholder_is_left():
    text = configuration()
    assert re.findall(r"\$\{?(?!\{?MOD_WSGI_)\w+", text) == []
    assert "${MOD_WSGI_USER}" in text


def test_modules_are_loaded_only_when_not_compiled_in():
    text = configuration()
    assert "<IfModule !mod_rewrite.c>\n    LoadModule rewrite_module" in text
    assert 'LoadModule wsgi_module "/opt/mod_wsgi.so"' in text


def test_daemon_process_has_processes_only_when_given():
    assert 'processes=' not in configuration()
    assert 'processes="1"' in configuration(processes=1)


def test_daemon_process_quotes_its_values():
    text = configuration(working_directory='/a "b"', python_path=("/x y", "/z"))
    assert 'home="/a \\"b\\""' in text
    assert 'python-path="/x y:/z"' in text


@pytest.mark.parametrize("given, line", [
    ({}, "RequestReadTimeout header=15-30,MinRate=500 body=15,MinRate=500\n"),
    ({"header_timeout": 0}, "RequestReadTimeout body=15,MinRate=500\n"),
    ({"body_timeout": 0, "header_min_rate": 0}, "RequestReadTimeout header=15-30\n"),
    ({"host": "10.0.0.1"}, "\nListen 10.0.0.1:8000\n"),
    ({"host": "::1"}, "\nListen [::1]:8000\n"),
    ({"setenv": (("A", 'x "y"'),)}, 'SetEnv "A" "x \\"y\\""\n'),
    ({"trust_proxy_header": ("X-Forwarded-For", "X-Forwarded-Proto")},
     'WSGITrustedProxyHeaders "X-Forwarded-For" "X-Forwarded-Proto"\n'),
    ({"include_file": ("/etc/more.conf",)}, 'Include "/etc/more.conf"\n'),
    ({"ignore_activity": ("/health",)}, '<Location "/health">\n    WSGIIgnoreActivity On\n'),
    ({"switch_interval": 0.01}, "WSGISwitchInterval 0.01\n"),
    ({"error_document": (("404", "/gone.html"),)}, 'ErrorDocument 404 "/gone.html"\n'),
    ({"log_to_terminal": True}, 'ErrorLog "/dev/stderr"\n'),
    ({"log_to_terminal": True, "machine": {"error_device": "|$cat >&2"}}, 'ErrorLog "|$cat >&2"\n'),
    ({"rotate_logs": True}, "|/usr/bin/rotatelogs"),
    ({"embedded_mode": True}, 'process-group="%{GLOBAL}"'),
])
def test_lines(given, line):
    assert line in configuration(**given)


def test_longer_aliases_come_first_and_files_are_granted_alone():
    aliases = (("/s/", "/srv/static"), ("/s/one.txt", "/srv/other/one.txt"))
    expected = (
        'Alias "/s/one.txt" "/srv/other/one.txt"\n<Directory "/srv/other">\n    <Files "one.txt">\n'
        '        Require all granted\n    </Files>\n</Directory>\n'
        'Alias "/s/" "/srv/static/"\n<Directory "/srv/static">\n    Require all granted\n</Directory>'
    )
    assert expected in configuration(url_alias=aliases)
    assert expected in configuration(url_alias=aliases[::-1])


def test_virtual_hosts_of_a_named_site():
    text = plan.virtual_hosts(made(server_name="www.example.org", server_alias=("*.example.net",)))
    assert text.count("<VirtualHost *:8000>") == 3
    assert "ServerName _wsgi_\n    <Location />\n        Require all denied" in text
    assert 'ServerName "www.example.org"\n    ServerAlias "*.example.net"' in text
    assert 'ServerName "example.org"\n    Redirect permanent / "http://www.example.org:8000/"' in text


def test_localhost_may_be_let_in():
    assert "Require local" in plan.virtual_hosts(made(server_name="example.org", allow_localhost=True))


@pytest.mark.parametrize("name", [None, "example.org"])
def test_https_hosts(name):
    text = plan.virtual_hosts(made(server_name=name, https_port=8443, ssl_certificate="/c", https_only=True))
    assert "Listen 8443" in text
    assert 'SSLCertificateFile "/c.crt"' in text
    assert "[R=301,L]" in text.split("<VirtualHost *:8443>")[0]


@pytest.mark.parametrize("given, present, absent", [
    ({}, {"MOD_WSGI_KEEP_ALIVE", "MOD_WSGI_MPM_ENABLE_EVENT_MODULE", "MOD_WSGI_IMPORT_HANDLER_SCRIPT"},
     {"ONE_PROCESS", "EMBEDDED_MODE", "MOD_WSGI_MULTIPROCESS", "MOD_WSGI_DISABLE_RELOADING"}),
    ({"processes": 1}, {"MOD_WSGI_MULTIPROCESS"}, set()),
    ({"embedded_mode": True}, {"EMBEDDED_MODE", "MOD_WSGI_DISABLE_RELOADING"}, {"ONE_PROCESS"}),
    ({"debug_mode": True}, {"ONE_PROCESS"}, {"EMBEDDED_MODE"}),
    ({"application_type": "static"}, {"MOD_WSGI_STATIC_ONLY"}, {"MOD_WSGI_IMPORT_HANDLER_SCRIPT"}),
    ({"application_group": "%{ENV:SITE}"}, set(), {"MOD_WSGI_IMPORT_HANDLER_SCRIPT"}),
    ({"keep_alive_timeout": 0}, set(), {"MOD_WSGI_KEEP_ALIVE"}),
    ({"machine": {"compiled_in": frozenset(["prefork"])}}, set(), {"MOD_WSGI_MPM_ENABLE_PREFORK_MODULE"}),
])
def test_switches(given, present, absent):
    names = set(plan.switches(made(**given)))
    assert present <= names and not absent & names


def test_control_script_keeps_its_comment_on_one_line():
    script = content("apachectl")
    assert "#     mod_wsgi-express start-server 'two lines'\n" in script
    assert "MOD_WSGI_USER=${MOD_WSGI_USER:-${WSGI_RUN_USER:-someone}}" in script


def test_process_title_leaves_room_for_that_of_the_daemons():
    settings = made(process_group="x" * 80)
    assert len(plan.process_title(settings)) >= len(settings.daemon_title)


@pytest.mark.parametrize("given", [{}, {"entry_point": 'it\'s "here"\\.wsgi'}, {"reload_on_changes": True},
                                   {"disable_reloading": True, "debug_mode": True}])
def test_handler_script_is_python(given):
    ast.parse(content("handler.wsgi", **given))


def test_handler_script_says_what_is_on():
    assert "MOD_WSGI_RELOADER_ENABLED" in content("handler.wsgi", reload_on_changes=True)
    assert "MOD_WSGI_RELOADER_ENABLED" not in content("handler.wsgi")
    assert "'/tmp/mod_wsgi-localhost:8000:1000/default.wsgi'" in content("handler.wsgi")
