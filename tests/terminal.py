"""Somebody at a terminal, for programs that behave otherwise where there is one."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence

from tests import needs


class Person:
    """Somebody at a terminal of 80 by 24."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str]) -> None:
        self._terminal, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        own = [needs.program("setsid"), "--ctty", *words]  # so that ^C is a signal where no program takes keys
        self.process = subprocess.Popen(own, stdin=other, stdout=other, stderr=other, env=environment)
        os.close(other)
        self.seen = b""

    def press(self, keys: bytes) -> None:
        os.write(self._terminal, keys)

    def see(self, text: bytes) -> None:
        """Until it stands on the screen, behind what was seen before."""
        deadline = time.monotonic() + 20
        while text not in self.seen:
            ready, _, _ = select.select([self._terminal], [], [], max(0, deadline - time.monotonic()))
            assert ready, self.seen
            try:
                self.seen += os.read(self._terminal, 65_536)
            except OSError as error:  # the far side of the terminal is closed
                raise AssertionError(f"{text!r} never came: {self.seen!r}") from error
        self.seen = self.seen.partition(text)[2]

    def end(self) -> int:
        with contextlib.suppress(OSError):
            while os.read(self._terminal, 65_536):
                pass
        return self.process.wait(timeout=20)

    def close(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=20)
        os.close(self._terminal)


@contextlib.contextmanager
def person(words: Sequence[str], **environment: str) -> Iterator[Person]:
    """At a program that is killed in the end."""
    made = Person(words, {**os.environ, "TERM": "xterm", **environment})
    try:
        yield made
    finally:
        made.close()
