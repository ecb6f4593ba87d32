"""Runs Apache. Nothing else in this package starts a server."""

import os
import signal
import subprocess
import sys
from typing import List

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


def is_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def run(apachectl: str, debug_mode: bool) -> int:
    """Run Apache in the foreground until it ends.

    On a terminal as a child that does not get the terminal's signals by itself: a changed window size would otherwise
    stop it, since Apache takes SIGWINCH for "stop gracefully". Elsewhere in place of this process, so that a
    supervisor sees Apache itself.

    Returns:
        The exit status; does not return in the second case.
    """
    command = [apachectl, "start", "-DFOREGROUND"]
    sys.stdout.flush()
    if not is_terminal() or debug_mode:
        os.execv(command[0], command)
    return run_as_child(command)


def run_as_child(command: List[str]) -> int:
    """Run the command in a process group of its own and pass the stopping signals on to it."""
    pending: List[int] = []
    child = None

    def forward(number: int, _frame: object) -> None:
        if child is None:
            pending.append(number)
        else:
            child.send_signal(number)

    for number in FORWARDED:
        signal.signal(number, forward)
    signal.signal(signal.SIGWINCH, lambda number, frame: None)
    child = subprocess.Popen(command, preexec_fn=os.setpgrp)  # process_group= needs Python 3.11
    for number in pending:
        child.send_signal(number)
    status = child.wait()
    return status if status >= 0 else 128 - status
