"""How hard the writer works.

It takes something from everybody else: room in the caches and, on many machines, half a core from the thread beside it. So
where far more comes than it can write, or than is promised, and the file has gaps anyway, it rests most of the time. Whether
that is so is measured, for a ring that was full once tells nothing: the machine may have had no time for the writer, which
then has to catch up, at full speed.

And where much comes, it is collected: woken by every packet, the writer would take hythe's place on its processor each time,
and where others want that as well, hythe would have to wait for milliseconds until its next turn. Where little comes it is
woken, for the socket of a packet may be gone soon.
"""

from __future__ import annotations

from typing import Final

from hythe.gateway.capture.ring import Ring
from hythe.units import MILLISECOND

#: Nanoseconds of work between two looks, and seconds of rest where there is no use in hurrying.
WORK: Final = 1 * MILLISECOND
REST: Final = 0.014
#: Bytes a nanosecond that are much (100 Mbit/s), over so many nanoseconds, and for how many seconds they are collected.
_MUCH: Final = 0.0125
_SPAN: Final = 5 * MILLISECOND
COLLECT: Final = 0.004
#: Hurrying is of use until so many times more comes than can be written, and is owed to so many bytes a nanosecond
#: (1.5 Gbit/s): who transfers more than that wants speed.
_HOPELESS: Final = 2.0
_OWED: Final = 0.1875
#: What older looks count for, a look.
_FADE: Final = 0.95


class Pace:
    """Of one writer. `begin` before work, `look` every now and then: both are told the time, in nanoseconds."""

    __slots__ = (
        "_began",
        "_elapsed",
        "_looked",
        "_much",
        "_offered",
        "_offered_then",
        "_ring",
        "_since",
        "_taken",
        "_taken_since",
        "_taken_then",
        "_worked",
    )

    def __init__(self, ring: Ring, now: int) -> None:
        self._ring = ring
        self._began = self._looked = now
        self._offered_then, self._taken_then = ring.offered, ring.taken
        self._since, self._taken_since, self._much = now, ring.taken, False
        self._offered = self._taken = 0.0  # bytes
        self._elapsed = self._worked = 0.0  # nanoseconds in which they came, and were written

    def begin(self, now: int) -> None:
        """Work begins."""
        self._began = now

    def look(self, now: int) -> bool:
        """After `WORK` of it at the least: is it time to rest?"""
        if now - self._began < WORK:
            return False
        offered, taken = self._ring.offered, self._ring.taken
        self._offered = self._offered * _FADE + offered - self._offered_then
        self._taken = self._taken * _FADE + taken - self._taken_then
        self._elapsed = self._elapsed * _FADE + now - self._looked
        self._worked = self._worked * _FADE + now - self._began
        self._offered_then, self._taken_then, self._looked, self._began = offered, taken, now, now
        if not self._ring.shut:
            return False
        return (
            self._offered > _OWED * self._elapsed or self._offered * self._worked > _HOPELESS * self._taken * self._elapsed
        )

    def collects(self, now: int) -> bool:
        """All that came is written: does so much come that the writer does not listen for the next?"""
        span = now - self._since
        if span >= _SPAN:
            taken = self._ring.taken
            self._much = taken - self._taken_since > _MUCH * span
            self._since, self._taken_since = now, taken
        return self._much
