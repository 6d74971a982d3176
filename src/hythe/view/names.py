"""Names of addresses, found in the background: all are asked for at once, and nobody waits longer than he says.

A name server that does not answer holds up a thread, never a view: what has no name in time is shown as a number, and may
have one the next time.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

#: Threads that ask at the same time; seconds that a view waits for all of them.
_THREADS_MAX: Final = 32
PATIENCE: Final = 2.0
#: Answers that are remembered; with more they are all asked for again.
_REMEMBERED_MAX: Final = 65_536


def look_up(address: bytes) -> str | None:
    """The name of a packed address, as the C library finds it; it may take long."""
    family = socket.AF_INET if len(address) == 4 else socket.AF_INET6
    try:
        return socket.getnameinfo((socket.inet_ntop(family, address), 0), socket.NI_NAMEREQD)[0]
    except (OSError, UnicodeError):
        return None


class HostNames:
    """A cache of names by packed address, as /etc/hosts and DNS have them, or whatever else looks them up."""

    def __init__(self, look_up: Callable[[bytes], str | None] = look_up) -> None:
        self._look_up = look_up
        self._known: dict[bytes, str | None] = {}
        self._asked: set[bytes] = set()
        self._waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._threads = 0

    def ask(self, addresses: Iterable[bytes]) -> None:
        """Begin to look for the names of those that were not asked for before; return at once."""
        with self._changed:
            if len(self._known) >= _REMEMBERED_MAX:
                self._asked -= self._known.keys()
                self._known.clear()
        new = set(addresses) - self._asked
        self._asked |= new
        for address in new:
            self._waiting.put(address)
        for _ in range(min(len(new), _THREADS_MAX - self._threads)):
            self._threads += 1
            # Daemons, because nothing else ends the wait of the C library; they may outlive us.
            threading.Thread(target=self._work, name="names", daemon=True).start()

    def wait(self, seconds: float = PATIENCE) -> None:
        """Until everything asked for has its answer, or the time is over."""
        deadline = time.monotonic() + seconds
        with self._changed:
            self._changed.wait_for(lambda: len(self._known) >= len(self._asked), max(0.0, deadline - time.monotonic()))

    def answered(self, address: bytes, seconds: float = PATIENCE) -> bool:
        """Ask for one, and wait for its own answer, or until the time is over: has it one, be it that there is no name?"""
        self.ask((address,))
        with self._changed:
            return self._changed.wait_for(lambda: address in self._known, seconds)

    def get(self, address: bytes) -> str | None:
        """The name, if there is one and it is known by now."""
        return self._known.get(address)

    def _work(self) -> None:
        while True:
            address = self._waiting.get()
            name = self._look_up(address)
            with self._changed:
                self._known[address] = name
                self._changed.notify_all()
