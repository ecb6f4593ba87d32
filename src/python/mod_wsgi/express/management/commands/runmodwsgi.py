"""``manage.py runmodwsgi``: start-server for the Django project at hand."""

import importlib.util
import os
import sys
from typing import Any, Dict, Optional, Tuple

from django.conf import settings as project
from django.core.management.base import BaseCommand, CommandError

from mod_wsgi.express import cli, options
from mod_wsgi.express.settings import SettingsError


def application_of(wsgi_application: Optional[str]) -> Tuple[str, str]:
    """Return module and name of the callable from the setting WSGI_APPLICATION.

    Raises:
        CommandError: it is not set, or no dotted name.
    """
    module, _, name = (wsgi_application or "").rpartition(".")
    if not module:
        raise CommandError("the setting WSGI_APPLICATION does not name a callable in a module")
    return module, name


def project_directory() -> str:
    """Return BASE_DIR, else the folder that holds the package of the settings."""
    base = getattr(project, "BASE_DIR", None)
    if base:
        return os.fspath(base)
    package = importlib.util.find_spec(os.environ["DJANGO_SETTINGS_MODULE"].split(".")[0])
    return os.path.dirname(os.path.dirname(os.path.abspath(package.origin)))


def static_alias() -> Tuple[Tuple[str, str], ...]:
    """Return the alias for the project's static files, if Apache is to serve them."""
    url, root = str(getattr(project, "STATIC_URL", None) or ""), getattr(project, "STATIC_ROOT", None)
    middleware = getattr(project, "MIDDLEWARE", None) or ()
    if not url.startswith("/") or not root or any("whitenoise" in name.lower() for name in middleware):
        return ()
    return ((url.rstrip("/") or "/", os.fspath(root)),)


class Command(BaseCommand):
    help = "Serve this project with Apache and mod_wsgi."

    def add_arguments(self, parser):
        options.add_all(parser)

    def handle(self, *arguments: Any, **given: Any) -> None:
        names = {option.setting for option in options.OPTIONS}
        chosen: Dict[str, Any] = {name: value for name, value in given.items() if name in names}
        chosen["application_type"] = "module"
        chosen["entry_point"], chosen["callable_object"] = application_of(project.WSGI_APPLICATION)
        chosen["working_directory"] = chosen["working_directory"] or os.path.abspath(project_directory())
        chosen["url_alias"] = static_alias() + tuple(chosen["url_alias"])
        try:
            settings, made = cli.prepare_from(chosen, sys.argv)
        except SettingsError as error:
            raise CommandError(str(error))
        self.stdout.write(self.style.SUCCESS("The server for this project is set up."))
        self.stdout.flush()
        sys.exit(cli.finish_start(settings, made))
