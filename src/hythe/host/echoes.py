"""Echo requests to addresses that are not ours: what a gateway is asked to ping on somebody's behalf.

Requests to the host's own addresses are answered by `hythe.host.control`; these wait for an owner who finds out. Without
an owner there is no such queue: a host that is no gateway is not spoken to by other addresses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from hythe.host.counters import Counters
from hythe.tcp.block import READABLE, Surroundings
from hythe.tcp.states import CLOSED

#: What a waiting request counts for beyond its data.
_OVERHEAD: Final = 256


@dataclass(slots=True)
class EchoRequest:
    """`source` asks `destination` (4 or 16 bytes) to echo `data`. `packet`: the start of it all, for an error's quote."""

    source: bytes
    destination: bytes
    identifier: int
    sequence: int
    data: bytes
    packet: bytes


class Echoes:
    """The queue, a `tcp.block.Ready`. `limit`: bytes that may wait; what finds no room is dropped."""

    __slots__ = ("_around", "_counters", "_held", "_limit", "_queue", "news", "owner", "queued")

    state = CLOSED

    def __init__(self, around: Surroundings, limit: int, counters: Counters) -> None:
        self._around = around
        self._limit = limit
        self._counters = counters
        self._queue: list[EchoRequest] = []
        self._held = 0
        self.owner: Any = None
        self.queued = False
        self.news = 0

    def deliver(self, request: EchoRequest) -> None:
        """Queue one request for the owner."""
        cost = len(request.data) + _OVERHEAD
        if self._held + cost > self._limit:
            self._counters.datagrams_dropped += 1
            return
        self._held += cost
        self._queue.append(request)
        self.note(READABLE)

    def note(self, news: int) -> None:
        """Ask for a visit."""
        self.news |= news
        if not self.queued:
            self.queued = True
            self._around.ready.append(self)

    def take(self) -> list[EchoRequest]:
        """All that wait, oldest first."""
        queue, self._queue = self._queue, []
        self._held = 0
        return queue

    def emit(self, now: int) -> None:
        """Nothing is borrowed, nothing is due."""
