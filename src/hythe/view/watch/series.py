"""Bounded histories. Only what happened is kept, by the number of the tick, so that idleness costs nothing."""

from __future__ import annotations

from collections import deque
from typing import Final

#: Ticks that are remembered: with one a second, a minute.
TICKS: Final = 60


class History:
    """Rates up and down by tick; a tick of which nothing is known had none."""

    __slots__ = ("_samples",)

    def __init__(self) -> None:
        self._samples: deque[tuple[int, float, float]] = deque(maxlen=TICKS)

    def note(self, tick: int, up: float, down: float) -> None:
        """The rates of one tick, in bytes a second. Ticks only grow."""
        self._samples.append((tick, up, down))

    def last(self, tick: int, count: int) -> list[tuple[float, float]]:
        """(up, down) of the `count` ticks up to `tick`, the oldest first."""
        found = [(0.0, 0.0)] * count
        for at, up, down in reversed(self._samples):
            place = at - tick + count - 1
            if place < 0:
                break
            if place < count:
                found[place] = (up, down)
        return found
