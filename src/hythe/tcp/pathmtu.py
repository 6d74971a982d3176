"""What a connection does when the path MTU to its peer changes: RFC 1191, 6.4; RFC 8201, 5.4; RFC 5927, 7."""

from __future__ import annotations

from hythe.tcp.block import ControlBlock
from hythe.tcp.states import ESTABLISHED, SYN_SENT


def path_changed(tcb: ControlBlock, mtu: int) -> None:
    """The path carries packets of `mtu` bytes: segments are cut to that, and those too long are resent at once.

    No congestion is the cause, so the window keeps its number of segments. What is outstanding are super-segments of the
    old size nearly always, so all of it counts as lost.
    """
    before = tcb.snd_mss
    tcb.mss_path = mtu - tcb.envelope.header_size
    tcb.set_mss(tcb.mss_peer)
    if tcb.state == SYN_SENT and tcb.snd_nxt > tcb.iss + 1:
        _without_text(tcb)
    elif tcb.snd_mss < before and tcb.state >= ESTABLISHED and tcb.snd_nxt > tcb.snd_una:
        board = tcb.scoreboard
        board.declare_all()
        board.begin(tcb.snd_nxt, by_timeout=True)
        board.urgent = True
        tcb.note(0)


def _without_text(tcb: ControlBlock) -> None:
    """The text that our SYN bore (RFC 7413, 4.2.1) was too much for the path: a plain SYN leaves at once.

    It announces no longer segments than the path carries (Linux): those that come back mostly take it, too.
    """
    tcb.mss_local = min(tcb.mss_local, tcb.mss_path)
    tcb.fast_open = None
    tcb.snd_nxt = tcb.iss + 1
    tcb.syn_due = True
    tcb.note(0)
