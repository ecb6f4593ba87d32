"""Fixtures of the integration tests."""
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def base_python(python_home) -> str:
    """A Python of the version that the applications run under."""
    if python_home:
        return os.path.join(python_home, "bin", "python3")
    return os.path.realpath(sys.executable) # behind the environment of the tests; python3 beside it may be another version


@pytest.fixture(scope="session")
def virtual_environment(base_python):
    """An empty virtual environment that every account can read."""
    folder = Path(tempfile.mkdtemp(prefix="wsgi-venv-"))
    folder.chmod(0o755)
    subprocess.run([base_python, "-m", "venv", "--without-pip", str(folder)], check=True)
    yield folder
    shutil.rmtree(str(folder), ignore_errors=True)
