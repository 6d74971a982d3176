"""What a connection's time goes to while there is something to send: Linux's tcp_chrono, of which `tcp_info` tells.

Theory of operation. A connection is *busy* from when it has something to send until all of it is acknowledged. Within that
time the peer's window may hold it up, or that its owner finds no room in the send queue while all that is queued has left
and the congestion window has room for more. Only changes are noted, when a segment leaves or the last one is acknowledged,
so that a transfer nobody holds up costs one comparison a super-segment.

`ControlBlock.stall` is what holds it up, and `NO_ROOM` besides while the owner waits for room; the sums stand in `stalls`,
once there are any, so that others stay small.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hythe.tcp.block import ControlBlock

#: What may hold a connection up.
WINDOW: Final = 1
BUFFER: Final = 2
NO_ROOM: Final = 4
_HOLDS: Final = WINDOW | BUFFER


class Stalls:
    """Nanoseconds that the peer's window, and the lack of room to queue more, held a connection up; `since`: the present."""

    __slots__ = ("buffer", "since", "window")

    def __init__(self) -> None:
        self.window = 0
        self.buffer = 0
        self.since = 0


def end(tcb: ControlBlock, now: int) -> None:
    """All is acknowledged, and no more is queued. Harmless when repeated."""
    since = tcb.busy_since
    if since >= 0:
        if tcb.stall:
            _hold(tcb, 0, now)
        tcb.busy += now - since
        tcb.busy_since = -1


def look(tcb: ControlBlock, now: int, *, window: bool) -> None:
    """What could leave has left; `window`: the peer's keeps the rest."""
    if window:
        if tcb.busy_since < 0:
            tcb.busy_since = now  # before anything has left
        _hold(tcb, WINDOW, now)
    elif tcb.stall & NO_ROOM and tcb.snd_nxt >= tcb.sendq.end and tcb.flight < tcb.congestion.cwnd:
        _hold(tcb, BUFFER, now)
    else:
        _hold(tcb, 0, now)


def _hold(tcb: ControlBlock, what: int, now: int) -> None:
    """From now on `what` holds it up, or nothing."""
    before = tcb.stall & _HOLDS
    if before == what:
        return
    stalls = tcb.stalls
    if stalls is None:
        stalls = tcb.stalls = Stalls()
    if before == WINDOW:
        stalls.window += now - stalls.since
    elif before == BUFFER:
        stalls.buffer += now - stalls.since
    stalls.since = now
    tcb.stall = tcb.stall & NO_ROOM | what


def times(tcb: ControlBlock, now: int) -> tuple[int, int, int]:
    """Nanoseconds until `now`: busy; of those, held up by the peer's window, and by the lack of room."""
    busy = tcb.busy + (max(0, now - tcb.busy_since) if tcb.busy_since >= 0 else 0)
    stalls = tcb.stalls
    if stalls is None:
        return busy, 0, 0
    present = max(0, now - stalls.since)
    window = stalls.window + (present if tcb.stall & WINDOW else 0)
    return busy, window, stalls.buffer + (present if tcb.stall & BUFFER else 0)
