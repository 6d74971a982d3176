"""Proportional rate reduction: RFC 9937 (which obsoletes RFC 6937).

During fast recovery the window shrinks in proportion to what is delivered, so that an ACK always lets something out: no
silence of half a round trip, no burst at its end. When more is lost than the controller wants to give up, one segment more
than was delivered leaves with each ACK that is good news (slow start reduction bound), else just as much (conservative).
"""

from __future__ import annotations


class ProportionalReduction:
    """One reduction, `since` when. In bytes: `delivered` and `out` since then, `flight` outstanding then (RecoverFS)."""

    __slots__ = ("_delivered", "_flight", "out", "since")

    def __init__(self, flight: int, since: int) -> None:
        self.since = since
        self._delivered = 0
        self._flight = max(flight, 1)
        self.out = 0

    def window(self, pipe: int, ssthresh: int, delivered: int, mss: int, *, safe: bool) -> int:
        """The congestion window after an ACK that told of `delivered` bytes. `safe`: it advanced, and told of no loss."""
        self._delivered += delivered
        if pipe > ssthresh:
            count = -(-self._delivered * ssthresh // self._flight) - self.out
        else:
            count = max(self._delivered - self.out, delivered)
            if safe:
                count += mss
            count = min(count, ssthresh - pipe)
        if not self.out:
            count = max(count, mss)  # the fast retransmit itself
        return pipe + max(count, 0)
