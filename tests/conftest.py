"""Options and fixtures of all tests; the work is done in ``harness``."""
import os
import shutil
import subprocess
from typing import Callable

import pytest

from harness import build
from harness.client import Client
from harness.config import Site
from harness.server import Server

MPMS = ("event", "worker", "prefork")


def pytest_addoption(parser):
    group = parser.getgroup("mod_wsgi")
    group.addoption("--mpm", choices=MPMS, default="event", help="process model of Apache where a test does not choose")
    group.addoption("--python", metavar="PATH", help="Python that runs the applications; its bridge must lie beside the module")


def pytest_configure(config):
    os.umask(0o022)
    if not hasattr(config, "workerinput"):
        os.environ["WSGI_TEST_SESSION"] = str(os.getpid()) # inherited by the workers of pytest-xdist


def pytest_runtest_setup(item):
    if item.get_closest_marker("root") and os.getuid() != 0:
        pytest.skip("needs root")
    if item.get_closest_marker("plain_memory") and "WSGI_PRELOAD" in os.environ:
        pytest.skip("limits, measures or searches memory, of which a sanitizer has its own")


@pytest.fixture(scope="session")
def wsgi_module():
    """Path of the module under test, in a folder that every account can read."""
    module = build.stage(build.locate(os.environ["WSGI_TEST_SESSION"]))
    yield module
    shutil.rmtree(str(module.parent), ignore_errors=True)


@pytest.fixture(scope="session")
def mpm(request) -> str:
    return request.config.getoption("--mpm")


@pytest.fixture(scope="session")
def python_home(request):
    """``sys.prefix`` of the Python chosen by ``--python``, None for the default one."""
    python = request.config.getoption("--python")
    if python is None:
        return None
    return subprocess.run([python, "-c", "import sys; print(sys.prefix)"], stdout=subprocess.PIPE, check=True,
                          universal_newlines=True).stdout.strip()


@pytest.fixture(scope="module", params=["embedded", "daemon"])
def mode(request) -> str:
    """Tests with this argument run once in each mode."""
    return request.param


class Servers:
    """Makes servers and stops them all at the end of the scope of its fixture."""

    def __init__(self, module, mpm: str, python_home):
        self.module = module
        self.defaults = {"mpm": mpm, "python_home": python_home}
        self.made = []

    def site(self, app: str = None, **fields) -> Server:
        """A server that is not started; arguments as for :class:`harness.config.Site`, ``app`` is mounted at /."""
        values = {**self.defaults, **fields}
        if app is not None:
            values["apps"] = {"/": app, **values.get("apps", {})}
        server = Server(Site(**values), self.module)
        self.made.append(server)
        return server

    def __call__(self, app: str = None, **fields) -> Server:
        return self.site(app, **fields).start()

    def stop(self) -> None:
        problems = []
        while self.made:
            server = self.made.pop()
            try:
                server.stop()
            except AssertionError as error:
                problems.append(str(error))
            finally:
                shutil.rmtree(str(server.root), ignore_errors=True)
        assert not problems, "\n".join(problems)


RUNNING = set() # factories with servers, of this pytest process


def make_factory(module, mpm, python_home):
    servers = Servers(module, mpm, python_home)
    RUNNING.add(servers)
    try:
        yield servers
    finally:
        RUNNING.discard(servers)
        servers.stop()


@pytest.fixture(scope="module")
def make_server(wsgi_module, mpm, python_home) -> Callable[..., Server]:
    """``make_server(app="hello.wsgi", mode="daemon", daemon={"threads": 2})``: a server for one test module."""
    yield from make_factory(wsgi_module, mpm, python_home)


@pytest.fixture
def fresh_server(wsgi_module, mpm, python_home) -> Callable[..., Server]:
    """Like ``make_server``, for one test that restarts, breaks or reconfigures its server."""
    yield from make_factory(wsgi_module, mpm, python_home)


@pytest.fixture
def client(server) -> Client:
    """A client of the fixture ``server`` that the test module defines."""
    return server.client()


@pytest.fixture(autouse=True)
def nothing_unexpected():
    """After each test look into the logs of all servers that run."""
    yield
    problems = []
    for servers in list(RUNNING):
        for server in servers.made:
            try:
                server.verify()
            except AssertionError as error:
                problems.append(str(error))
    assert not problems, "\n".join(problems)
