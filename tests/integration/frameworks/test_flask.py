"""A Flask application."""
import hashlib
import os

import pytest
import requests


@pytest.fixture(scope="module")
def server(make_server, mode, framework_home):
    return make_server("flask_site.wsgi", mode=mode, python_home=framework_home, daemon={"threads": 3})


@pytest.fixture
def browser(server):
    with requests.Session() as session:
        session.trust_env = False
        session.base = "http://127.0.0.1:{}".format(server.port)
        yield session


def get(browser, path, **options):
    return browser.get(browser.base + path, timeout=30, **options)


def test_page(browser):
    assert get(browser, "/").text == "Hello from Flask"


def test_json(server, browser):
    answer = browser.post(browser.base + "/json", json={"a": [1, "\u20ac"]}, timeout=30).json()
    assert answer == {"got": {"a": [1, "\u20ac"]}, "host": "127.0.0.1:{}".format(server.port), "remote": "127.0.0.1"}


def test_upload(browser):
    content = os.urandom(700_000)
    answer = browser.post(browser.base + "/upload", files={"file": ("a.bin", content)}, data={"title": "T"}, timeout=30).json()
    assert answer == {"name": "a.bin", "digest": hashlib.sha256(content).hexdigest(), "title": "T"}


def test_session(browser):
    assert [get(browser, "/count").text for _ in range(3)] == ["1", "2", "3"]


def test_stream(browser):
    assert get(browser, "/stream").text == "".join("{}\n".format(number) for number in range(500))


def test_files(server, browser):
    path = server.root / "apps" / "flask_site.wsgi"
    answer = get(browser, "/file")
    assert answer.content == path.read_bytes()
    assert get(browser, "/file", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
    part = get(browser, "/file", headers={"Range": "bytes=5-14"})
    assert (part.status_code, part.content) == (206, path.read_bytes()[5:15])
    assert get(browser, "/memory").content == b"in memory" * 1000


def test_statuses(server, browser):
    assert get(browser, "/old", allow_redirects=False).headers["Location"] == "/"
    assert get(browser, "/teapot").status_code == 418
    assert get(browser, "/nowhere").status_code == 404
    assert get(browser, "/broken").status_code == 500
    server.log.wait_for("a view that fails")
