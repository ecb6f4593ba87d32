"""The script for developers, where it has to work round its surroundings."""
import os
import shutil
import subprocess

import pytest

from .checkout import TOP, copy_to, run, temporary_folder

STAGES = "/var/cache/mod_wsgi-dev"


@pytest.fixture
def hidden():
    """A checkout that only its owner can read, made under a strict umask."""
    with temporary_folder("wsgi-dev-") as folder:
        folder.chmod(0o700)
        before = set(os.listdir(STAGES)) if os.path.isdir(STAGES) else set()
        source = copy_to(folder)
        run("chmod", "-R", "go-rwx", source, cwd=folder)
        yield source
        for name in set(os.listdir(STAGES)) - before:
            shutil.rmtree(os.path.join(STAGES, name))
        if not os.listdir(STAGES):
            os.rmdir(STAGES)


@pytest.mark.root
@pytest.mark.slow
def test_builds_where_others_can_read_it(hidden):
    command = "umask 077; cd / && exec %s build" % (hidden / "dev")
    output = run("sh", "-c", command, cwd=hidden)
    stage = output.split("working in the copy ")[1].splitlines()[0]
    module = os.path.join(stage, ".dev", "configured", "build", "mod_wsgi.so")
    assert os.stat(module).st_mode & 0o004
    assert not (hidden / ".dev").exists()


def test_says_what_it_can_do(tmp_path):
    output = run(TOP / "dev", cwd=tmp_path)
    assert all("./dev %s" % command in output for command in ("serve", "test", "build", "lint"))


@pytest.mark.parametrize("script", ["dev", ".ci/run"])
def test_is_sound_shell(script):
    shell = "bash" if script == ".ci/run" else "sh"
    subprocess.run([shell, "-n", str(TOP / script)], check=True)
    assert os.access(str(TOP / script), os.X_OK)
