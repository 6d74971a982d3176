"""One lazy heap of deadlines for all connections of a host.

Theory of operation. A connection's nearest deadline moves with nearly every segment, so moving a heap entry each time
would cost more than the segment. Instead each connection has a field `deadline` that may be set freely, and at most one
live entry in the heap, filed under a time that is never later than the deadline but may be earlier. Only when a deadline
becomes earlier than what is filed does a push happen. An entry that comes due too early is filed again: 90 ns where a
cancel-and-set would be a microsecond.

What an earlier entry replaced, and what was cancelled, stays in the heap as a leftover until its time comes or until
leftovers are the greater part: then the heap is built anew without them.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import Final, Protocol

from hythe.units import NEVER

#: Fewer leftovers than this are not worth a sweep.
_LEFTOVERS_MIN: Final = 64


class Timed(Protocol):
    """Whatever has a deadline: `filed` is the time its live heap entry bears, NEVER when it has none."""

    deadline: int
    filed: int

    def fire(self, now: int) -> None:
        """Do what is due at `now`, and set `deadline` anew."""


class TimerQueue:
    """The heap. All times are nanoseconds on the driver's clock."""

    __slots__ = ("_heap", "_leftovers", "_serial")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Timed]] = []
        self._leftovers = 0
        self._serial = 0

    def __len__(self) -> int:
        return len(self._heap)

    def file(self, timed: Timed) -> None:
        """Make sure that `timed` is looked at no later than its deadline. Call after moving a deadline earlier."""
        deadline = timed.deadline
        if deadline < timed.filed:
            if timed.filed != NEVER:
                self._leave_over()
            timed.filed = deadline
            self._serial += 1
            heappush(self._heap, (deadline, self._serial, timed))

    def cancel(self, timed: Timed) -> None:
        """`timed` has ended: let go of it."""
        timed.deadline = NEVER
        if timed.filed != NEVER:
            timed.filed = NEVER
            self._leave_over()

    def next_deadline(self) -> int:
        """When `fire` next has something to look at; may be early, never late. NEVER when empty."""
        return self._heap[0][0] if self._heap else NEVER

    def fire(self, now: int) -> None:
        """Fire everything that is due. What fires may file itself again; that is looked at in the next call."""
        heap = self._heap
        due: list[Timed] = []
        while heap and heap[0][0] <= now:
            filed, _, timed = heappop(heap)
            if filed == timed.filed:
                timed.filed = NEVER
                due.append(timed)
            else:
                self._leftovers -= 1
        for timed in due:
            if timed.deadline <= now:
                timed.fire(now)
            self.file(timed)

    def _leave_over(self) -> None:
        self._leftovers += 1
        if self._leftovers > _LEFTOVERS_MIN and 2 * self._leftovers > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[0] == entry[2].filed]
            heapify(self._heap)
            self._leftovers = 0
