import os

import pytest

from bridge import bridgehost


@pytest.fixture(scope="session")
def build(request):
    python = request.config.getoption("--python", None) or os.environ.get("WSGI_TEST_PYTHON") or "/usr/bin/python3"
    return bridgehost.Build(python).make()


@pytest.fixture(scope="module")
def host(build):
    """A host for the tests of one file, as in an Apache child."""
    with bridgehost.open_host(build) as opened:
        yield opened


@pytest.fixture
def fresh(build):
    """``fresh(process_group="x")``: a host for one test."""
    opened = []

    def make(**settings):
        context = bridgehost.open_host(build, **settings)
        opened.append(context)
        return context.__enter__()

    yield make
    for context in opened:
        context.__exit__(None, None, None)


@pytest.fixture
def script(tmp_path):
    """``script(text)``: a script file of that text."""

    def write(text, name="app.wsgi"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write
