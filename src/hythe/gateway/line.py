"""Sockets outside that have something for their gate, in the order it came, each once."""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import Any


class Watched:
    """A socket in the driver's epoll, level-triggered. With news it stands in its gate's line until the next visit.

    `troubled`: it has errors to tell.
    """

    __slots__ = ("_line", "fd", "troubled", "waiting")

    def __init__(self, fd: int, line: Line) -> None:
        self._line = line
        self.fd = fd
        self.troubled = False
        self.waiting = False

    def on_events(self, events: int, now: int) -> None:
        """Something to receive, or an error."""
        if events & select.EPOLLERR:
            self.troubled = True
        if not self.waiting:
            self.waiting = True
            self._line.enter(self)


class Line:
    """Those who wait. `visit(each, now)`: the gate's part; `wake(0)` asks for a turn."""

    __slots__ = ("_visit", "_wake", "_watched")

    def __init__(self, visit: Callable[[Any, int], object], wake: Callable[[int], object]) -> None:
        self._visit = visit
        self._wake = wake
        self._watched: list[Watched] = []

    def enter(self, watched: Watched) -> None:
        """Stand in line."""
        self._watched.append(watched)
        self._wake(0)

    def serve(self, now: int) -> None:
        """Visit all that stand in line now."""
        if self._watched:
            watched, self._watched = self._watched, []
            for each in watched:
                each.waiting = False
                self._visit(each, now)
