"""Wrong Python homes: `apache2 -t` says what is wrong, for whom and what to do; at run time only their own group suffers."""
import os
import pwd
import re
import shutil
import tempfile
from pathlib import Path

import pytest

from harness import apache

ACCOUNT = pwd.getpwuid(os.geteuid()).pw_name if os.geteuid() else apache.account().pw_name


class Homes:
    """Makes homes in a folder that every account can read.

    Attributes:
        folder: where they lie.
        good: an environment that works.
    """

    def __init__(self, folder, good):
        self.folder = folder
        self.good = good
        self.shut = []
        self.release, = os.listdir(str(good / "lib"))

    def copy(self, name):
        """A copy of the good environment, to be spoilt."""
        path = self.folder / name
        shutil.copytree(str(self.good), str(path), symlinks=True)
        return path

    def marker(self, name, change):
        """An environment with a changed pyvenv.cfg."""
        path = self.copy(name)
        text = (path / "pyvenv.cfg").read_text()
        (path / "pyvenv.cfg").write_text(change(text))
        return str(path)

    def empty(self):
        path = self.folder / "empty"
        path.mkdir()
        return str(path)

    def foreign(self):
        """A Python of a version that no bridge is for."""
        path = self.folder / "foreign" / "lib" / "python3.4"
        path.mkdir(parents=True)
        (path / "os.py").touch()
        return str(self.folder / "foreign")

    def closed(self, part=""):
        path = self.copy("closed")
        (path / part).chmod(0o700 if os.geteuid() == 0 else 0)
        self.shut.append(path / part)
        return str(path)

    def remove(self):
        for path in self.shut:
            path.chmod(0o700)
        shutil.rmtree(str(self.folder))


WRONG = {
    "missing": (lambda homes: "/nonexistent/venv", "WSGI0297", ["'/nonexistent'", "python3 -m venv"]),
    "file": (lambda homes: "/etc/passwd", "WSGI0298", ["no folder"]),
    "closed": (lambda homes: homes.closed(), "WSGI0299", ["permissions of '{home}'", "chmod"]),
    "closed-library": (lambda homes: homes.closed("lib"), "WSGI0299", ["permissions of '{home}/lib'"]),
    "closed-marker": (lambda homes: homes.closed("pyvenv.cfg"), "WSGI0299", ["permissions of '{home}/pyvenv.cfg'"]),
    "site-packages": (lambda homes: "{}/lib/{}/site-packages".format(homes.good, homes.release), "WSGI0300", ["Write '{good}'"]),
    "library": (lambda homes: "{}/lib/{}".format(homes.good, homes.release), "WSGI0300", ["Write '{good}'"]),
    "bin": (lambda homes: "{}/bin".format(homes.good), "WSGI0300", ["Write '{good}'"]),
    "program": (lambda homes: "{}/bin/python3".format(homes.good), "WSGI0300", ["Write '{good}'"]),
    "version": (lambda homes: homes.foreign(), "WSGI0301", ["Python 3.4", "mod_wsgi/server", "--with-python"]),
    "base": (lambda homes: homes.marker("base", lambda text: re.sub("(?m)^home = .*", "home = /nonexistent/bin", text)), "WSGI0302",
             ["/nonexistent/bin", "anew"]),
    "upgraded": (lambda homes: homes.marker("upgraded", lambda text: re.sub("(?m)^version = .*", "version = 3.4.1", text)), "WSGI0302",
                 ["python3.4 that is gone"]),
    "marker": (lambda homes: homes.marker("marker", lambda text: "nonsense\n"), "WSGI0303", ["pyvenv.cfg", "--clear"]),
    "empty": (lambda homes: homes.empty(), "WSGI0303", ["neither pyvenv.cfg nor lib/pythonX.Y"]),
    "relative": (lambda homes: "relative/venv", "WSGI0304", ["absolute"]),
    "colon": (lambda homes: "/usr:", "WSGI0304", ["PREFIX:EXEC_PREFIX"]),
    "exec-prefix": (lambda homes: "{}:/nonexistent/exec".format(homes.good), "WSGI0297", ["'/nonexistent'"]),
}


@pytest.fixture
def homes(virtual_environment):
    folder = Path(tempfile.mkdtemp(prefix="wsgi-homes-"))
    folder.chmod(0o755)
    made = Homes(folder, virtual_environment)
    yield made
    made.remove()


@pytest.fixture(scope="module")
def site(make_server):
    return make_server.site()


def numbers(text):
    return set(re.findall(r"WSGI\d{4}", text))


def check(site, text, variables=()):
    """Output of a configuration test that succeeds; every group is named by something, so that none is reported as unused."""
    text += "".join("<Location /{0}>\nWSGIProcessGroup {0}\n</Location>\n".format(name)
                    for name in re.findall(r"^WSGIDaemonProcess (\w+)", text, re.MULTILINE))
    site.site.config = text
    site.variables = dict(variables)
    done = site.check_config()
    assert done.returncode == 0 and "Syntax OK" in done.stdout, done.stdout
    return done.stdout


@pytest.mark.parametrize("case", sorted(WRONG))
def test_configtest_tells_about_a_group(site, homes, case):
    make, number, words = WRONG[case]
    home = make(homes)
    output = check(site, 'WSGIRestrictEmbedded On\nWSGIDaemonProcess fine python-home={}\nWSGIDaemonProcess broken python-home="{}"\n'
                   .format(homes.good, home))
    assert numbers(output) == {number}, output
    line, = [line for line in output.splitlines() if number in line]
    at = [at for at, text in enumerate(site.conf.read_text().splitlines(), 1) if "WSGIDaemonProcess broken" in text][0]
    for word in ["'{}'".format(home), "process group 'broken'", "python-home= of WSGIDaemonProcess at {}:{}".format(site.conf, at),
                 "As user '{}'".format(ACCOUNT), *words]:
        assert word.format(home=home, good=homes.good) in line
    assert "fine" not in line


