"""Text and FIN of an acceptable segment: RFC 9293, 3.10.7.4, seventh and eighth.

In order it becomes readable, beyond a gap an island; seen before, it is acknowledged again. A FIN counts once everything
before it is here.
"""

from __future__ import annotations

from hythe.tcp.block import CHANGED, READABLE, ControlBlock
from hythe.tcp.recvq import ISLANDS_MAX
from hythe.tcp.states import ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, MAY_RECEIVE, Event
from hythe.wire.segment import Segment

#: D-SACKs waiting to leave with the ACKs of one turn.
DSACKS_MAX = 8


def take_text(tcb: ControlBlock, segment: Segment, seq: int, now: int) -> None:
    """The text of a segment that starts at `seq`, as much of it as the window has room for."""
    if tcb.state not in MAY_RECEIVE:
        return
    data = segment.payload
    end = seq + segment.size
    if tcb.deaf and end > tcb.rcv_nxt:
        tcb.answer_reset = segment.ack  # RFC 2525, 2.17: nobody will ever read this
        tcb.note(CHANGED)
        return
    measure(tcb, segment)
    if tcb.around.memory.short and (seq > tcb.rcv_nxt or (tcb.recvq.charged and tcb.recvq.views)):
        tcb.ack_now = True  # what would have to be kept is dropped; what closes a gap frees memory
        tcb.note(0)
        return
    if end > tcb.rcv_adv:
        end = tcb.rcv_adv
        tcb.ack_now = True  # the peer should know at once that not all of it was taken
    if end <= tcb.rcv_nxt:
        arrived_twice(tcb, seq, end)
        quicken(tcb)
        tcb.ack_now = True
        tcb.note(0)
    elif seq > tcb.rcv_nxt:
        quicken(tcb)
        if not tcb.recvq.add_island(seq, data[: end - seq]) and _held(tcb, seq, end):
            arrived_twice(tcb, seq, end)
        tcb.dup_acks_owed += 1  # RFC 5681, 4.2: at once, one for each
        tcb.note(0)
    else:
        if seq < tcb.rcv_nxt:
            arrived_twice(tcb, seq, tcb.rcv_nxt)
        had_islands = tcb.recvq.islands is not None
        if had_islands:
            left, right = min(tcb.recvq.blocks(ISLANDS_MAX))  # of several it is enough to tell of the first (Linux)
            arrived_twice(tcb, left, min(right, end))
        accept_text(tcb, data[tcb.rcv_nxt - seq : end - seq], end - tcb.rcv_nxt, now)
        if had_islands:
            before = tcb.rcv_nxt
            tcb.rcv_nxt = tcb.recvq.join(before)
            tcb.bytes_received += tcb.rcv_nxt - before
            tcb.ack_now = True  # RFC 5681, 4.2: a segment that fills a gap is acknowledged at once
            if tcb.fin_after == tcb.rcv_nxt:
                take_fin(tcb, tcb.rcv_nxt)


def accept_text(tcb: ControlBlock, data: memoryview, size: int, now: int) -> None:
    """`size` bytes at rcv_nxt, within the window: theirs is the queue, ours the acknowledgment."""
    recvq = tcb.recvq
    recvq.views.append(data)
    recvq.held += size
    tcb.rcv_nxt += size
    tcb.ack_owed += size
    tcb.bytes_received += size
    tcb.text_at = now
    tcb.news |= READABLE
    if not tcb.queued:
        tcb.queued = True
        tcb.around.ready.append(tcb)
    if tcb.fin_after is not None and tcb.fin_after == tcb.rcv_nxt:
        take_fin(tcb, tcb.rcv_nxt)


def measure(tcb: ControlBlock, segment: Segment) -> None:
    """rcv_mss: the longest segment the peer has sent us is what "full-sized" means for it (RFC 5681, 4.2)."""
    size = segment.gso_size or segment.size
    if size > tcb.rcv_mss:
        tcb.rcv_mss = min(size, tcb.mss_local)


def arrived_twice(tcb: ControlBlock, left: int, right: int) -> None:
    """A peer with SACK is told so by the next ACK (RFC 2883, 4). Beyond a handful it does not need every one."""
    if not tcb.sack_on or left >= right:
        return
    if tcb.dsacks is None:
        tcb.dsacks = []
    if len(tcb.dsacks) < DSACKS_MAX:
        tcb.dsacks.append((left, right))


def _held(tcb: ControlBlock, left: int, right: int) -> bool:
    """Did all of it come before, or was there no room for it? A D-SACK for what is not here would be a lie."""
    return any(start <= left and right <= end for start, end in tcb.recvq.blocks(ISLANDS_MAX))


def quicken(tcb: ControlBlock) -> None:
    """Something is out of order: the peer needs to hear of each segment for a while (Linux's quick-ACK mode)."""
    tcb.quick = tcb.config.quick_acks
    tcb.ping_pong = False
    tcb.ato = tcb.config.delayed_ack_min


def take_fin(tcb: ControlBlock, position: int) -> None:
    """A FIN at sequence number `position`."""
    if tcb.fin_received:
        tcb.ack_now = True  # again: our ACK was lost
        tcb.note(0)
        return
    if position > tcb.rcv_nxt:
        if position <= tcb.rcv_adv:
            tcb.fin_after = position  # comes into force when the gap closes
        tcb.ack_now = True
        tcb.note(READABLE)
        return
    if position < tcb.rcv_nxt or tcb.state not in MAY_RECEIVE:
        return
    tcb.rcv_nxt = position + 1
    tcb.rcv_adv = max(tcb.rcv_adv, tcb.rcv_nxt)
    tcb.fin_received = True
    tcb.fin_after = None
    tcb.ack_now = True
    if tcb.state in (ESTABLISHED, FIN_WAIT_1):  # an ACK of our FIN with it has made this FIN-WAIT-2 before
        tcb.move(Event.FIN)
    elif tcb.state == FIN_WAIT_2:
        tcb.move(Event.FIN)
        tcb.settle()
    tcb.note(READABLE)
