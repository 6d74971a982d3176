"""When to acknowledge: RFC 9293, 3.8.6.3 and RFC 5681, 4.2, with Linux's quick-ACK start.

At once: what must be (out of order, a gap filled, FIN, a challenge), more than one full segment, the first segments of a
connection while the peer's window opens. Otherwise the ACK waits for data to ride on, for `ato` at most (from
`delayed_ack_min`, doubled up to `delayed_ack_max` while the wait proves vain), or, with `eager_ack`, until the driver
would sleep.
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
            tcb.ack_at = now + tcb.ato
            if tcb.config.eager_ack and not tcb.owing:
                tcb.owing = True
                tcb.around.owing.append(tcb)
    return window_opened(tcb)


def waited_in_vain(tcb: ControlBlock) -> None:
    """The delayed ACK's time is up: the answer it waited for is not coming soon (Linux: tcp_delack_timer_handler)."""
    config = tcb.config
    tcb.ato = config.delayed_ack_min if tcb.ping_pong else min(2 * tcb.ato, config.delayed_ack_max)
    tcb.ping_pong = False
    tcb.ack_now = True


def free_room(tcb: ControlBlock) -> int:
    """Bytes of receive buffer not taken, or 0 while too few are free to be worth offering (Linux: a sixteenth)."""
    limit = tcb.rcv_limit
    if tcb.around.memory.short:
        return 0
    free = limit - tcb.recvq.held
    return free if free >= min(limit >> 1, max(limit >> 4, tcb.rcv_mss)) else 0


def window_opened(tcb: ControlBlock) -> bool:
    """The owner has taken enough that a peer who is held up, or soon will be, should know (3.8.6.2.2).

    Linux's measure: the window on offer is under half of the most that ever was, and there is room for twice that offer.
    """
    promised = tcb.rcv_adv - tcb.rcv_nxt
    most = tcb.rcv_adv - tcb.irs
    if promised >= (most if most < tcb.rcv_limit else tcb.rcv_limit) >> 1 or tcb.fin_received or tcb.deaf:
        return False
    free = free_room(tcb)
    return free > 0 and free >= 2 * promised
