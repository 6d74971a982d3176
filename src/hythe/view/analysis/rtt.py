"""Round-trip times as the capture sees them: from a segment to what acknowledges it, and back where it was captured.

A segment that was sent twice gives none (Karn's algorithm; RFC 6298, 3). `lowest` is of all samples; how far the path's
queues lengthen it is judged by *prompt* ones alone, of acknowledgments that no delayed-ACK timer can have held back: those
of two full segments at once, or sooner.
"""

from __future__ import annotations

from typing import Final

from hythe.units import MILLISECOND, NEVER

#: Upper ends of the buckets in which samples are counted, ns: each an eighth longer than the one before.
_FIRST: Final = MILLISECOND // 10
_BUCKETS: Final = 120


class RoundTrips:
    """The samples of one way, in little room: their number, smoothed, and their distribution."""

    __slots__ = (
        "_prompt",
        "count",
        "highest",
        "highest_at",
        "latest",
        "lowest",
        "lowest_at",
        "prompt",
        "smoothed",
        "total",
        "variation",
    )

    def __init__(self) -> None:
        self.count = self.prompt = self.total = 0
        self.lowest = NEVER
        self.lowest_at = self.highest_at = 0  # numbers of the packets that gave them
        self.highest = self.latest = 0
        self.smoothed = self.variation = 0
        self._prompt = [0] * _BUCKETS

    def add(self, sample: int, number: int, *, prompt: bool) -> None:
        """One more. Smoothing as RFC 6298, 2."""
        if not self.count:
            self.smoothed, self.variation = sample, sample // 2
        else:
            self.variation += (abs(self.smoothed - sample) - self.variation) // 4
            self.smoothed += (sample - self.smoothed) // 8
        self.count += 1
        self.total += sample
        self.latest = sample
        if sample < self.lowest:
            self.lowest, self.lowest_at = sample, number
        if sample > self.highest:
            self.highest, self.highest_at = sample, number
        if prompt:
            self.prompt += 1
            self._prompt[_bucket(sample)] += 1

    @property
    def known(self) -> int:
        """The lowest; 0 where there was no sample."""
        return self.lowest if self.count else 0

    def exceeded_by(self, share: float) -> int:
        """The time, ns, that this share of the prompt samples exceed, to an eighth; 0 where there are none."""
        left = self.prompt * (1 - share)
        for index, count in enumerate(self._prompt):
            left -= count
            if count and left <= 0:
                bound: int = _FIRST * 9**index // 8**index
                return min(bound, self.highest)
        return 0

    def retransmission_timeout(self) -> int:
        """What a sender's timer would be about now (RFC 6298, 2.2-2.3; a least of 200 ms, as hythe and Linux have)."""
        return self.smoothed + max(4 * self.variation, 200 * MILLISECOND) if self.count else 1_000 * MILLISECOND


def _bucket(sample: int) -> int:
    bound = _FIRST
    for index in range(_BUCKETS - 1):
        if sample < bound * 9 // 8:
            return index
        bound = bound * 9 // 8
    return _BUCKETS - 1
