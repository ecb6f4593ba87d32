"""The package as pip installs it, and servers started from it."""
import fcntl
import os
import pty
import pwd
import select
import signal
import socket
import struct
import subprocess
import sys
import tarfile
import termios
import time
import urllib.error
import urllib.request
import zipfile

import pytest

from .checkout import copy_to, path_without, run, temporary_folder

setuptools = pytest.importorskip("setuptools")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(int(setuptools.__version__.split(".")[0]) < 77, reason="setuptools 77 is needed to build"),
]

BUILD = "import setuptools.build_meta as b, sys; print(getattr(b, sys.argv[1])('dist'))"


@pytest.fixture(scope="module")
def folder():
    with temporary_folder("wsgi-pip-") as path:
        yield path


@pytest.fixture(scope="module")
def sdist(folder):
    source = copy_to(folder)
    output = run(sys.executable, "-W", "error::DeprecationWarning", "-c", BUILD, "build_sdist", cwd=source)
    assert "Deprecat" not in output, output
    return source / "dist" / output.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def unpacked(sdist, folder):
    place = folder / "unpacked"
    with tarfile.open(str(sdist)) as archive:
        archive.extractall(str(place))
    return next(place.iterdir())


@pytest.fixture(scope="module")
def wheel(unpacked):
    output = run(sys.executable, "-c", BUILD, "build_wheel", cwd=unpacked)
    assert ": warning: " not in output and "Deprecat" not in output, output
    return unpacked / "dist" / output.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def venv(wheel, folder):
    place = folder / "venv"
    run(sys.executable, "-m", "venv", place, cwd=folder)
    run(place / "bin" / "pip", "install", "--no-index", "--no-deps", wheel, cwd=folder)
    return place


@pytest.fixture
def place():
    with temporary_folder("wsgi-express-") as path:
        yield path


def account():
    """Options that choose an unprivileged account where one must be chosen."""
    if os.getuid() != 0:
        return []
    for name in ("www-data", "apache", "_www", "nobody"):
        try:
            return ["--user", pwd.getpwnam(name).pw_name]
        except KeyError:
            continue
    pytest.skip("root, and no unprivileged account")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def express(venv, *arguments, cwd, succeeds=True):
    return run(venv / "bin" / "mod_wsgi-express", *arguments, cwd=cwd, succeeds=succeeds)


