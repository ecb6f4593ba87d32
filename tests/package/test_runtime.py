"""What runs inside the server, outside of it."""
import os

import pytest

from mod_wsgi.express import reloader
from mod_wsgi.express.runtime import Handler, split_path, welcome


@pytest.mark.parametrize("mount, script_name, path_info, expected", [
    ("/", "/y", "", ("", "/y")),
    ("/", "/y", "/z", ("", "/y/z")),
    ("/app", "/app", "/z", ("/app", "/z")),
    ("/app", "/app/z", "", ("/app", "/z")),
    ("/app", "/app", "", ("/app", "")),
    ("/app", "/other", "", ("", "/other")),
    ("/app", "/apple", "", ("", "/apple")),
])
def test_path_variables(mount, script_name, path_info, expected):
    assert split_path(mount, script_name, path_info) == expected


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "app.wsgi"
    path.write_text("def application(environ, start_response):\n"
                    "    return [environ['SCRIPT_NAME'].encode(), environ['PATH_INFO'].encode(), __file__.encode()]\n"
                    "other = lambda environ, start_response: [b'other']\n")
    return path


def make(path, **changes):
    values = {"kind": "script", "entry_point": str(path), "callable_object": "application", "mount_point": "/app",
              "working_directory": str(path.parent)}
    return Handler(**{**values, **changes})


def call(handler, **environ):
    return handler.handle_request(environ, lambda status, headers: None)


def test_script(script):
    assert call(make(script), SCRIPT_NAME="/app/x", PATH_INFO="/y") == [b"/app", b"/x/y", str(script).encode()]
    assert call(make(script, callable_object="other")) == [b"other"]


def test_script_name_of_a_trusted_proxy_stays(script):
    environ = {"SCRIPT_NAME": "/front", "PATH_INFO": "/y", "mod_wsgi.mount_point": "/front",
               "mod_wsgi.script_name": "/app/x"}
    assert call(make(script), **environ)[:2] == [b"/front", b"/x/y"]


def test_module(tmp_path, monkeypatch):
    (tmp_path / "express_sample.py").write_text("application = lambda environ, start_response: [b'module']\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    handler = make(tmp_path / "x", kind="module", entry_point="express_sample")
    assert call(handler) == [b"module"]
    assert handler.path == str(tmp_path / "express_sample.py")


def test_reload_is_required_when_the_time_differs(script):
    handler = make(script)
    assert not handler.reload_required("x")
    os.utime(str(script), (1, 1))
    assert handler.reload_required("x")
    script.unlink()
    assert handler.reload_required("x")


def test_no_reload_in_debug_mode(script, monkeypatch):
    monkeypatch.setattr("sys.path", [])
    handler = make(script, debug_mode=True)
    os.utime(str(script), (1, 1))
    assert not handler.reload_required("x")


def test_welcome_page():
    seen = []
    body = b"".join(welcome({}, lambda status, headers: seen.append((status, dict(headers)))))
    assert seen[0][0] == "200 OK" and seen[0][1]["Content-Length"] == str(len(body))
    assert b"http://" not in body.replace(b"http://www.w3.org", b"")


def test_reloader_sees_changes_and_disappearance(tmp_path):
    path = tmp_path / "module.py"
    monitor = reloader.Monitor(1.0)
    assert not monitor.has_changed(str(path))
    path.write_text("")
    assert not monitor.has_changed(str(path))
    assert not monitor.has_changed(str(path))
    os.utime(str(path), (1, 1))
    assert monitor.has_changed(str(path))
    path.unlink()
    assert monitor.has_changed(str(path))


def test_reloader_looks_at_sources():
    assert reloader.source_of("/x/module.pyc") == "/x/module.py"
    assert __file__ in set(reloader.files()) | {__file__}
    reloader.track_changes("/x/settings.ini")
    assert "/x/settings.ini" in set(reloader.files())
