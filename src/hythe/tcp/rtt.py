"""Round-trip time and the retransmission time-out: RFC 6298, with Linux's floor.

Samples come from the send times of segments that were not retransmitted (Karn, RFC 6298 3), at the clock's full
resolution. `pto` is when to ask instead of waiting for the time-out: RFC 8985's probe time-out. The floor is applied as
Linux does, to the variance term rather than to the sum: rto = srtt + max(4 rttvar, rto_min), so that
a long path is not retransmitted into by its own jitter.
"""

from __future__ import annotations

from typing import Final

from hythe.units import MILLISECOND, SECOND

_BACKOFF_MAX: Final = 16
#: RFC 6298, 5.7: a handshake that timed out and gave no sample was too hasty.
_FALLBACK: Final = 3 * SECOND
#: A probe waits so long beyond a round trip at least, so that a busy machine is not taken for a loss. Linux adds
#: TCP_TIMEOUT_MIN, two ticks of 1 to 10 ms; where the second round trip is as long it gives time enough.
_TICKS: Final = 10 * MILLISECOND


class RoundTrip:
    """The estimator of one connection. All values nanoseconds; `srtt` 0 means no sample yet."""

    __slots__ = ("_base", "backoff", "early", "latest", "least", "pto", "rto", "rto_max", "rto_min", "rttvar", "srtt")

    def __init__(self, initial: int, least: int, most: int) -> None:
        self.srtt = 0
        self.rttvar = 0
        self.latest = 0
        self.least = 0
        self.rto_min = least
        self.rto_max = most
        self._base = initial
        self.rto = self.pto = initial
        self.early = False  # a tail loss probe may leave before the time-out (RFC 8985, 7)
        self.backoff = 0

    def sample(self, rtt: int) -> None:
        """RFC 6298, 2.2 and 2.3. A fresh sample also ends the backing off (Karn; RFC 6298, 5.7's note)."""
        if rtt < 1:
            rtt = 1
        srtt = self.srtt
        if srtt:
            difference = rtt - srtt
            variance = self.rttvar + ((abs(difference) - self.rttvar) >> 2)
            self.rttvar = variance
            self.srtt = srtt = srtt + (difference >> 3)
            if rtt < self.least:
                self.least = rtt
        else:
            self.srtt = self.least = srtt = rtt
            self.rttvar = variance = rtt >> 1
        self.latest = rtt
        spread = variance << 2
        self._base = base = srtt + (spread if spread > self.rto_min else self.rto_min)
        self.backoff = 0
        self.rto = rto = base if base < self.rto_max else self.rto_max
        if self.early:
            pto = srtt + (srtt if srtt > _TICKS else _TICKS)
            self.pto = pto if pto < rto else rto
        else:
            self.pto = rto

    def back_off(self) -> None:
        """RFC 6298, 5.5: the time-out doubles."""
        self.backoff = min(self.backoff + 1, _BACKOFF_MAX)
        self.rto = self.pto = self.after(self.backoff)

    def after(self, times: int) -> int:
        """The time-out after doubling so many times; window probes have a count of their own."""
        return min(self._base << min(times, _BACKOFF_MAX), self.rto_max)

    def opened(self) -> None:
        """The handshake is done. Without a sample of it, be careful (RFC 6298, 5.7)."""
        self.backoff = 0
        if not self.srtt:
            self._base = max(self._base, _FALLBACK)
            self.rto = self.pto = min(self._base, self.rto_max)