class Running:
    """A server of start-server, in a session of its own so that nothing of it can be missed at the end."""

    def __init__(self, venv, place, *arguments):
        self.port = free_port()
        self.log = open(str(place / "output"), "wb+")
        command = [str(venv / "bin" / "mod_wsgi-express"), "start-server", "--host", "127.0.0.1", "--port",
                   str(self.port), "--server-root", str(place / "root"), "--log-to-terminal", *account(), *arguments]
        self.process = subprocess.Popen(command, cwd=str(place), stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log, start_new_session=True)

    def output(self) -> str:
        self.log.flush()
        with open(self.log.name, "rb") as file:
            return file.read().decode(errors="replace")

    def get(self, path, seconds=20):
        """Status and body; waits until the server answers at all."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                with urllib.request.urlopen("http://127.0.0.1:%d%s" % (self.port, path), timeout=seconds) as response:
                    return response.status, response.read()
            except urllib.error.HTTPError as error:
                return error.code, error.read()
            except OSError:
                assert self.process.poll() is None and time.monotonic() < deadline, self.output()
                time.sleep(0.05)

    def wait_for_output(self, text, seconds=15):
        deadline = time.monotonic() + seconds
        while text not in self.output():
            assert time.monotonic() < deadline, self.output()
            time.sleep(0.05)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        finally:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.log.close()


@pytest.fixture
def start(venv, place):
    servers = []

    def make(*arguments):
        servers.append(Running(venv, place, *arguments))
        return servers[-1]

    yield make
    for server in servers:
        server.stop()


def test_sdist_builds_with_configure_too(unpacked):
    present = {path.name for path in unpacked.iterdir()}
    assert {"configure.ac", "Makefile.in", "setup.py", "LICENSE", "README.rst", "src"} <= present


def test_wheel_holds_both_objects_and_no_build_helper(wheel):
    with zipfile.ZipFile(str(wheel)) as archive:
        names = archive.namelist()
    tag = "py%d%d" % sys.version_info[:2]
    assert [name for name in names if name.startswith("mod_wsgi/server/mod_wsgi-%s." % tag)]
    assert [name for name in names if name.startswith("mod_wsgi/server/wsgi_bridge.cpython-")]
    assert "mod_wsgi/server/apache.json" in names
    assert "mod_wsgi/express/templates/httpd.conf" in names
    assert not [name for name in names if "mod_wsgi_build" in name]


def test_missing_apxs_names_the_packages(unpacked, tmp_path):
    output = run(sys.executable, "-c", BUILD, "build_wheel", cwd=unpacked, succeeds=False,
                 PATH=path_without(tmp_path, "apxs", "apxs2"))
    assert "apt install apache2-dev" in output and "Traceback" not in output


def test_apxs_that_is_not_there_is_named(unpacked):
    output = run(sys.executable, "-c", BUILD, "build_wheel", cwd=unpacked, succeeds=False, APXS="/nowhere/apxs")
    assert "APXS names '/nowhere/apxs'" in output


def test_module_location_and_config(venv, folder):
    location = express(venv, "module-location", cwd=folder).strip()
    assert os.path.isfile(location)
    prefix = os.path.realpath(str(venv))
    lines = express(venv, "module-config", cwd=folder).splitlines()
    assert lines == ['LoadModule wsgi_module "%s"' % location, 'WSGIPythonHome "%s"' % prefix]


def test_install_module_takes_the_bridge_along(venv, place):
    output = express(venv, "install-module", "--modules-directory", place, cwd=place)
    names = sorted(os.listdir(str(place)))
    assert len(names) == 2 and names[1].startswith("wsgi_bridge.")
    assert 'LoadModule wsgi_module "%s"' % (place / names[0]) in output


@pytest.mark.parametrize("arguments", [
    [], ["no-such-command"], ["module-location", "superfluous"], ["start-server", "--port", "x"],
    ["setup-server", "--https-only"], ["setup-server", "--application-type", "module"],
], ids=" ".join)
def test_usage_errors(venv, place, arguments):
    done = subprocess.run([str(venv / "bin" / "mod_wsgi-express"), *arguments], cwd=str(place), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True)
    assert done.returncode == 2 and "usage:" in done.stderr and done.stdout == ""


FULL = [
    "--processes", "2", "--threads", "3", "--mount-point", "/app", "--server-name", "www.example.org",
    "--server-alias", "*.example.net", "--setenv", "KEY", 'a "quoted" value', "--passenv", "HOME", "--python-path", "/srv/a b",
    "--url-alias", "/static/", "/usr/share", "--url-alias", "/robots.txt", "/etc/hostname", "--error-document", "404", "/gone.html",
    "--access-log", "--access-log-format", "%h %{User-Agent}i", "--error-log-format", "[%t] %M", "--rotate-logs",
    "--keep-alive-timeout", "0", "--chunked-request", "--error-override", "--enable-sendfile", "--trust-proxy-header",
    "X-Forwarded-For", "--trust-proxy", "10.0.0.0/8", "--directory-index", "index.html", "--directory-listing",
    "--allow-override", "FileInfo", "--compress-responses", "--ignore-activity", "/health", "--switch-interval", "0.01",
    "--python-warnings", "ignore::DeprecationWarning", "--http2", "--proxy-mount-point", "/other", "http://127.0.0.1:9/",
    "--proxy-timeout", "10", "--log-level", "info wsgi:debug", "--map-head-to-get", "Off", "--disable-reloading",
]


@pytest.mark.parametrize("arguments", [
    [], FULL, ["--embedded-mode", "--python-path", "/srv"], ["--debug-mode"], ["--application-type", "static"],
    ["--server-mpm", "prefork"], ["--server-mpm", "worker", "--embedded-mode"], ["--orphan-interpreter"],
    ["--header-timeout", "0", "--body-timeout", "0"], ["--host", "::1"],
], ids=lambda arguments: " ".join(arguments)[:40] or "default")
def test_apache_accepts_the_generated_configuration(venv, place, arguments):
    root = place / "root"
    express(venv, "setup-server", "--server-root", root, "--port", free_port(), *account(), *arguments, cwd=place)
    assert {"httpd.conf", "handler.wsgi", "apachectl", "envvars", "rewrite.conf"} <= set(os.listdir(str(root)))
    assert "Syntax OK" in run(root / "apachectl", "configtest", cwd=place)


def test_https_configuration_is_accepted(venv, place):
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost",
        "-keyout", place / "site.key", "-out", place / "site.crt", cwd=place)
    for names in ([], ["--server-name", "www.example.org"]):
        express(venv, "setup-server", "--server-root", place / "root", "--port", "8001", "--https-port", "8444",
                "--ssl-certificate", place / "site", "--https-only", "--hsts-policy", "max-age=60", *names, *account(),
                cwd=place)
        assert "Syntax OK" in run(place / "root" / "apachectl", "configtest", cwd=place)


def test_kept_files_stay_and_others_are_written_anew(venv, place):
    root = place / "root"
    express(venv, "setup-server", "--server-root", root, *account(), cwd=place)
    (root / "rewrite.conf").write_text("# mine\n")
    (root / "handler.wsgi").write_text("# mine\n")
    express(venv, "setup-server", "--server-root", root, *account(), cwd=place)
    assert (root / "rewrite.conf").read_text() == "# mine\n"
    assert "# mine" not in (root / "handler.wsgi").read_text()


def test_server_root_that_anyone_can_write_is_refused(venv, place):
    (place / "root").mkdir()
    (place / "root").chmod(0o777)
    output = express(venv, "setup-server", "--server-root", place / "root", cwd=place, succeeds=False)
    assert "--server-root" in output


@pytest.mark.root
def test_application_out_of_reach_of_the_account_is_refused(venv, place):
    secret = place / "secret"
    secret.mkdir(mode=0o700)
    (secret / "app.wsgi").write_text("")
    output = express(venv, "setup-server", "--server-root", place / "root", *account(), secret / "app.wsgi", cwd=place,
                     succeeds=False)
    assert "cannot reach '%s" % (secret / "app.wsgi") in output


@pytest.mark.root
def test_root_without_another_account_is_warned(venv, place):
    assert "WARNING" in express(venv, "setup-server", "--server-root", place / "root", cwd=place)


@pytest.mark.parametrize("mode", [[], ["--embedded-mode"]], ids=["daemon", "embedded"])
def test_module_is_served(start, mode):
    server = start("--application-type", "module", "mod_wsgi.diagnostics.environ", *mode)
    status, body = server.get("/some/path?query")
    assert status == 200
    text = body.decode()
    assert "SCRIPT_NAME: ''" in text and "PATH_INFO: '/some/path'" in text
    assert "wsgi.multiprocess: %s" % bool(mode) in text or mode
    assert server.stop() == 0


def test_static_files_come_first(start, place):
    (place / "files").mkdir()
    (place / "files" / "x.txt").write_text("from Apache")
    server = start("--document-root", str(place / "files"), "--application-type", "module",
                   "mod_wsgi.diagnostics.hello")
    assert server.get("/x.txt") == (200, b"from Apache")
    assert server.get("/y.txt") == (200, b"Hello World!")
    assert server.get("/") == (200, b"Hello World!")


def test_mount_point(start):
    server = start("--mount-point", "/app", "--application-type", "module", "mod_wsgi.diagnostics.environ")
    text = server.get("/app/z")[1].decode()
    assert "SCRIPT_NAME: '/app'" in text and "PATH_INFO: '/z'" in text
    assert server.get("/other")[0] == 404


def test_one_process_given_means_several(start):
    server = start("--processes", "1", "--application-type", "module", "mod_wsgi.diagnostics.environ")
    assert "wsgi.multiprocess: True" in server.get("/")[1].decode()


@pytest.mark.parametrize("reverse", [False, True])
def test_aliases_in_either_order(start, place, reverse):
    folder = place / "static"
    folder.mkdir()
    (folder / "one.txt").write_text("folder")
    (folder / "two.txt").write_text("two")
    (place / "one.txt").write_text("file")
    aliases = [("/s/", str(folder)), ("/s/one.txt", str(place / "one.txt"))]
    arguments = [word for pair in (aliases[::-1] if reverse else aliases) for word in ("--url-alias",) + pair]
    server = start(*arguments)
    assert server.get("/s/one.txt") == (200, b"file")
    assert server.get("/s/two.txt") == (200, b"two")


def test_welcome_page_without_an_application(start):
    assert b"Apache runs Python here" in start().get("/")[1]


def test_overview_page_shows_the_steps_of_daemon_mode(start):
    page = start("--application-type", "module", "mod_wsgi.diagnostics.overview").get("/")[1].decode()
    assert "until accepted by a thread of a daemon process" in page


def test_logs_on_the_terminal(start):
    server = start("--access-log", "--access-log-format", "seen %U", "--application-type", "module",
                   "mod_wsgi.diagnostics.hello")
    server.get("/here")
    server.wait_for_output("seen /here")


def test_script_is_loaded_again_when_it_changes(start, place):
    script = place / "app.wsgi"
    source = ("def application(environ, start_response):\n"
              "    start_response('200 OK', [('Content-Length', '3')])\n    return [b'%s']\n")
    script.write_text(source % "one")
    server = start(str(script))
    assert server.get("/") == (200, b"one")
    script.write_text(source % "two")
    os.utime(str(script), (1, 1))
    assert server.get("/") == (200, b"two")


def test_reload_on_changes_of_any_module(start, place):
    (place / "part.py").write_text("VALUE = b'one'\n")
    (place / "app.wsgi").write_text(
        "import part\ndef application(environ, start_response):\n"
        "    start_response('200 OK', [('Content-Length', '3')])\n    return [part.VALUE]\n")
    server = start("--reload-on-changes", str(place / "app.wsgi"))
    assert server.get("/") == (200, b"one")
    server.wait_for_output("monitor (pid=")
    time.sleep(1.2)  # the time of the first look at each file is not visible from outside
    (place / "part.py").write_text("VALUE = b'two'\n")
    os.utime(str(place / "part.py"), (1, 1))
    server.wait_for_output("part.py has changed")
    deadline = time.monotonic() + 15
    while server.get("/")[1] != b"two":
        assert time.monotonic() < deadline, server.output()
        time.sleep(0.1)


def test_a_terminal_stops_the_server_by_ctrl_c_and_not_by_its_size(venv, place):
    port = free_port()
    command = [str(venv / "bin" / "mod_wsgi-express"), "start-server", "--host", "127.0.0.1", "--port", str(port),
               "--server-root", str(place / "root"), *account(), "--application-type", "module",
               "mod_wsgi.diagnostics.hello"]
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(str(place))
        os.execv(command[0], command)
    try:
        wait_for_port(port)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 100, 0, 0))
        with urllib.request.urlopen("http://127.0.0.1:%d/" % port, timeout=10) as response:
            assert response.read() == b"Hello World!"
        os.write(terminal, b"\x03")
        assert wait_for_end(pid, terminal, 20) == 0
    finally:
        os.close(terminal)


def wait_for_port(port, seconds=20):
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def wait_for_end(pid, terminal, seconds):
    """Exit status of a child; reads what it writes to its terminal meanwhile, so that it never waits for a reader."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                os.read(terminal, 65536)
            except OSError:
                pass  # the other end is closed
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise AssertionError("still running after %d s" % seconds)


