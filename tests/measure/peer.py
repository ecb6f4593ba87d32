"""The module that this one replaces, from PyPI, as a black box to measure beside: built once into .dev/peer/."""
import glob
import os
import subprocess
import sys
from pathlib import Path

PACKAGE = "mod_wsgi==6.1.1"
FOLDER = Path(__file__).resolve().parents[2] / ".dev" / "peer"


def shared_object(python: str = "/usr/bin/python3") -> Path:
    """Path of the peer's Apache module; WSGI_PEER names one that is there already."""
    if "WSGI_PEER" in os.environ:
        return Path(os.environ["WSGI_PEER"]).resolve()
    pattern = str(FOLDER / "lib" / "python3*" / "site-packages" / "mod_wsgi" / "server" / "*.so")
    if not glob.glob(pattern):
        subprocess.run([python, "-m", "venv", str(FOLDER)], check=True)
        subprocess.run([str(FOLDER / "bin" / "pip"), "install", "--quiet", "--no-cache-dir", PACKAGE], check=True)
    found = glob.glob(pattern)
    if len(found) != 1:
        sys.exit("%s has no module for Apache: %s" % (PACKAGE, found))
    return Path(found[0])
