"""A rate and the queue in front of it: first in, first out, tail drop.

No packet is kept here. A packet's departure follows from those before it the moment it comes, so the queue is the list of
departures that lie ahead. A packet waits for its place and leaves when its last bit has.
"""

from __future__ import annotations

from collections import deque

from hythe.link.faults.plan import Plan
from hythe.units import SECOND


class Queue:
    """`busy_until`: when the last packet that was admitted will have left, in ns."""

    __slots__ = ("_ahead", "_bytes", "busy_until")

    def __init__(self) -> None:
        self._ahead: deque[tuple[int, int]] = deque()
        self._bytes = 0
        self.busy_until = 0

    def admit(self, size: int, now: int, plan: Plan) -> int | None:
        """When a packet of `size` bytes that comes at `now` will have left, or None: the queue is full.

        The packet that is leaving takes no room any more, so one packet at a time passes whatever the limits say.
        """
        if not plan.rate:
            return self.free_at(now)
        ahead = self._ahead
        while ahead and ahead[0][0] <= now:
            self._bytes -= ahead.popleft()[1]
        if ahead:
            room, places = plan.room
            if self._bytes - ahead[0][1] + size > room or len(ahead) > places:
                return None
        self.busy_until = max(self.busy_until, now) + size * 8 * SECOND // plan.rate
        ahead.append((self.busy_until, size))
        self._bytes += size
        return self.busy_until

    def free_at(self, now: int) -> int:
        """When a packet without a rate will have left: behind what waits for one that was there a moment ago."""
        self.busy_until = max(self.busy_until, now)
        return self.busy_until