PROJECT = """
import os, sys
from pathlib import Path
BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "only for tests"
INSTALLED_APPS = ["django.contrib.staticfiles", "%s"]
ROOT_URLCONF = "site_here.urls"
WSGI_APPLICATION = "site_here.wsgi.application"
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "collected"
"""


@pytest.fixture
def django_project(venv, place):
    """A project whose WSGI module must not be imported by the command."""
    django = pytest.importorskip("django")
    packages = os.path.dirname(os.path.dirname(django.__file__))
    purelib = run(venv / "bin" / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=place)
    with open(os.path.join(purelib.strip(), "packages_of_the_tests.pth"), "w") as file:
        file.write(packages + "\n")
    site = place / "site_here"
    site.mkdir()
    (site / "__init__.py").write_text("")
    (site / "urls.py").write_text("urlpatterns = []\n")
    (site / "wsgi.py").write_text("raise SystemExit('imported by the command')\n")
    (place / "manage.py").write_text(
        "import os, sys\nos.environ['DJANGO_SETTINGS_MODULE'] = 'site_here.settings'\n"
        "from django.core.management import execute_from_command_line\nexecute_from_command_line(sys.argv)\n")
    return place


@pytest.mark.parametrize("application", ["mod_wsgi.express", "mod_wsgi.server"])
def test_django_command(venv, django_project, application):
    (django_project / "site_here" / "settings.py").write_text(PROJECT % application)
    root = django_project / "root"
    output = run(venv / "bin" / "python", "manage.py", "runmodwsgi", "--setup-only", "--server-root", root, "--port",
                 "8005", "--url-alias", "/media", "/usr/share", *account(), cwd=django_project)
    assert "http://localhost:8005/" in output
    handler = (root / "handler.wsgi").read_text()
    assert "'site_here.wsgi'" in handler and "kind='module'" in handler
    configuration = (root / "httpd.conf").read_text()
    assert 'Alias "/static" "%s"' % (django_project / "collected") in configuration
    assert 'Alias "/media" "/usr/share"' in configuration
    assert 'home="%s"' % django_project in configuration


def test_django_command_names_the_option_that_does_not_fit(venv, django_project):
    (django_project / "site_here" / "settings.py").write_text(PROJECT % "mod_wsgi.express")
    output = run(venv / "bin" / "python", "manage.py", "runmodwsgi", "--https-only", cwd=django_project, succeeds=False)
    assert "CommandError: --https-only needs --https-port" in output
    assert "--https-only" in run(venv / "bin" / "python", "manage.py", "runmodwsgi", "--help", cwd=django_project)
