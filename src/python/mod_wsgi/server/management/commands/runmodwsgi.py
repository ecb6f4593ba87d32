"""The command under the old name of the application."""

from mod_wsgi.express.management.commands.runmodwsgi import Command

__all__ = ["Command"]
