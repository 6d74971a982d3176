"""NewReno's window: RFC 5681, with appropriate byte counting (RFC 3465)."""

from __future__ import annotations

from hythe.tcp.congestion.base import Controller


class Reno(Controller):
    """Additive increase of one segment a round trip, halving on loss."""

    __slots__ = ("_bytes",)

    name = "reno"

    def __init__(self, mss: int, initial_window: int) -> None:
        super().__init__(mss, initial_window)
        self._bytes = 0

    def _avoid(self, size: int, now: int, srtt: int) -> None:
        # RFC 3465, 2.1: one segment more for each window's worth of bytes acknowledged.
        self._bytes += size
        if self._bytes >= self.cwnd:
            self._bytes -= self.cwnd
            self.cwnd += self.mss

    def _reduced(self, now: int, flight: int) -> int:
        self._bytes = 0
        return flight // 2
