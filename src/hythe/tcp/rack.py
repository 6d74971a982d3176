"""RACK: loss detection by time (RFC 8985, 6).

Theory of operation. What was sent before something that has arrived should have arrived too, a little reordering allowed
for. So not the number of ACKs tells of a loss but the clock: a record is lost once its round trip, plus the reordering
window, is over and anything sent after it is here. A retransmission is a sending like any other, so its loss is found as
well, without a time-out. What is not old enough yet makes a timer (`reo_at`).

The reordering window is nothing until reordering was seen, then a quarter of the shortest round trip, and grows by another
quarter with each round trip in which a D-SACK says that we resent something needlessly (6.2, step 4).
"""

from __future__ import annotations

from typing import Final

from hythe.tcp.recovery import Scoreboard
from hythe.tcp.rtt import RoundTrip
from hythe.units import NEVER

#: RFC 8985, 6.2 step 4: so many recoveries without a D-SACK make the window small again.
_PERSIST: Final = 16


class Rack:
    """RFC 8985's RACK.reo_wnd_mult (`steps`), RACK.reo_wnd_persist and RACK.dsack_round."""

    __slots__ = ("_persist", "_round", "steps")

    def __init__(self) -> None:
        self.steps = 1
        self._persist = _PERSIST
        self._round = -1  # snd_nxt when the last D-SACK counted: the next one counts beyond it

    def repeated(self, una: int, nxt: int) -> None:
        """A D-SACK: the window was too narrow. Counts once a round trip."""
        if una > self._round:
            self._round = nxt
            self.steps = min(self.steps + 1, 0xFF)
            self._persist = _PERSIST

    def recovered(self) -> None:
        """A recovery is over."""
        self._persist -= 1
        if self._persist <= 0:
            self.steps = 1
            self._persist = _PERSIST


def reordering_window(board: Scoreboard, rtt: RoundTrip, enough: int, threshold: int, steps: int) -> int:
    """RACK.reo_wnd in nanoseconds. `enough`: bytes SACKed that mean a loss where nothing was ever reordered."""
    if not board.reordered and (board.recovering or board.sacked >= enough or board.dup_acks >= threshold):
        return 0
    return min(steps * rtt.least >> 2, rtt.srtt)


def detect(board: Scoreboard, now: int, window: int, slack: int) -> tuple[int, int, int]:
    """Declare lost what is late.

    Returns the bytes newly declared, when to look again or NEVER (6.2, step 5), and when the newest retransmission left
    that is among them, or -1.

    What left in one turn has one time, so that of a retransmission and newer data nobody knows which was first: the
    retransmission has `slack` nanoseconds more.
    """
    at, end = board.newest_at, board.newest_end
    allowed = board.newest_rtt + window
    lost = 0
    oldest = NEVER
    again = -1
    for record in board.records:
        if record.sacked or (record.lost and not record.in_flight_again):
            continue
        sent = record.sent_at
        if sent > at or (sent == at and record.end > end):
            if not record.resent and record.start >= board.highest:
                break  # and what follows was sent later still
            continue
        if sent == at and record.resent:
            sent += slack
        if sent + allowed <= now:
            if record.in_flight_again:
                again = max(again, record.sent_at)
            lost += board.declare(record)
        elif sent < oldest:
            oldest = sent
    return lost, oldest + allowed if oldest != NEVER else NEVER, again
