"""The error log of a server: what must be in it and what must not."""
import re
from pathlib import Path
from typing import List, Match

from harness.waiting import wait_until

NUMBER = re.compile(r"\bWSGI\d{4}\b(?=: )")
ALWAYS_WRONG = (
    (re.compile(r"\bAH0005[12]:.*exit signal"), "an Apache child crashed"),
    (re.compile(r"\bAH0004[56]:"), "Apache had to send more signals to a process that would not end"),
    (re.compile(r"(Address|Leak|Thread|Memory|UndefinedBehavior)Sanitizer|\bruntime error: "), "sanitizer report"),
    (re.compile(r"Fatal Python error|double free|corrupted|free\(\): invalid|stack smashing"), "corrupted process"),
)


class ErrorLog:
    """One log file. The tests see what was written since the last check; see :meth:`unexpected`."""

    def __init__(self, path: Path):
        self.path = path
        self.start = 0
        self.expected: List[str] = []

    def text(self) -> str:
        """What was written since the end of the last check."""
        return self.all()[self.start:]

    def all(self) -> str:
        """The whole file; decoded so that one byte is one character."""
        return self.path.read_bytes().decode("latin-1") if self.path.exists() else ""

    def lines(self, pattern: str = "") -> List[str]:
        """Lines since the last check that contain the regular expression."""
        return [line for line in self.text().splitlines() if re.search(pattern, line)]

    def wait_for(self, pattern: str, seconds: float = 10, count: int = 1) -> Match:
        """Wait until a line matches ``count`` times; the last match is returned. `.` does not cross lines."""

        def found():
            matches = list(re.finditer(pattern, self.text()))
            return matches[-1] if len(matches) >= count else None

        return wait_until(found, seconds, "{!r} in the log, which has:\n{}".format(pattern, self.text()[-3000:])
                          if self.path.exists() else pattern)

    def expect(self, number: str, pattern: str = "", seconds: float = 10) -> str:
        """Wait for a numbered message, and take it as wanted for the rest of this test.

        Args:
            number: e.g. ``WSGI0146``.
            pattern: further regular expression that has to follow in the same line.
        Returns:
            The whole line.
        """
        self.allow(number)
        self.wait_for(re.escape(number) + r": .*" + pattern, seconds)
        return [line for line in self.text().splitlines() if re.search(re.escape(number) + r": .*" + pattern, line)][-1]

    def allow(self, *numbers: str) -> None:
        """Numbered messages that may or may not appear in this test."""
        self.expected.extend(numbers)

    def unexpected(self) -> List[str]:
        """Lines of this test that should not be there. Forgets them, and what was expected."""
        text = self.text()
        self.start += len(text)
        wrong = [line for line in text.splitlines()
                 if any(number not in self.expected for number in NUMBER.findall(line))]
        for pattern, meaning in ALWAYS_WRONG:
            if meaning not in self.expected:
                wrong += ["{}: {}".format(meaning, line) for line in text.splitlines() if pattern.search(line)]
        self.expected = []
        return wrong
