"""Makes the files and folders of a plan. Nothing else in this package writes."""

import os
import stat
from typing import Optional, Tuple

from .plan import File, Plan
from .settings import SettingsError


def make_root(path: str) -> None:
    """Make the server root, or accept an existing one that nobody else could have prepared.

    Raises:
        SettingsError: the folder cannot be made, or is not the caller's own.
    """
    try:
        os.mkdir(path, 0o755)
    except FileExistsError:
        seen = os.lstat(path)
        if not stat.S_ISDIR(seen.st_mode) and not os.path.isdir(path):
            raise SettingsError("--server-root: '%s' is not a directory" % path)
        if os.stat(path).st_uid != os.getuid() or (stat.S_ISLNK(seen.st_mode) and seen.st_uid != os.getuid()):
            raise SettingsError("--server-root: '%s' belongs to another account" % path)
        if os.stat(path).st_mode & stat.S_IWOTH:
            raise SettingsError("--server-root: '%s' can be written by every account" % path)
    except OSError as error:
        raise SettingsError("--server-root: '%s' cannot be made: %s" % (path, error.strerror))
    else:
        os.chmod(path, 0o755)  # whatever the umask: Apache's account reads here


def make_directory(path: str) -> None:
    """Make a folder that every account can read, unless it is there."""
    try:
        os.mkdir(path)
        os.chmod(path, 0o755)
    except FileExistsError:
        pass


def write(file: File) -> None:
    """Write one file; readers see the old content or the new, never a part."""
    if file.keep and os.path.exists(file.path):
        return
    temporary = "%s.%d" % (file.path, os.getpid())
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as stream:
        stream.write(file.content)
    os.chmod(temporary, file.mode)
    os.replace(temporary, file.path)


def create(plan: Plan, owner: Optional[Tuple[int, int]] = None) -> None:
    """Make everything in the plan.

    Args:
        owner: uid and gid for the folders the server itself writes to; None leaves them to the caller.
    Raises:
        SettingsError: naming the path that cannot be made.
    """
    make_root(plan.directories[0])
    try:
        for path in plan.directories[1:] + plan.owned:
            make_directory(path)
        for path in plan.owned:
            if owner is not None:
                os.chown(path, *owner)
        for file in plan.files:
            write(file)
    except OSError as error:
        raise SettingsError("'%s' cannot be written: %s" % (error.filename, error.strerror))
