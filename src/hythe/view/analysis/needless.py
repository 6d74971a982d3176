"""Retransmissions that were needless: what their sender had taken for lost had come, or came after all; and what shows it.

Each proof is something that the receiver said, or what the capture saw itself: a D-SACK, which tells of all that came twice
since the acknowledgment before, so of several segments where they came together; the echo of a timestamp from before the
retransmission (the Eifel algorithm); an acknowledgment that came sooner than the path allows; one that was there before; and
what was sent first, which comes last. Where none of these is seen it counts as a loss.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from hythe.view.analysis.ranges import Ranges
from hythe.view.analysis.resent import BY_TIMER, Kind, Proof, Resent, older

if TYPE_CHECKING:
    from hythe.view.analysis.rtt import RoundTrips
    from hythe.view.analysis.segments import Captured

#: Retransmissions whose acknowledgment is waited for, and those of which a D-SACK may speak.
_OPEN: Final = 1_024
#: Acknowledgments that echo a stamp of the window before may be of anything older.
_WINDOW: Final = 65_535
#: Samples that make the shortest round trip seen one that the path does not go below, and how much of it is too soon.
_SAMPLES: Final = 8
_SOON: Final = 3, 4


class Doubts:
    """Retransmissions of one way that may yet prove needless."""

    __slots__ = ("_recent", "_unheard")

    def __init__(self) -> None:
        self._recent: deque[Resent] = deque(maxlen=_OPEN)
        self._unheard: deque[Resent] = deque(maxlen=_OPEN)

    def add(self, found: Resent, una: int, sacked: Ranges, acknowledged: int) -> None:
        """One more. Everything below `una`, and what is `sacked`, had been acknowledged, last by packet `acknowledged`."""
        self._recent.append(found)
        if found.end > una and not sacked.covers(found.start, found.end):
            self._unheard.append(found)
        elif found.kind.repairs:
            _prove(found, acknowledged, Proof.BEFORE)

    def twice(self, start: int, end: int, number: int) -> None:
        """The receiver had `[start, end)` twice: of each part, what was sent last was needless."""
        left = Ranges()
        left.add(start, end)
        for each in reversed(self._recent):
            if each.proof is not Proof.TWICE and left.touches(each.start, each.end):
                _prove(each, number, Proof.TWICE)
                left.remove(each.start, each.end)
                if not left:
                    return

    def came_late(self, segment: Captured, start: int, end: int) -> Resent | None:
        """Was this, of `[start, end)`, sent before what came again for it? That one, then."""
        stamp = segment.options.ts_val
        for each in reversed(self._recent):
            if each.start <= start and end <= each.end:
                if not older(stamp, each.ts_val):
                    return None
                if each.kind.repairs and not each.spurious:
                    _prove(each, segment.number, Proof.LATE)
                return each
        return None

    def heard(self, segment: Captured, una: int, sacked: Ranges, trips: RoundTrips) -> None:
        """What was acknowledged has its proof now, or none by its acknowledgment."""
        if not self._unheard:
            return
        least = trips.known * _SOON[0] // _SOON[1] if trips.count >= _SAMPLES else 0
        left: deque[Resent] = deque(maxlen=_OPEN)
        for each in self._unheard:
            if each.end > una and not sacked.covers(each.start, each.end):
                left.append(each)
            elif not each.spurious and each.original:
                if segment.time - each.time < least:
                    _prove(each, segment.number, Proof.SOON)
                elif each.end <= una and each.end > una - _WINDOW and not segment.options.sack:
                    if older(segment.options.ts_ecr, each.ts_val):
                        _prove(each, segment.number, Proof.ECHO)
        self._unheard = left


def _prove(found: Resent, number: int, proof: Proof) -> None:
    found.spurious, found.proof = number, proof
    overtaking = found.kind not in BY_TIMER and found.kind is not Kind.AFTER
    found.reordered = found.kind.repairs and overtaking and not found.crowded
