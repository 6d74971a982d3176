"""Explicit congestion notification: RFC 3168, 6.1, with RFC 8311's leave to use it on all that bears data.

The SYNs agree: ECE and CWR ask, ECE alone says yes. From then on new data leaves as ECT(0). A router that would drop marks
it CE instead; its receiver echoes that (ECE) in every segment until the sender says that it has reduced its window (CWR).
Pure ACKs and what is resent are not ECT (6.1.4, 6.1.5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hythe.tcp.trace import CongestionEchoed
from hythe.wire.segment import ACK, CWR, ECE, SYN, Segment

if TYPE_CHECKING:
    from hythe.tcp.block import ControlBlock

#: Codepoints of the traffic class byte's low two bits (RFC 3168, 5).
MASK: Final = 3
ECT_0: Final = 2
CE: Final = 3
_BOTH: Final = ECE | CWR


def agreed(tcb: ControlBlock, flags: int) -> bool:
    """The peer's SYN or SYN-ACK has `flags`: is ECN in force (6.1.1)?"""
    if flags & ACK:
        return tcb.config.ecn == "on" and flags & _BOTH == ECE
    return tcb.config.ecn != "off" and flags & _BOTH == _BOTH


def of_syn(tcb: ControlBlock, flags: int) -> int:
    """What our SYN or SYN-ACK says. One that is resent does not ask: a router may have dropped the first for it."""
    if flags & ACK:
        return ECE if tcb.ecn_on else 0
    return _BOTH if tcb.config.ecn == "on" and not tcb.tries else 0


def mark(tcb: ControlBlock, flags: int, *, new: bool) -> int:
    """The flags of a segment that is about to leave, `new` data or not; its IP header is made ECT or not as well."""
    envelope = tcb.envelope
    envelope.tos = envelope.tos & ~MASK | (ECT_0 if new else 0)
    if tcb.ece_owed and not flags & SYN:
        flags |= ECE
    if new and tcb.cwr_due:
        flags |= CWR
        tcb.cwr_due = False
    return flags


def arrived(tcb: ControlBlock, segment: Segment, flight: int, now: int) -> None:
    """An acceptable segment came, and its ACK has been taken: what does it say of congestion, either way?

    `flight`: bytes that were outstanding before it. One that acknowledges all of them tells of their congestion, too.
    """
    flags = segment.flags
    if flags & CWR:
        tcb.ece_owed = False
    if segment.size and segment.tos & MASK == CE:
        marked(tcb)
    if flags & ECE and tcb.snd_una > tcb.ecn_point and flight and not tcb.scoreboard.recovering:
        tcb.congestion.lost(now, flight)  # as for a loss, once a round trip (6.1.2)
        reduced(tcb)
        if tcb.trace is not None:
            tcb.trace(CongestionEchoed(now, "RFC 3168, 6.1.2", tcb.congestion.ssthresh))


def marked(tcb: ControlBlock) -> None:
    """Data came marked CE: every ACK says so from now on, the first at once."""
    if not tcb.ece_owed:
        tcb.ack_now = True
    tcb.ece_owed = True


def reduced(tcb: ControlBlock) -> None:
    """The window was reduced, whatever for: the peer need not echo any longer (6.1.2)."""
    tcb.cwr_due = tcb.ecn_on
    tcb.ecn_point = tcb.snd_nxt
