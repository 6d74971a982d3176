"""What a congestion controller is: a window, and the few things it is told.

The controller never sees segments. `hythe.tcp` tells it what was acknowledged and lost, in bytes, and asks for `cwnd`.
It is told of acknowledged bytes only while the window is what limits the sender (RFC 9293, 3.8.2; RFC 7661, 4.1), so a
controller does not have to guess whether its window was tested.
"""

from __future__ import annotations

from typing import Final

from hythe.tcp.congestion.hystart import GROWTH, HyStart
from hythe.units import NEVER

#: "Arbitrarily high" (RFC 5681, 3.1).
UNLIMITED: Final = NEVER


class Controller:
    """Slow start and the reactions all loss-based controllers share; `_avoid` and `_reduced` are what differs.

    `cwnd`, `ssthresh`: bytes. `mss`: bytes, kept by the connection when the path MTU changes.
    """

    __slots__ = ("_cwnd_before", "_hystart_before", "_ssthresh_before", "cwnd", "hystart", "mss", "ssthresh")

    name = "none"

    def __init__(self, mss: int, initial_window: int) -> None:
        self.mss = mss
        self.cwnd = initial_window * mss
        self.ssthresh = UNLIMITED
        self.hystart: HyStart | None = None  # while it watches over slow start
        self._hystart_before: HyStart | None = None
        self._cwnd_before = 0  # before the last reduction
        self._ssthresh_before = UNLIMITED

    def begin(self, mss: int, initial_window: int) -> None:
        """The handshake is done and the segment size agreed: the initial window (RFC 6928)."""
        self.mss = mss
        self.cwnd = initial_window * mss

    def acked(self, size: int, now: int, srtt: int) -> None:
        """`size` more bytes were acknowledged while the window was full, outside of fast recovery."""
        if self.cwnd < self.ssthresh:
            # RFC 5681, 3.1 with RFC 3465's L: what is left when ssthresh is reached goes to congestion avoidance.
            if self.hystart is not None and self.hystart.conservative:
                size //= GROWTH
            step = min(size, self.ssthresh - self.cwnd)
            self.cwnd += step
            size -= step
        if size:
            self._avoid(size, now, srtt)

    def watch(self, rtt: int, una: int, nxt: int, now: int, *, bursts: bool) -> None:
        """Before `acked`, while `hystart` is set: the latest round trip, snd_una and snd_nxt (RFC 9406, 4.2)."""
        hystart = self.hystart
        if hystart is not None:
            hystart.sample(rtt, una, nxt, now, bursts=bursts)
            if hystart.over:
                self.ssthresh = self.cwnd
                self.hystart = None

    def lost(self, now: int, flight: int) -> None:
        """Fast recovery begins with `flight` bytes outstanding."""
        self._remember()
        self.ssthresh = max(self._reduced(now, flight), 2 * self.mss)
        self.cwnd = self.ssthresh

    def lost_again(self, now: int) -> None:
        """A retransmission of the fast recovery was lost: a second sign, a second reduction (RFC 5681, 4.3)."""
        self.cwnd = self.ssthresh  # proportional rate reduction may have had it anywhere
        self.ssthresh = max(self._reduced(now, self.cwnd), 2 * self.mss)

    def timed_out(self, now: int, flight: int) -> None:
        """The retransmission timer fired: RFC 5681, 3.1 (equation 4) and the loss window of one segment."""
        self._remember()
        self.ssthresh = max(self._reduced(now, flight), 2 * self.mss)
        self.cwnd = self.mss

    def timed_out_again(self) -> None:
        """It fired once more for the same loss: ssthresh stays what it was (RFC 5681, 3.1)."""
        self.cwnd = self.mss

    def undo(self) -> None:
        """The last reduction was needless: window and threshold are what they were (RFC 4015, 3)."""
        self.cwnd = max(self.cwnd, self._cwnd_before)
        self.ssthresh = self._ssthresh_before
        self.hystart = self._hystart_before

    def rested(self, length: int, rto: int, restart: int) -> None:
        """Nothing was sent for `length`, more than one time-out: what the window says is stale (RFC 5681, 4.1).

        Halved for each time-out, not below `restart` bytes; ssthresh remembers it (RFC 2861, 3, as Linux does).
        """
        self.ssthresh = max(self.ssthresh, self.cwnd * 3 // 4)
        floor = min(restart, self.cwnd)
        self.cwnd = max(floor, self.cwnd >> min(length // rto, 62))

    def recovered(self, now: int) -> None:
        """All that was outstanding when recovery began is acknowledged."""
        self.cwnd = max(self.ssthresh, 2 * self.mss)

    def resized(self, mss: int) -> None:
        """The segment size changed: the window keeps its number of segments, but does not grow by that (Linux)."""
        self.cwnd = max(min(self.cwnd, self.cwnd * mss // self.mss), 2 * mss)
        self.mss = mss

    def _remember(self) -> None:
        self._hystart_before = self.hystart
        self.hystart = None  # a first loss ends the first slow start
        self._cwnd_before = self.cwnd
        self._ssthresh_before = self.ssthresh

    def _avoid(self, size: int, now: int, srtt: int) -> None:
        raise NotImplementedError

    def _reduced(self, now: int, flight: int) -> int:
        raise NotImplementedError
