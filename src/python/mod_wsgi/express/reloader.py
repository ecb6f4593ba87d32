"""Restarts a daemon process when a source file of the application changes; for development."""

import os
import signal
import sys
import threading
from typing import Dict, Iterator, Set

_tracked: Set[str] = set()


class Monitor:
    """Compares modification times, once per interval, in a thread of its own."""

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self.seen: Dict[str, float] = {}
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, name="mod_wsgi-reloader", daemon=True)

    def start(self) -> None:
        say("the sources of the application are watched for changes.")
        self.thread.start()

    def stop(self) -> None:
        self.stopping.set()
        if self.thread is not threading.current_thread():
            self.thread.join()

    def run(self) -> None:
        while not self.stopping.wait(self.interval):
            for path in files():
                if self.has_changed(path):
                    say("%s has changed." % path)
                    say("this process stops, another takes over.")
                    os.kill(os.getpid(), signal.SIGINT)
                    return

    def has_changed(self, path: str) -> bool:
        """Return whether the file differs from when it was seen first, or is gone."""
        try:
            modified = os.stat(path).st_mtime
        except OSError:
            return path in self.seen
        return self.seen.setdefault(path, modified) != modified


def say(text: str) -> None:
    print("monitor (pid=%d): %s" % (os.getpid(), text), file=sys.stderr, flush=True)


def source_of(path: str) -> str:
    """Return the file that people edit."""
    return path[:-1] if path.endswith((".pyc", ".pyo", ".pyd")) else path


def files() -> Iterator[str]:
    """Yield the files of all modules that are loaded, and those that were registered."""
    yield from list(_tracked)
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if isinstance(path, str):
            yield source_of(path)


def track_changes(path: str) -> None:
    """Watch one more file, e.g. a template or a configuration file."""
    _tracked.add(path)


_monitor = None
_lock = threading.Lock()


def start_reloader(interval: float = 1.0) -> None:
    """Watch from now on; when called again the smaller interval wins."""
    global _monitor
    with _lock:
        if _monitor is not None:
            _monitor.interval = min(_monitor.interval, interval)
            return
        _monitor = Monitor(interval)
    stop_with_process(_monitor)
    _monitor.start()


def stop_with_process(monitor: Monitor) -> None:
    """End the thread as soon as the process begins to stop, so that it delays nothing."""
    import mod_wsgi

    subscribe = getattr(mod_wsgi, "subscribe_shutdown", None)  # only there inside the server
    if subscribe is not None:
        subscribe(lambda name, **payload: monitor.stop())
