"""How hard the writer works.

It takes something from everybody else: room in the caches and, on many machines, half a core from the thread beside it. So
where the ring was full, and more comes than is promised to be in the file, it rests most of the time: the file has gaps
anyway, and who transfers so much wants speed. Where less comes it works on, for then it was the machine that had no time for
it, and it has to catch up.

And where much comes, it is collected: woken by every packet, the writer would take hythe's place on its processor each time,
and where others want that as well, hythe would have to wait for milliseconds until its next turn. Where little comes it is
woken, for the socket of a packet may be gone soon.
"""

from __future__ import annotations

from typing import Final

from hythe.gateway.capture.ring import Ring
from hythe.units import KIB, MILLISECOND

#: Nanoseconds of work between two looks, and seconds of rest where there is no use in hurrying: with 14 ms the file had as
#: little of a flood as with this, and the flood lost a quarter of its speed instead of an eighth.
WORK: Final = 1 * MILLISECOND
REST: Final = 0.2
#: Bytes a nanosecond that are promised, with a margin (1.5 Gbit/s), and what an older look counts for beside the next.
_PROMISED: Final = 0.1875
_FADE: Final = 0.95
#: Bytes a nanosecond that are much (100 Mbit/s), over so many nanoseconds, and for how many seconds they are collected.
_MUCH: Final = 0.0125
_SPAN: Final = 5 * MILLISECOND
COLLECT: Final = 0.004
#: Bytes that do not wait for that: more than come in this time at 1 Gbit/s, so the writer had to wait for its turn itself.
_ENOUGH: Final = 512 * KIB


class Pace:
    """Of one writer. All are told the time, in nanoseconds; `begin` before work."""

    __slots__ = ("_began", "_elapsed", "_looked", "_much", "_offered", "_offered_then", "_ring", "_since", "_taken_since")

    def __init__(self, ring: Ring, now: int) -> None:
        self._ring = ring
        self._began = self._looked = self._since = now
        self._offered_then = ring.offered
        self._taken_since = ring.taken
        self._offered = self._elapsed = 0.0  # bytes that came, and nanoseconds in which they did
        self._much = False

    def begin(self, now: int) -> None:
        """Work begins."""
        self._began = now

    def look(self, now: int) -> bool:
        """After `WORK` of it at the least: is it time to rest?"""
        if now - self._began < WORK:
            return False
        offered = self._ring.offered
        self._offered = self._offered * _FADE + offered - self._offered_then
        self._elapsed = self._elapsed * _FADE + now - self._looked
        self._offered_then, self._looked, self._began = offered, now, now
        return self._ring.shut and self._offered > _PROMISED * self._elapsed

    def collects(self, now: int) -> bool:
        """All that came is written: does so much come that the writer does not listen for the next?"""
        span = now - self._since
        if span >= _SPAN:
            taken = self._ring.taken
            self._much = taken - self._taken_since > _MUCH * span
            self._since, self._taken_since = now, taken
        return self._much and self._ring.used < _ENOUGH
