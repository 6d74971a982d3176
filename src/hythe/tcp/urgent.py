"""Urgent data: RFC 9293, 3.8.5, as RFC 6093 leaves it.

Urgent bytes stay in line with the others; what the urgent pointer adds is a mark: the octet behind the last urgent one (RFC
6093, 3.1; Linux tcp_stdurg 0 reads it the same way). The owner is told that there is one ahead, and how far
(`Connection.urgent_mark`). New programs should not use it (RFC 6093, 5; SHLD-13).
"""

from __future__ import annotations

from hythe.tcp.block import READABLE, ControlBlock
from hythe.tcp.states import MAY_RECEIVE

_POINTER_MAX = 0xFFFF


def take_urgent(tcb: ControlBlock, mark: int) -> None:
    """SEGMENT ARRIVES, sixth: the peer's urgent data ends before sequence number `mark`; the mark never moves back."""
    if tcb.state in MAY_RECEIVE and mark > max(tcb.rcv_up, tcb.rcv_nxt):
        tcb.rcv_up = mark
        tcb.note(READABLE)


def ahead(tcb: ControlBlock) -> int | None:
    """Bytes to read before the mark, None if there is none ahead. They may not have come yet."""
    unread = sum(map(len, tcb.recvq.views))
    distance = tcb.rcv_up - (tcb.rcv_nxt - tcb.fin_received - unread)
    return distance if distance > 0 else None


def pointer(tcb: ControlBlock, seq: int) -> int:
    """The urgent pointer of a segment that starts at `seq`, before snd_up."""
    return min(tcb.snd_up - seq, _POINTER_MAX)
