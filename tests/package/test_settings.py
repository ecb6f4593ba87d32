"""Values that follow from others, and combinations that are refused."""
import pytest

from mod_wsgi.express.settings import MpmSize, SettingsError, choose_locale, choose_mpm, resolve, size_prefork
from mod_wsgi.express.settings import size_threaded

from .machine import host


def settings(**given):
    return resolve(given, host())


@pytest.mark.parametrize("clients, threads, limit", [(20, 10, 2), (21, 10, 3), (25, 12, 3), (100, 16, 7), (40, 13, 4)])
def test_threads_of_threaded_models(clients, threads, limit):
    size = size_threaded(clients, None, None, None)
    assert (size.threads, size.limit, size.maximum) == (threads, limit, threads * limit)
    assert size.maximum >= clients


def test_shares_of_threaded_models():
    assert size_threaded(100, None, None, None) == MpmSize(7, 16, 112, 1, 16, 64)
    assert size_threaded(100, 0.5, None, 1.0) == MpmSize(7, 16, 112, 3, 48, 112)


def test_shares_of_prefork():
    assert size_prefork(100, None, None, None) == MpmSize(100, 1, 100, 5, 5, 10)
    assert size_prefork(100, 0.2, 0.1, 0.5) == MpmSize(100, 1, 100, 20, 10, 50)
    assert size_prefork(1, 0.0, None, 0.0) == MpmSize(1, 1, 1, 1, 1, 1)


@pytest.mark.parametrize("given, clients", [
    ({}, 20),
    ({"processes": 4, "threads": 5}, 40),
    ({"processes": 2, "threads": 5, "max_clients": 7}, 10),
    ({"max_clients": 300}, 300),
])
def test_clients_cover_the_request_threads(given, clients):
    assert settings(**given).prefork.maximum == clients


def test_embedded_mode_gives_apache_exactly_the_threads_wanted():
    made = settings(embedded_mode=True, processes=3, threads=4)
    assert made.threaded == MpmSize(3, 4, 12, 3, 12, 12)
    assert made.prefork == MpmSize(12, 1, 12, 12, 12, 12)
    assert made.mpm == "worker" and made.keep_alive_requests == 100 and made.disable_reloading


def test_debug_mode_is_one_process_with_one_thread():
    made = settings(debug_mode=True, processes=3, reload_on_changes=True)
    assert made.threaded == MpmSize(1, 1, 1, 1, 1, 1)
    assert not made.reloader


def test_names_of_a_plain_server():
    made = settings()
    assert made.server_root == "/tmp/mod_wsgi-localhost:8000:1000"
    assert made.process_group == "localhost:8000"
    assert made.daemon_title == "(wsgi:localhost:8000:1000)"
    assert made.document_root == made.server_root + "/htdocs"
    assert (made.user, made.group) == ("someone", "people")


def test_names_of_a_named_group():
    made = settings(process_group="shop", host="10.0.0.1", port=81)
    assert made.server_root == "/tmp/mod_wsgi-10.0.0.1:81:1000"
    assert (made.process_group, made.daemon_title) == ("shop", "(wsgi:shop)")


@pytest.mark.parametrize("given, mount", [
    ("/", "/"), ("app", "/app"), ("/a//b/", "/a/b"), ("/a/../b", "/b"), ("//x", "/x"),
])
def test_mount_point_is_normalised(given, mount):
    assert settings(mount_point=given).mount_point == mount


def test_giving_one_process_still_means_several():
    assert settings(processes=1).multiprocess
    assert not settings().multiprocess


def test_log_directory_switches_the_terminal_off():
    made = settings(log_to_terminal=True, log_directory="/var/log/x", rotate_logs=True)
    assert not made.log_to_terminal and made.rotate_logs
    assert made.error_log == "/var/log/x/error_log"
    assert not settings(log_to_terminal=True, rotate_logs=True).rotate_logs


def test_static_serves_the_entry_point_or_the_current_directory():
    assert settings(application_type="static", entry_point="files").document_root == "/srv/place/files"
    assert settings(application_type="static").document_root == "/srv/place"


@pytest.mark.parametrize("given, machine, expected", [
    ({"locale": "de_DE.UTF-8", "lang": "fr"}, {}, "de_DE.UTF-8"),
    ({"lang": "fr_FR.UTF-8"}, {}, "fr_FR.UTF-8"),
    ({}, {"locale": "nl_NL.UTF-8"}, "nl_NL.UTF-8"),
    ({}, {"locale": "C", "usable_locales": ("C.UTF-8", "en_US.UTF-8")}, "en_US.UTF-8"),
    ({}, {"locale": "POSIX", "usable_locales": ("C.UTF-8",)}, "C.UTF-8"),
    ({}, {"locale": "C", "usable_locales": ()}, "C"),
    ({"locale": "C"}, {}, "C"),
])
def test_locale(given, machine, expected):
    assert choose_locale({"locale": None, "lang": None, **given}, host(**machine)) == expected


@pytest.mark.parametrize("wanted, embedded, machine, expected", [
    ((), False, {}, "event"),
    ((), True, {}, "worker"),
    (("prefork", "worker"), False, {}, "worker"),
    (("prefork",), False, {"compiled_in": frozenset(["event"])}, "event"),
    ((), False, {"mpms": ("prefork",)}, "prefork"),
])
def test_process_model(wanted, embedded, machine, expected):
    assert choose_mpm(wanted, embedded, host(**machine)) == expected


@pytest.mark.parametrize("given, option", [
    ({"server_mpm": ("prefork",), "machine": ("event",)}, "--server-mpm"),
    ({"ssl_certificate": "/x"}, "--ssl-certificate needs --https-port"),
    ({"ssl_certificate_key_file": "/x"}, "--ssl-certificate-key-file needs --https-port"),
    ({"https_port": 443}, "--https-port needs"),
    ({"https_port": 8000, "ssl_certificate": "/x"}, "must differ"),
    ({"https_only": True}, "--https-only needs"),
    ({"hsts_policy": "max-age=1"}, "--hsts-policy needs"),
    ({"error_document": (("abc", "/x"),)}, "--error-document"),
    ({"setenv": (("A=B", "x"),)}, "--setenv"),
    ({"url_alias": (("s", "/x"),)}, "--url-alias"),
    ({"application_type": "module"}, "--application-type module"),
])
def test_combinations_that_do_not_fit(given, option):
    mpms = given.pop("machine", ("event", "worker", "prefork"))
    with pytest.raises(SettingsError) as refused:
        resolve(given, host(mpms=mpms))
    assert option in str(refused.value)


def test_certificate_prefix():
    made = settings(https_port=8443, ssl_certificate="/etc/site")
    assert (made.ssl_certificate_file, made.ssl_certificate_key_file) == ("/etc/site.crt", "/etc/site.key")
