"""When to acknowledge: RFC 9293, 3.8.6.3 and RFC 5681, 4.2, with Linux's quick-ACK start.

At once: what must be (out of order, a gap filled, FIN, a challenge), more than one full segment, the first segments of a
connection while the peer's window opens. Otherwise the ACK waits for data to ride on, for `delayed_ack_min` at most, or,
with `eager_ack`, until the driver would sleep.
"""

from __future__ import annotations

from hythe.tcp.block import ControlBlock
from hythe.units import NEVER


def acknowledgment_due(tcb: ControlBlock, now: int) -> bool:
    """Must an ACK leave now, no data having carried it? Arms the delayed-ACK timer if it may wait."""
    if tcb.ack_now or tcb.dup_acks_owed:
        return True
    owed = tcb.ack_owed
    if owed:
        if owed > tcb.rcv_mss:
            return True
        if tcb.quick and not tcb.ping_pong:
            tcb.quick -= 1
            return True
        if tcb.ack_at == NEVER:
            tcb.ack_at = now + tcb.config.delayed_ack_min
            if tcb.config.eager_ack:
                tcb.around.owing.append(tcb)
    return _window_opened(tcb)


def _window_opened(tcb: ControlBlock) -> bool:
    """The owner has taken enough that a peer who is held up, or soon will be, should know (3.8.6.2.2)."""
    limit = tcb.rcv_limit
    promised = tcb.rcv_adv - tcb.rcv_nxt
    if promised >= limit >> 1:
        return False
    opened = limit - tcb.recvq.held - promised
    return opened >= limit >> 1 or (promised < tcb.rcv_mss <= opened)
