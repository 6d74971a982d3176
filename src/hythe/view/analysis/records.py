"""What one way has outstanding: each segment that was sent and not acknowledged, by its place in the stream."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Final

#: Outstanding segments kept; a window of the smallest segments that anybody sends has fewer.
_MAX: Final = 65_536


class Record:
    """`[start, end)` as it was first sent: `number` at `time`. `tries`: how often; `sacked`: reported to have come.

    `late`: the capture saw itself that others had overtaken it.
    """

    __slots__ = ("end", "late", "number", "sacked", "start", "tries", "ts_val")

    def __init__(self, start: int, end: int, number: int, ts_val: int | None) -> None:
        self.start = start
        self.end = end
        self.number = number
        self.ts_val = ts_val
        self.tries = 1
        self.sacked = self.late = False


class Records:
    """In the order of the stream; the time of each lies beside it."""

    __slots__ = ("_all", "_starts", "_times")

    def __init__(self) -> None:
        self._all: list[Record] = []
        self._starts: list[int] = []
        self._times: list[int] = []

    def add(self, record: Record, time: int) -> None:
        """One more, wherever it belongs; the lowest goes where there are too many."""
        at = bisect_left(self._starts, record.start)
        self._all.insert(at, record)
        self._starts.insert(at, record.start)
        self._times.insert(at, time)
        if len(self._all) > _MAX:
            self._drop(1)

    def within(self, start: int, end: int) -> list[Record]:
        """Those that have a part of `[start, end)`."""
        first = max(0, bisect_right(self._starts, start) - 1)
        last = bisect_left(self._starts, end)
        return [each for each in self._all[first:last] if each.end > start]

    def acknowledge(self, position: int) -> tuple[list[Record], int]:
        """Take out what lies below `position` whole; and when the last of that was sent, 0 if nothing was."""
        count = bisect_left(self._starts, position)
        if count and self._all[count - 1].end > position:
            count -= 1
        taken, time = self._all[:count], self._times[count - 1] if count else 0
        self._drop(count)
        return taken, time

    def _drop(self, count: int) -> None:
        del self._all[:count], self._starts[:count], self._times[:count]
