"""Runs inside the server: what the generated handler.wsgi consists of."""

import importlib
import os
import sys
import types
from typing import Any, Callable, Optional, Tuple

WELCOME = os.path.join(os.path.dirname(os.path.abspath(__file__)), "templates", "welcome.html")


def split_path(mount_point: str, script_name: str, path_info: str) -> Tuple[str, str]:
    """Return SCRIPT_NAME and PATH_INFO for the application, which is not the file that Apache looked for.

    Args:
        mount_point: where the application is, ``/`` or without a slash at the end.
        script_name, path_info: what Apache made of the URL while it looked for a file.
    """
    path = script_name + path_info
    if mount_point == "/":
        return "", path
    if path == mount_point or path.startswith(mount_point + "/"):
        return mount_point, path[len(mount_point):]
    return "", path


def local_path(mount_point: str, script_name: str, path_info: str) -> str:
    """Return PATH_INFO where a trusted proxy says what SCRIPT_NAME is: the local path without the local mount point."""
    return split_path(mount_point, script_name, path_info)[1]


class Handler:
    """The application of a generated server, and how it is reached."""

    def __init__(self, kind: str, entry_point: str, callable_object: str, mount_point: str, working_directory: str,
                 debug_mode: bool = False, reloader: bool = False) -> None:
        self.mount_point = mount_point
        self.debug_mode = debug_mode
        if debug_mode:
            sys.path.insert(0, working_directory)
        self.application, self.path = load(kind, entry_point, callable_object)
        self.mtime = modified(self.path)
        if reloader:
            from .reloader import start_reloader

            start_reloader()

    def handle_request(self, environ: dict, start_response: Callable) -> Any:
        """Call the application under the names it expects; this is a WSGI callable itself."""
        script_name, path_info = environ.get("SCRIPT_NAME", ""), environ.get("PATH_INFO", "")
        if "mod_wsgi.mount_point" in environ:
            script_name = environ.get("mod_wsgi.script_name", "")
            environ["PATH_INFO"] = local_path(self.mount_point, script_name, path_info)
        else:
            environ["SCRIPT_NAME"], environ["PATH_INFO"] = split_path(self.mount_point, script_name, path_info)
        return self.application(environ, start_response)

    def reload_required(self, resource: str) -> bool:
        """Tell the server whether the entry point has changed since it was loaded."""
        return not self.debug_mode and self.path is not None and modified(self.path) != self.mtime


def modified(path: Optional[str]) -> Optional[float]:
    """Return the modification time, None if the file cannot be examined."""
    try:
        return os.stat(path).st_mtime if path else None
    except OSError:
        return None


def load(kind: str, entry_point: str, callable_object: str) -> Tuple[Callable, Optional[str]]:
    """Return the application and the file whose change means that it must be loaded again."""
    return LOADERS[kind](entry_point, callable_object)


def load_script(path: str, callable_object: str) -> Tuple[Callable, str]:
    module = types.ModuleType("__wsgi__")
    module.__file__ = path
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec", dont_inherit=True)
    sys.modules["__wsgi__"] = module
    exec(code, module.__dict__)
    return getattr(module, callable_object), path


def load_module(name: str, callable_object: str) -> Tuple[Callable, Optional[str]]:
    module = importlib.import_module(name)
    return getattr(module, callable_object), getattr(module, "__file__", None)


def load_paste(path: str, _callable_object: str) -> Tuple[Callable, str]:
    from paste.deploy import loadapp

    return loadapp("config:%s" % path), path


def load_nothing(path: str, _callable_object: str) -> Tuple[Callable, str]:
    """For servers that only have files: whatever still gets here does not exist."""
    return not_found, path


LOADERS = {"script": load_script, "module": load_module, "paste": load_paste, "static": load_nothing}


def not_found(environ: dict, start_response: Callable) -> list:
    start_response("404 Not Found", [("Content-Type", "text/plain"), ("Content-Length", "10")])
    return [b"Not found\n"]


def welcome(environ: dict, start_response: Callable) -> list:
    """The page of a server that was started without an application."""
    with open(WELCOME, "rb") as file:
        page = file.read()
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(page)))])
    return [page]
