"""The applications of mod_wsgi.diagnostics, under the reference server's rules."""
import importlib
import io
import warnings
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from mod_wsgi.diagnostics import environ as environ_page
from mod_wsgi.diagnostics import hello, overview


def call(application, body=b"", **changes):
    environ = {"QUERY_STRING": ""}
    setup_testing_defaults(environ)
    environ.update({"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body)), **changes})
    seen = {}

    def start_response(status, headers, exc_info=None):
        seen.update(status=status, headers=dict(headers))
        return lambda data: None

    result = application(environ, start_response)
    try:
        return seen["status"], seen["headers"], b"".join(result)
    finally:
        if hasattr(result, "close"):
            result.close()


@pytest.mark.parametrize("module", [hello, overview, environ_page], ids=lambda module: module.__name__.split(".")[-1])
def test_keeps_the_rules_of_wsgi(module):
    assert call(validator(module.application))[0] == "200 OK"


def test_hello():
    status, headers, body = call(hello.application)
    assert (headers["Content-Type"], headers["Content-Length"], body) == ("text/plain", "12", b"Hello World!")


def test_environ_shows_groups_and_echoes_the_body():
    text = call(environ_page.application, b"x" * 9000)[2].decode()
    for label in ("PID: ", "CWD: ", "python.prefix: '", "mod_wsgi.process_group: ", "apache.mpm_name: ",
                  "sys.getfilesystemencoding(): ", "REQUEST_METHOD: 'GET'"):
        assert label in text
    assert text.endswith("\n\n" + "x" * 9000)


def test_overview_escapes_what_the_client_sent():
    hostile = {"PATH_INFO": "/<script>alert(1)</script>", "HTTP_USER_AGENT": '"><img src=x>'}
    page = call(overview.application, **hostile)[2].decode()
    assert "<script" not in page and "<img" not in page
    assert "&lt;script&gt;" in page


def test_overview_loads_nothing_from_elsewhere():
    page = call(overview.application)[2].decode()
    assert "src=" not in page and "@import" not in page and "<link" not in page


def test_overview_shows_the_time_of_each_step():
    times = {"mod_wsgi.request_start": "1000000", "mod_wsgi.queue_start": "1001000", "mod_wsgi.daemon_start": "1003000",
             "mod_wsgi.script_start": "1006000"}
    rows = dict(overview.timings(times, 1.010))
    assert rows["until handed to the process group"] == "1.000 ms"
    assert rows["until accepted by a thread of a daemon process"] == "2.000 ms"
    assert rows["together"] == "10.000 ms"


def test_the_package_has_no_public_names():
    package = importlib.import_module("mod_wsgi")
    modules = {"diagnostics", "express", "server"}
    assert {name for name in vars(package) if not name.startswith("_")} <= modules


def test_the_old_name_warns():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        import mod_wsgi.server

        importlib.reload(mod_wsgi.server)
    assert any(w.category is FutureWarning and "mod_wsgi.express" in str(w.message) for w in caught)
