"""Wait for a condition instead of sleeping for a time that is hoped to be long enough."""
import time
from typing import Callable, TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], seconds: float = 10, what: str = "") -> T:
    """Call ``condition`` until its result is true and return that.

    Args:
        seconds: deadline, generous: it only matters to a test that fails.
        what: for the message, what was waited for.
    Raises:
        AssertionError: naming what was waited for, when the deadline passed.
    """
    __tracebackhide__ = True
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError("not within {} s: {}".format(seconds, what or getattr(condition, "__doc__", None) or condition))
        time.sleep(0.02)
