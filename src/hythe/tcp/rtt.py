"""Round-trip time and the retransmission time-out: RFC 6298, with Linux's floor.

Samples come from the send times of segments that were not retransmitted (Karn, RFC 6298 3), at the clock's full
resolution. The floor is applied as Linux does, to the variance term rather than to the sum: rto = srtt + max(4 rttvar,
rto_min), so that a long path is not retransmitted into by its own jitter.
"""

from __future__ import annotations

from typing import Final

_BACKOFF_MAX: Final = 16


class RoundTrip:
    """The estimator of one connection. All values nanoseconds; `srtt` 0 means no sample yet."""

    __slots__ = ("_base", "backoff", "latest", "least", "rto", "rto_max", "rto_min", "rttvar", "srtt")

    def __init__(self, initial: int, least: int, most: int) -> None:
        self.srtt = 0
        self.rttvar = 0
        self.latest = 0
        self.least = 0
        self.rto_min = least
        self.rto_max = most
        self._base = initial
        self.rto = initial
        self.backoff = 0

    def sample(self, rtt: int) -> None:
        """RFC 6298, 2.2 and 2.3. A fresh sample also ends the backing off (5.7's note)."""
        rtt = max(rtt, 1)
        if self.srtt:
            self.rttvar += (abs(self.srtt - rtt) - self.rttvar) >> 2
            self.srtt += (rtt - self.srtt) >> 3
            if rtt < self.least:
                self.least = rtt
        else:
            self.srtt = self.least = rtt
            self.rttvar = rtt >> 1
        self.latest = rtt
        self._base = self.srtt + max(self.rttvar << 2, self.rto_min)
        self.backoff = 0
        self.rto = min(self._base, self.rto_max)

    def back_off(self) -> None:
        """RFC 6298, 5.5: the time-out doubles."""
        self.backoff = min(self.backoff + 1, _BACKOFF_MAX)
        self.rto = min(self._base << self.backoff, self.rto_max)

    def relax(self) -> None:
        """Progress was made: forget the backing off, keep the estimate."""
        if self.backoff:
            self.backoff = 0
            self.rto = min(self._base, self.rto_max)
