"""A set of sequence numbers as sorted ranges that do not touch, bounded in number."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Final

#: Ranges kept: a receiver holds hardly more islands; beyond, the two lowest become one.
_MAX: Final = 1_024


class Ranges:
    """Half-open ranges of unwrapped sequence numbers."""

    __slots__ = ("_ends", "_starts")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def __bool__(self) -> bool:
        return bool(self._starts)

    def __len__(self) -> int:
        return len(self._starts)

    @property
    def top(self) -> int:
        """Where the highest ends; not to be asked of an empty set."""
        return self._ends[-1]

    def add(self, start: int, end: int) -> bool:
        """Put `[start, end)` in; was any of it new?"""
        first, last = bisect_left(self._ends, start), bisect_right(self._starts, end)
        if last - first == 1 and self._starts[first] <= start and end <= self._ends[first]:
            return False
        if first < last:
            start, end = min(start, self._starts[first]), max(end, self._ends[last - 1])
        self._starts[first:last], self._ends[first:last] = [start], [end]
        if len(self._starts) > _MAX:
            del self._starts[1], self._ends[0]
        return True

    def touches(self, start: int, end: int) -> bool:
        """Is any of `[start, end)` in the set?"""
        at = bisect_right(self._ends, start)
        return at < len(self._starts) and self._starts[at] < end

    def covers(self, start: int, end: int) -> bool:
        """Is all of `[start, end)` in the set?"""
        at = bisect_left(self._ends, end)
        return at < len(self._starts) and self._starts[at] <= start

    def remove(self, start: int, end: int) -> None:
        """Take `[start, end)` out, as far as it is there."""
        first, last = bisect_right(self._ends, start), bisect_left(self._starts, end)
        if first >= last:
            return
        rest = [(self._starts[first], start), (end, self._ends[last - 1])]
        rest = [each for each in rest if each[0] < each[1]]
        self._starts[first:last], self._ends[first:last] = [each[0] for each in rest], [each[1] for each in rest]

    def above(self, position: int) -> int:
        """How many bytes of the set lie at or above `position`."""
        at = bisect_right(self._ends, position)
        total = sum(self._ends[at:]) - sum(self._starts[at:])
        return total - max(0, position - self._starts[at]) if at < len(self._starts) else total

    def holes(self, start: int) -> list[tuple[int, int]]:
        """What is missing from `start` to the top."""
        found = []
        for first, last in zip(self._starts, self._ends, strict=True):
            if first > start:
                found.append((start, first))
            start = max(start, last)
        return found

    def forget_below(self, position: int) -> None:
        """Drop what lies below."""
        at = bisect_right(self._ends, position)
        del self._starts[:at], self._ends[:at]
        if self._starts and self._starts[0] < position:
            self._starts[0] = position
