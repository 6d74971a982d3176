"""Was a recovery needless? Then the window is what it was before: RFC 3522, RFC 3708, RFC 5682.

Three witnesses. *Eifel*: the ACK that fills the first hole echoes a timestamp older than our retransmission, so it answers
the original. *D-SACK*: everything that was resent came twice. *F-RTO*, for time-outs: once the retransmission is
acknowledged nothing more is resent, but new data leaves, and if the next ACK covers something that was sent only once, the
network had delayed the flight and not lost it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hythe.tcp.trace import Undone

if TYPE_CHECKING:
    from hythe.tcp.block import ControlBlock


class Undo:
    """What the witnesses need to know of one episode. `marker`: snd_una when it began, -1 for none that can be undone.

    `stamp`: TSval of the first retransmission of what was at snd_una, -1 for none. `left`: bytes resent that no D-SACK
    has told of. `watching`: F-RTO is possible; `waiting`: the retransmission is acknowledged, the next ACK decides.
    """

    __slots__ = ("_resent", "heard", "left", "marker", "stamp", "waiting", "watching")

    def __init__(self) -> None:
        self.marker = -1
        self.stamp = -1
        self.heard = False  # only the first ACK that advances is Eifel's witness
        self.left = 0
        self._resent = False
        self.watching = False
        self.waiting = False

    def begin(self, una: int, outstanding: int, *, watching: bool) -> None:
        """An episode begins; what is resent from now on, and `outstanding` bytes that were before, may prove needless."""
        self.marker = una
        self.stamp = -1
        self.heard = False
        self.left = outstanding
        self._resent = False
        self.watching = watching
        self.waiting = False

    def resent(self, start: int, size: int, stamp: int, *, first: bool) -> None:
        """`size` bytes from `start` on were resent with TSval `stamp`, for the `first` time."""
        if start == self.marker and first:
            self.stamp = stamp
        self.left += size
        self._resent = True

    def repeated(self, left: int, right: int) -> bool:
        """A D-SACK for `[left, right)`. True when it was the last that was missing (RFC 3708, 3)."""
        if self.marker < 0 or left < self.marker:
            return False
        self.left -= right - left
        return self._resent and self.left <= 0

    def echoed(self, echo: int) -> bool:
        """TSecr `echo` came with the first ACK that advances: is it older than what we resent (RFC 3522, 3.2 (5))?"""
        return (echo - self.stamp) & 0xFFFFFFFF > 0x7FFFFFFF


def advanced(tcb: ControlBlock, echo: int, now: int) -> bool:
    """An ACK in an episode of recovery has advanced snd_una. True if it proves the episode needless: it is over."""
    undo = tcb.undo
    if undo.marker < 0:
        return False
    if echo and undo.stamp >= 0 and not undo.heard:
        undo.heard = True
        if undo.echoed(echo):
            revert(tcb, now, "Eifel", "RFC 3522, 3.2")
            return True
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
    tcb.undo.begin(-1, 0, watching=False)
    board = tcb.scoreboard
    board.believe()
    board.end()
    tcb.undone += 1
    tcb.note(0)
    if tcb.trace is not None:
        tcb.trace(Undone(now, section, reason, tcb.congestion.cwnd))
