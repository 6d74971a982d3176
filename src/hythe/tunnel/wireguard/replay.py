"""The sliding window against replayed data messages (paper, 5.4.6; RFC 6479): each counter is taken once.

Theory of operation. Counters nearly always come one after the other, so those received last are kept as a run from `start`
to `last`, and one more is a comparison and an assignment, which the loop over a batch does by itself. What is known of
counters below the run is a number whose bit k stands for ``start - 1 - k``; it moves only where the run ends.
"""

from __future__ import annotations

from typing import Final

#: How far behind the greatest counter another may come: what WireGuard's implementations have in common.
WINDOW: Final = 8_128


class ReplayWindow:
    """`last`: the greatest counter taken, -1 before the first. ``last + 1`` may be taken by raising `last`."""

    __slots__ = ("_seen", "_start", "last")

    def __init__(self) -> None:
        self.last = -1
        self._start = 0
        self._seen = 0

    def take(self, counter: int) -> bool:
        """Take a counter; False if it was taken before or is too old to know."""
        last, start = self.last, self._start
        if counter == last + 1:
            self.last = counter
            return True
        if counter > last:
            gap, run = counter - 1 - last, last + 1 - start
            seen = 0
            if gap < WINDOW:
                seen = (1 << min(run, WINDOW)) - 1 << gap
                if gap + run < WINDOW:
                    seen |= self._seen << gap + run
            self._seen = seen & (1 << WINDOW) - 1
            self._start = self.last = counter
            return True
        if counter >= start or last - counter > WINDOW:
            return False
        bit = 1 << start - 1 - counter
        if self._seen & bit:
            return False
        self._seen |= bit
        return True
