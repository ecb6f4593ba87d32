"""A short session of the chaos test; `./dev chaos` runs longer ones."""
import os

import pytest

from chaos.run import run

SEED = int(os.environ.get("CHAOS_SEED", "1"))


@pytest.mark.parametrize("preload", ["Off", "On"])
@pytest.mark.parametrize("seed", [SEED])
def test_nothing_is_unexplained(wsgi_module, seed, preload, monkeypatch):
    monkeypatch.setenv("WSGI_MODULE", str(wsgi_module))
    assert run(15, seed, {"preload": preload}) == []
