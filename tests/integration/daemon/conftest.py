"""Fixtures of the tests about daemon processes."""
import pytest


@pytest.fixture
def daemon(fresh_server):
    """``daemon(threads=1, listen_backlog=2)``: a server for one test with these options."""

    def start(app="process.wsgi", config="", before="", **options):
        return fresh_server(app, mode="daemon", config=config, before=before, daemon={name.replace("_", "-"): value for name, value in options.items()})

    return start
