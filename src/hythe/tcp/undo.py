"""Was a recovery needless? Then the window is what it was before: RFC 3522, RFC 3708, RFC 5682.

Three witnesses. *Eifel*: the ACK of what was resent first echoes a timestamp older than the retransmission, so it answers
the original. *D-SACK*: everything that was resent came twice. *F-RTO*, for time-outs: once the retransmission is
acknowledged nothing more is resent, but new data leaves, and if the next ACK covers something that was sent only once, the
network had delayed the flight and not lost it.

What a fast recovery took for lost, and was not, had been overtaken: RACK waits longer from then on (RFC 8985, 6.2, step 3).
It would not learn that otherwise where all that comes late has been resent by then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hythe.tcp.trace import Undone

if TYPE_CHECKING:
    from hythe.tcp.block import ControlBlock


class Undo:
    """What the witnesses need to know of one episode. `marker`: snd_una when it began, -1 for none that can be undone.

    `hole`, `stamp`: where the first retransmission began and its TSval, -1 for none or when it is no witness any more.
    `left`: bytes resent that no D-SACK has told of. `watching`: F-RTO is possible; `waiting`: the retransmission is
    acknowledged, the next ACK decides.
    """

    __slots__ = ("hole", "left", "marker", "stamp", "waiting", "watching")

    def __init__(self) -> None:
        self.marker = -1
        self.hole = -1
        self.stamp = -1
        self.left = 0
        self.watching = False
        self.waiting = False

    def begin(self, una: int, outstanding: int, *, watching: bool) -> None:
        """An episode begins; what is resent from now on, and `outstanding` bytes that were before, may prove needless."""
        self.marker = una
        self.hole = self.stamp = -1
        self.left = outstanding
        self.watching = watching
        self.waiting = False

    def resent(self, start: int, size: int, stamp: int, *, first: bool) -> None:
        """`size` bytes from `start` on were resent with TSval `stamp`, for the `first` time."""
        if self.hole < 0:
            self.hole = start
            self.stamp = stamp if first else -1
        self.left += size

    def repeated(self, left: int, right: int) -> bool:
        """A D-SACK for `[left, right)`. True when it was the last that was missing (RFC 3708, 3)."""
        if self.marker < 0 or left < self.marker:
            return False
        self.left -= right - left
        return self.hole >= 0 and self.left <= 0

    def echoed(self, echo: int) -> bool:
        """TSecr `echo` came with the first ACK beyond `hole`: is it older than what we resent (RFC 3522, 3.2 (5))?"""
        return (echo - self.stamp) & 0xFFFFFFFF > 0x7FFFFFFF


def advanced(tcb: ControlBlock, echo: int, now: int) -> bool:
    """An ACK in an episode of recovery has advanced snd_una. True if it proves the episode needless: it is over."""
    undo = tcb.undo
    if undo.marker < 0:
        return False
    if echo and undo.stamp >= 0 and tcb.snd_una > undo.hole:
        if undo.echoed(echo):
            revert(tcb, now, "Eifel", "RFC 3522, 3.2")
            return True
        undo.stamp = -1  # the first ACK decides
        undo.watching = False
    return False


def answered(tcb: ControlBlock, now: int) -> None:
    """F-RTO: an ACK came after a time-out (RFC 5682, 3.1). The SACK blocks have been taken."""
    undo, board = tcb.undo, tcb.scoreboard
    if not undo.watching or not board.by_timeout or tcb.snd_una <= undo.marker:
        return
    if undo.waiting:
        undo.watching = undo.waiting = False
        if board.original:
            revert(tcb, now, "F-RTO", "RFC 5682, 3.1 (3b)")
    elif tcb.sendq.end > tcb.snd_nxt:
        undo.waiting = True  # step 2b: new data first
        board.original = False
    else:
        undo.watching = False


def revert(tcb: ControlBlock, now: int, reason: str, section: str) -> None:
    """The episode was needless: the window returns to what it was, and nothing counts as lost (RFC 4015, 3; 9438, 4.9)."""
    tcb.congestion.undo()
    board = tcb.scoreboard
    if not board.by_timeout:
        board.reordered = max(board.reordered, board.highest - tcb.undo.hole)
    tcb.undo.begin(-1, 0, watching=False)
    board.believe()
    board.end()
    tcb.undone += 1
    tcb.note(0)
    if tcb.trace is not None:
        tcb.trace(Undone(now, section, reason, tcb.congestion.cwnd))
