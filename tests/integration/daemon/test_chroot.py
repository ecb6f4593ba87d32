"""chroot=: a group that sees nothing but a small root directory, which is built from what its Python needs."""
import os
import re
import shutil
import subprocess

import pytest

from harness import apache, processes

pytestmark = pytest.mark.root

FACTS = '''
import json, sysconfig

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({name: sysconfig.get_path(name) for name in ("stdlib", "platstdlib")}).encode("ascii")]
'''

INSIDE = '''
import json, os, sys
import imported

def application(environ, start_response):
    answer = {"root": sorted(os.listdir("/")), "above": sorted(os.listdir("/../..")), "cwd": os.getcwd(), "file": __file__,
              "uid": os.getresuid(), "imported": imported.by, "path": sys.path[0], "version": VERSION, "pid": os.getpid()}
    answer.update((name, environ.get(name)) for name in ("SCRIPT_FILENAME", "DOCUMENT_ROOT"))
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode("ascii")]

VERSION = 1
'''

NOT_NEEDED = ("__pycache__", "test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "distutils", "config-*", "*.a",
              "site-packages", "dist-packages", "pydoc_data", "_ctypes_test*", "_tkinter*")


def libraries(path):
    """Shared objects that a program or extension module needs, by ldd."""
    done = subprocess.run(["ldd", str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, universal_newlines=True)
    return set(re.findall(r"(/\S+) \(0x", done.stdout))


def copy_python(root, facts):
    """The standard library, its extension modules, and what these load, at their own places below ``root``."""
    wanted = set()
    for folder in {facts["stdlib"], facts["platstdlib"]}:
        target = root / folder.lstrip("/")
        if not target.exists():
            shutil.copytree(folder, str(target), ignore=shutil.ignore_patterns(*NOT_NEEDED))
        for module in target.glob("lib-dynload/*.so"):
            wanted |= libraries(module)
    for path in wanted:
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(os.path.realpath(path), str(target))


@pytest.fixture(scope="module")
def jail(make_server):
    """A server whose group ``jailed`` has a root directory of its own, and a group ``free`` that has not."""
    server = make_server.site("facts.wsgi", python_home=None)
    server.write_app("facts.wsgi", FACTS)
    facts = server.start().client().get("/").json()
    server = make_server.site(apps={"/facts": "facts.wsgi", "/outside": "hello.wsgi"}, python_home=None)
    server.write_app("facts.wsgi", FACTS)
    root = server.root / "jail"
    (root / "srv" / "app").mkdir(parents=True)
    copy_python(root, facts)
    (root / "srv" / "app" / "site.wsgi").write_text(INSIDE)
    (root / "srv" / "app" / "imported.py").write_text("by = None\n")
    (root / "srv" / "app" / "import.wsgi").write_text("import imported\nimported.by = __file__\n")
    for path, _, files in os.walk(str(root)):
        os.chmod(path, 0o755)
        for name in files:
            os.chmod(os.path.join(path, name), 0o755)
    server.site.config = (
        "WSGIRestrictEmbedded On\n"
        "WSGIDaemonProcess jailed threads=2 chroot={root}/jail home=/srv/app socket-timeout=10\nWSGIDaemonProcess free threads=1\n"
        "WSGIProcessGroup jailed\n"
        "WSGIScriptAlias /site {root}/jail/srv/app/site.wsgi\n"
        "WSGIImportScript {root}/jail/srv/app/import.wsgi process-group=jailed application-group=%{{GLOBAL}}\n"
        "<Location /facts>\nWSGIProcessGroup free\n</Location>\n").replace("{root}", str(server.root)).replace("{{", "{").replace("}}", "}")
    return server.start()


def test_sees_nothing_else(jail):
    answer = jail.client().get("/site").json()
    inside = sorted(path.name for path in (jail.root / "jail").iterdir())
    assert answer["root"] == inside and answer["above"] == inside
    assert (answer["cwd"], answer["path"]) == ("/srv/app", "/srv/app")
    assert answer["uid"] == [apache.account().pw_uid] * 3


def test_paths_are_those_inside(jail):
    answer = jail.client().get("/site").json()
    assert answer["file"] == answer["SCRIPT_FILENAME"] == "/srv/app/site.wsgi"
    assert answer["DOCUMENT_ROOT"] is None # Apache's lies outside


def test_import_script_named_from_outside(jail):
    assert jail.client().get("/site").json()["imported"] == "/srv/app/import.wsgi"


def test_processes_are_in_it(jail):
    """Keeper and worker alike; those of the other group are not."""
    pid = jail.client().get("/site").json()["pid"]
    parent = int(processes.status_field(pid, "PPid")[0])
    assert {os.readlink("/proc/{}/root".format(one)) for one in (pid, parent)} == {str(jail.root / "jail")}
    others = set(jail.daemon_pids()) - {pid}
    assert {os.readlink("/proc/{}/root".format(one)) for one in others} == {"/"}


def test_script_outside_is_refused(jail):
    assert jail.client().get("/outside").status == 502
    jail.log.expect("WSGI0081", "hello.wsgi")
    jail.log.expect("WSGI0146")
    assert jail.client().get("/facts").status == 200


def test_changed_script_and_restart(jail):
    """A worker is replaced inside; a new configuration opens the bridge anew."""
    client = jail.client()
    before = client.get("/site").json()
    path = jail.root / "jail" / "srv" / "app" / "site.wsgi"
    path.write_text(INSIDE.replace("VERSION = 1", "VERSION = 2"))
    os.utime(str(path), (1, 1))
    changed = client.get("/site").json()
    assert changed["version"] == 2 and changed["pid"] != before["pid"]
    jail.graceful()
    jail.wait_until(lambda: jail.client().get("/site").json()["pid"] != changed["pid"], 20, "a process of the new configuration")
    assert jail.client().get("/site").json()["version"] == 2


def test_root_that_does_not_exist(fresh_server):
    server = fresh_server("hello.wsgi", apps={"/jailed": "hello.wsgi"}, config=(
        "WSGIDaemonProcess jailed chroot=/nonexistent/jail connect-timeout=1 socket-timeout=1\n"
        "<Location /jailed>\nWSGIProcessGroup jailed\n</Location>\n"))
    assert "/nonexistent/jail" in server.log.expect("WSGI0003", "jailed")
    assert server.client().get("/jailed").status in (503, 504)
    assert server.client().get("/").status == 200
    server.log.allow("WSGI0025", "WSGI0257", "WSGI0116", "WSGI0117", "WSGI0145")


def test_python_home_of_another_root(fresh_server, virtual_environment):
    """python-home= is a path inside, where there is no such environment: said by a process that looks from there."""
    server = fresh_server.site()
    (server.root / "jail").mkdir()
    server.site.config = ("WSGIRestrictEmbedded On\nWSGIDaemonProcess jailed chroot={}/jail python-home={}\n"
                          "WSGIDaemonProcess free python-home={}\n"
                          "WSGIProcessGroup jailed\n<Location /free>\nWSGIProcessGroup free\n</Location>\n"
                          .format(server.root, virtual_environment, virtual_environment))
    done = server.check_config()
    assert done.returncode == 0
    assert set(re.findall(r"WSGI\d{4}", done.stdout)) == {"WSGI0297"} and "'free'" not in done.stdout
