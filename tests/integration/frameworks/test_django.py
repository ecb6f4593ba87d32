"""A Django project with log-in, administration, static files and uploads."""
import hashlib
import os
import re

import pytest
import requests

from harness.background import Background


@pytest.fixture(scope="module", params=["embedded-event", "embedded-prefork", "daemon-event"])
def server(request, django_server):
    mode, mpm = request.param.split("-")
    return django_server(mode=mode, mpm=mpm, children=2, daemon={"threads": 4, "processes": 2} if mode == "daemon" else {})


class Browser(requests.Session):
    """A session that knows where the server is and how Django's forms are protected."""

    def __init__(self, server):
        super().__init__()
        self.trust_env = False
        self.base = "http://127.0.0.1:{}".format(server.port)

    def open(self, path, **options):
        return self.get(self.base + path, timeout=30, **options)

    def submit(self, path, data, **options):
        form = self.open(path)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form.text).group(1)
        return self.post(self.base + path, data={"csrfmiddlewaretoken": token, **data}, headers={"Referer": self.base + path},
                         timeout=30, **options)


@pytest.fixture
def browser(server):
    with Browser(server) as browser:
        yield browser


@pytest.fixture
def logged_in(browser):
    answer = browser.submit("/admin/login/", {"username": "admin", "password": "secret", "next": "/admin/"})
    assert answer.status_code == 200
    assert "Site administration" in answer.text
    return browser


def test_page(server, browser):
    answer = browser.open("/")
    assert (answer.status_code, answer.text) == (200, "Hello from Django at {}/".format(browser.base))


def test_wrong_password(browser):
    answer = browser.submit("/admin/login/", {"username": "admin", "password": "wrong"})
    assert "correct username and password" in answer.text.replace("\n", " ")
    assert "sessionid" not in browser.cookies


def test_administration(logged_in):
    answer = logged_in.submit("/admin/auth/user/add/", {"username": "user{}".format(os.urandom(4).hex()), "password1": "dj4ng0-word",
                                                        "password2": "dj4ng0-word", "usable_password": "true"})
    assert answer.status_code == 200
    assert "was added successfully" in answer.text
    assert "admin@example.com" in logged_in.open("/admin/auth/user/").text


def test_static_files_come_from_apache(browser):
    answer = browser.open("/static/admin/css/base.css")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/css")
    assert "ETag" in answer.headers


@pytest.mark.parametrize("size", [0, 10, 99_999, 100_001, 3_000_000])
def test_upload_and_download(logged_in, size):
    content = os.urandom(size)
    if size == 0:
        content = b"\n"
    answer = logged_in.submit("/upload/", {"title": "T\xeftle \u20ac"}, files={"document": ("file.bin", content)})
    assert answer.status_code == 200, answer.text[:300]
    facts = answer.json()
    assert facts["digest"] == hashlib.sha256(content).hexdigest()
    assert (facts["size"], facts["title"], facts["user"]) == (len(content), "T\xeftle \u20ac", "admin")
    back = logged_in.open("/download/{}/".format(facts["name"]))
    assert back.content == content
    assert back.headers["Content-Length"] == str(len(content))
    assert "attachment" in back.headers["Content-Disposition"]


def test_pages_behind_the_log_in(browser):
    answer = browser.open("/upload/", allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/login/?next=/upload/")


def test_stream(browser):
    assert browser.open("/stream/").text == "".join("line {}\n".format(number) for number in range(1000))


def test_failing_view(server, browser):
    answer = browser.open("/broken/")
    assert answer.status_code == 500
    assert "a view that fails" not in answer.text
    assert browser.open("/").status_code == 200


def test_users_at_once(server):
    def work():
        with Browser(server) as browser:
            browser.submit("/admin/login/", {"username": "admin", "password": "secret", "next": "/admin/"})
            return [browser.open("/admin/").status_code for _ in range(5)]

    workers = [Background(work) for _ in range(4)]
    assert [worker.result() for worker in workers] == [[200] * 5] * 4
