"""What waits at an end of an in-process link: a bounded queue, and a descriptor that tells a poller of it."""

from __future__ import annotations

import os
from collections import deque
from typing import Final, Generic, TypeVar

T = TypeVar("T")

#: Packets waiting at one end: Linux txqueuelen.
QUEUE: Final = 1_000


class Inbox(Generic[T]):
    """`dropped` counts what found no room."""

    __slots__ = ("_event", "_waiting", "dropped")

    def __init__(self) -> None:
        self._waiting: deque[T] = deque()
        self._event: int | None = None  # made when somebody wants to poll
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, item: T) -> bool:
        """Queue one; dropped, which returns False, when the queue is full."""
        waiting = self._waiting
        if len(waiting) >= QUEUE:
            self.dropped += 1
            return False
        waiting.append(item)
        if self._event is not None and len(waiting) == 1:
            os.eventfd_write(self._event, 1)
        return True

    def take(self, limit: int) -> list[T]:
        """The first `limit` at most, in order."""
        waiting = self._waiting
        if len(waiting) > limit:
            taken = [waiting.popleft() for _ in range(limit)]
        else:
            taken = list(waiting)
            waiting.clear()
        if self._event is not None and taken and not waiting:
            os.eventfd_read(self._event)
        return taken

    def fileno(self) -> int:
        """An eventfd, readable while anything waits."""
        if self._event is None:
            self._event = os.eventfd(1 if self._waiting else 0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        return self._event

    def close(self) -> None:
        """Drop what waits and give the eventfd back."""
        self._waiting.clear()
        if self._event is not None:
            os.close(self._event)
            self._event = None
