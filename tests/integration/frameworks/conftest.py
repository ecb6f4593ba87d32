"""What the frameworks need: the environment that holds them, and a prepared Django project."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.server import make_readable


@pytest.fixture(scope="session")
def framework_home(python_home) -> str:
    """The environment that pytest runs in: tests/requirements.txt puts the frameworks there."""
    if python_home is not None and Path(python_home) != Path(sys.prefix):
        pytest.skip("the frameworks are installed for the default Python only")
    return sys.prefix


def manage(server, *words, **environment) -> None:
    """Run manage.py in the server's copy of the project."""
    subprocess.run([sys.executable, str(server.root / "apps" / "django_site" / "manage.py"), *words], check=True,
                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **environment})


@pytest.fixture(scope="module")
def django_server(make_server, framework_home):
    """``django_server(mode="daemon")``: a migrated project with the superuser `admin`, static files served by Apache."""

    def start(**fields):
        server = make_server.site(python_home=framework_home, application_group="%{GLOBAL}", **fields)
        data = server.data_folder()
        (data / "media").mkdir()
        (data / "media").chmod(0o777)
        manage(server, "migrate", "--no-input")
        manage(server, "createsuperuser", "--no-input", "--username", "admin", "--email", "admin@example.com",
               DJANGO_SUPERUSER_PASSWORD="secret")
        manage(server, "collectstatic", "--no-input")
        (data / "db.sqlite3").chmod(0o666)
        make_readable(server.root / "htdocs")
        project = server.root / "apps" / "django_site"
        if server.site.mode == "daemon":
            server.site.daemon = {"python-path": project, **server.site.daemon}
        else:
            server.site.before += "WSGIPythonPath {}\n".format(project)
        server.site.config += "Alias /static {}/static\nWSGIScriptAlias / {}/project/wsgi.py\n".format(server.root / "htdocs", project)
        return server.start()

    return start
