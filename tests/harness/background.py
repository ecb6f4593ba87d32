"""Requests that run while the test goes on."""
import threading
from pathlib import Path
from typing import Callable, List

from harness.waiting import wait_until


class Background:
    """One call in a thread of its own; :meth:`result` waits for it and passes its exception on."""

    def __init__(self, call: Callable, *arguments, **keywords):
        self.value = None
        self.error = None
        self.thread = threading.Thread(target=self.run, args=(call, arguments, keywords), daemon=True)
        self.thread.start()

    def run(self, call, arguments, keywords) -> None:
        try:
            self.value = call(*arguments, **keywords)
        except BaseException as error:
            self.error = error

    @property
    def is_done(self) -> bool:
        return not self.thread.is_alive()

    def result(self, seconds: float = 40):
        self.thread.join(seconds)
        assert self.is_done, "the request is still running after {} s".format(seconds)
        if self.error is not None:
            raise self.error
        return self.value


class HeldRequests:
    """Requests to the path ``/wait`` of tests/apps/process.wsgi, which run until they are released.

    Args:
        prefix: where that application is mounted, without a slash at the end.
    """

    def __init__(self, server, prefix: str = "", folder: str = "held"):
        self.server = server
        self.prefix = prefix
        self.folder: Path = server.data_folder(folder)
        self.count = 0

    def send(self) -> "Held":
        """Send one; it may wait in a queue."""
        self.count += 1
        return Held(self, "request{}".format(self.count))

    def start(self, number: int = 1) -> List["Held"]:
        """Send some and wait until the application runs all of them."""
        held = [self.send() for _ in range(number)]
        for one in held:
            one.wait_running()
        return held


class Held(Background):
    """One request that the application holds."""

    def __init__(self, requests: HeldRequests, name: str):
        self.running = requests.folder / ("running-" + name)
        self.gate = requests.folder / name
        path = "{}/wait?folder={}&name={}".format(requests.prefix, requests.folder, name)
        super().__init__(requests.server.client().get, path)

    def wait_running(self) -> int:
        """Wait until the application has the request.

        Returns:
            The pid of the process that runs it.
        """
        return int(wait_until(lambda: self.running.exists() and self.running.read_text(), 20,
                              "the application to run the request, which {}".format("ended" if self.is_done else "is open")))

    @property
    def runs(self) -> bool:
        return self.running.exists()

    def release(self):
        """Let it end, and give its response."""
        self.gate.touch()
        return self.result()