@pytest.mark.parametrize("case", ["missing", "program", "empty"])
def test_configtest_tells_about_the_server(site, homes, case):
    """One message for all that have the same home and the same account."""
    make, number, words = WRONG[case]
    home = make(homes)
    output = check(site, "WSGIPythonHome {}\nWSGIDaemonProcess one\nWSGIDaemonProcess own python-home={}\n".format(home, homes.good))
    assert numbers(output) == {number}, output
    line, = [line for line in output.splitlines() if number in line]
    for word in ["embedded mode (WSGIPythonHome at {}".format(site.conf), "process group 'one' (WSGIPythonHome at", *words]:
        assert word.format(home=home, good=homes.good) in line
    assert "'own'" not in line


def test_nobody_uses_it(site, homes):
    output = check(site, "WSGIRestrictEmbedded On\nWSGIPythonHome /nonexistent\nWSGIDaemonProcess own python-home={}\n".format(homes.good))
    assert numbers(output) == set()


@pytest.mark.root
def test_account_of_the_group_counts(site, homes):
    """The home belongs to one account; only for groups of others it is closed."""
    home = homes.copy("private")
    os.chown(str(home), pwd.getpwnam("daemon").pw_uid, 0)
    home.chmod(0o500)
    output = check(site, "WSGIRestrictEmbedded On\nWSGIDaemonProcess owner user=daemon group=daemon home=/ python-home={0}\n"
                         "WSGIDaemonProcess other python-home={0}\n".format(home))
    assert numbers(output) == {"WSGI0299"}
    assert "'owner'" not in output
    os.chown(str(home), 0, 8)
    home.chmod(0o050)
    output = check(site, "WSGIRestrictEmbedded On\nWSGIDaemonProcess member supplementary-groups=#8 python-home={0}\n"
                         "WSGIDaemonProcess other python-home={0}\n".format(home))
    assert numbers(output) == {"WSGI0299"}
    assert "'member'" not in output


def test_pythonhome_in_the_environment(site, homes):
    """It counts where nothing else is written, and only there."""
    output = check(site, "WSGIDaemonProcess one\n", {"PYTHONHOME": "/nonexistent/python"})
    assert numbers(output) == {"WSGI0297"}
    assert "PYTHONHOME in Apache's environment" in output
    output = check(site, "WSGIDaemonProcess one\n", {"PYTHONHOME": homes.foreign()})
    assert numbers(output) == {"WSGI0301"}
    output = check(site, "WSGIPythonHome {}\nWSGIDaemonProcess one\n".format(homes.good), {"PYTHONHOME": "/nonexistent/python"})
    assert numbers(output) == set()


def test_home_goes_before_pythonhome(fresh_server, virtual_environment):
    server = fresh_server.site("process.wsgi", mode="daemon", before="WSGIRestrictEmbedded On\n",
                               daemon={"python-home": str(virtual_environment)})
    server.variables = {"PYTHONHOME": "/nonexistent/python"}
    server.start()
    assert os.path.realpath(server.client().get("/").json()["prefix"]) == os.path.realpath(str(virtual_environment))


@pytest.mark.parametrize("case", ["missing", "program", "version", "empty", "closed"])
def test_only_its_own_group_suffers(fresh_server, homes, case):
    make, number, words = WRONG[case]
    home = make(homes)
    server = fresh_server("hello.wsgi", mode="daemon", python_home=str(homes.good), apps={"/broken": "hello.wsgi"},
                          config="WSGIDaemonProcess broken python-home={}\n<Location /broken>\nWSGIProcessGroup broken\n"
                                 "</Location>\n".format(home))
    client = server.client()
    server.log.expect(number)
    reason = server.log.expect("WSGI0028", "broken")
    for word in words:
        assert word.format(home=home, good=homes.good) in reason
    for _ in range(3):
        assert client.get("/broken").status == 500
        assert client.get("/").status == 200
    server.log.allow("WSGI0087", "WSGI0036", "WSGI0100", "WSGI0101", "WSGI0102")
    assert len(server.log.lines("WSGI0028")) == 1 # no process follows another


def test_thousand_groups_are_one_message(site):
    output = check(site, "WSGIRestrictEmbedded On\n"
                   + "".join("WSGIDaemonProcess group{} python-home=/nonexistent\n".format(number) for number in range(1000)))
    assert output.count("WSGI0297") == 1
    assert "and others" in output


def test_environment_made_of_a_closed_python(site, homes):
    """The environment is open, the installation below somebody's home folder is not."""
    base = homes.folder / "secret" / "bin"
    base.mkdir(parents=True)
    (base / homes.release).touch()
    home = homes.marker("open", lambda text: re.sub("(?m)^home = .*", "home = {}".format(base), text))
    base.parent.chmod(0o700 if os.geteuid() == 0 else 0)
    try:
        output = check(site, "WSGIRestrictEmbedded On\nWSGIDaemonProcess one python-home={}\n".format(home))
    finally:
        base.parent.chmod(0o700)
    assert numbers(output) == {"WSGI0299"}
    assert "permissions of '{}'".format(base.parent) in output
