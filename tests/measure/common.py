"""What the measuring programs share: a server of the test harness."""
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness.build import BUILT  # noqa: E402
from harness.config import Site  # noqa: E402
from harness.server import Server  # noqa: E402

__all__ = ["make", "start"]


def make(**site) -> Server:
    """A server, not running, of the module that WSGI_MODULE names, or the one ``./dev build`` made."""
    module = Path(os.environ.get("WSGI_MODULE", str(BUILT))).resolve()
    if not module.exists():
        sys.exit("%s does not exist: run ./dev build first" % module)
    return Server(Site(**site), module)


def start(**site) -> Server:
    """The same, running."""
    return make(**site).start()
