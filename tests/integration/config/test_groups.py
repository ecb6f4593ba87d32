"""Process groups that are named but not defined, defined but not used, or out of reach: said at start and by ``configtest``."""
import re

import pytest

NUMBERS = ("WSGI0281", "WSGI0293", "WSGI0294", "WSGI0295")


def host(name: str, *lines: str) -> str:
    return "<VirtualHost *>\nServerName {}.example.com\n{}\n</VirtualHost>\n".format(name, "\n".join(lines))


def complaints(servers, config: str, **fields):
    """Number and text of each message about groups that ``apache2 -t`` prints."""
    done = servers.site(config=config, **fields).check_config()
    assert done.returncode == 0, done.stdout
    found = re.findall(r"(WSGI\d{4}): (.*)", done.stdout)
    return [(number, text) for number, text in found if number in NUMBERS]


@pytest.mark.parametrize("line", [
    "WSGIProcessGroup shpo", "WSGIScriptAlias / {root}/apps/hello.wsgi process-group=shpo",
    "WSGIHandlerScript x {root}/apps/hello.wsgi process-group=shpo",
])
def test_similar_name_is_suggested(fresh_server, line):
    config = "WSGIDaemonProcess shop\n<Location /used>\nWSGIProcessGroup shop\n</Location>\n" + line + "\n"
    [(number, text)] = complaints(fresh_server, config)
    assert number == "WSGI0281"
    assert text.startswith(line.split()[0] + " at ")
    assert re.search(r"httpd\.conf:\d+ names process group 'shpo', .* \(did you mean 'shop'\?\);", text)


def test_other_names_are_not_suggested(fresh_server):
    config = "WSGIDaemonProcess shop\nWSGIProcessGroup shop\n<Location /x>\nWSGIProcessGroup nowhere\n</Location>\n"
    [(number, text)] = complaints(fresh_server, config)
    assert number == "WSGI0281" and "did you mean" not in text


def test_unused(fresh_server):
    [(number, text)] = complaints(fresh_server, "WSGIDaemonProcess idle\nWSGIProcessGroup %{GLOBAL}\n")
    assert number == "WSGI0293"
    assert re.search(r"'idle', defined at \S+httpd\.conf:\d+, is not used", text)


def test_unused_is_said_at_start_too(fresh_server):
    server = fresh_server("hello.wsgi", config="WSGIDaemonProcess idle\n")
    server.log.expect("WSGI0293", "'idle'")
    assert server.client().get("/").status == 200


@pytest.mark.parametrize("use", [
    "WSGIProcessGroup idle", "<Location /x>\nWSGIProcessGroup idle\n</Location>",
    "WSGIScriptAlias / {root}/apps/hello.wsgi process-group=idle",
    "WSGIHandlerScript x {root}/apps/hello.wsgi process-group=idle",
    "WSGIImportScript {root}/apps/hello.wsgi process-group=idle application-group=%{GLOBAL}",
    "WSGIProcessGroup %{ENV:GROUP}", "WSGIScriptAlias / {root}/apps/hello.wsgi process-group=%{HOST}",
    "WSGIDispatchScript {root}/apps/dispatch.wsgi", "<VirtualHost *>\nServerName other\nWSGIProcessGroup idle\n</VirtualHost>",
])
def test_used(fresh_server, use):
    assert complaints(fresh_server, "WSGIDaemonProcess idle\n" + use + "\n") == []


def test_named_in_a_host_that_may_not_use_it(fresh_server):
    config = host("one", "WSGIDaemonProcess own", "WSGIProcessGroup own") + host("two", "WSGIProcessGroup own")
    [(number, text)] = complaints(fresh_server, config)
    assert number == "WSGI0294"
    assert len(re.findall(r"httpd\.conf:\d+", text)) == 2


def test_out_of_reach(fresh_server):
    config = host("one", "WSGIDaemonProcess own") + host("two", "WSGIProcessGroup own")
    assert [number for number, text in complaints(fresh_server, config)] == ["WSGI0294", "WSGI0295"]


def test_variable_in_a_host_that_may_not_use_it(fresh_server):
    config = host("one", "WSGIDaemonProcess own") + host("two", "WSGIProcessGroup %{ENV:GROUP}")
    assert [number for number, text in complaints(fresh_server, config)] == ["WSGI0293"]


def test_group_of_a_host_with_the_same_name(fresh_server):
    assert complaints(fresh_server, host("one", "WSGIDaemonProcess own") + host("one", "WSGIProcessGroup own")) == []


def test_group_of_a_host_that_the_main_server_names(fresh_server):
    assert complaints(fresh_server, "WSGIProcessGroup own\n" + host("one", "WSGIDaemonProcess own")) == []
