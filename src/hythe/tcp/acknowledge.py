"""What an acknowledgment does to the sending half: RFC 9293 3.10.7.4 (fifth), RFC 6675, RFC 6582.

An ACK that moves snd_una frees the send queue, gives a round-trip sample and opens the congestion window; one that does
not may be the sign of a loss. What is to be sent because of either is only noted here; `emit` sends it.
"""

from __future__ import annotations

from hythe.tcp.block import WRITABLE, ControlBlock
from hythe.tcp.states import CLOSING, FIN_WAIT_1, LAST_ACK, Event
from hythe.units import MILLISECOND, NEVER


def acknowledged(tcb: ControlBlock, ack: int, now: int, echo: int = -1) -> None:
    """snd_una < `ack` <= snd_nxt. `echo` is the segment's TSecr, -1 without timestamps."""
    size = ack - tcb.snd_una
    flight = tcb.snd_nxt - tcb.snd_una
    sent_at = tcb.scoreboard.acked(ack)
    tcb.snd_una = ack
    sendq = tcb.sendq
    sendq.release(min(sendq.end, ack))
    tcb.tries = tcb.probes = 0
    if sent_at >= 0:
        tcb.rtt.sample(now - sent_at)
    elif echo > 0:
        # Everything acknowledged was resent: only the echoed timestamp can tell which sending this is (RFC 7323, 4).
        tcb.rtt.sample(((tcb.timestamp(now) - echo) & 0xFFFFFFFF) * MILLISECOND)
    tcb.rto_at = now + tcb.rtt.rto if tcb.snd_nxt > ack else NEVER
    _open_window(tcb, ack, size, flight, now)
    tcb.note(WRITABLE)
    if ack > sendq.end and tcb.fin_queued:
        _fin_acknowledged(tcb, now)


def _open_window(tcb: ControlBlock, ack: int, size: int, flight: int, now: int) -> None:
    """Tell the congestion controller, and move the episode of recovery on."""
    board = tcb.scoreboard
    control = tcb.congestion
    board.dup_acks = 0
    if board.recovering:
        if ack >= board.recovery_point:
            if not board.by_timeout:
                control.recovered(now)
            board.end()
        elif board.by_timeout:
            control.acked(size, now, tcb.rtt.srtt)  # slow start after a time-out: RFC 5681, 3.1
        elif not tcb.sack_on:
            tcb.fast_retransmits += board.declare_head(tcb.snd_mss) > 0  # partial ACK: RFC 6582, 3.2 (3)
            board.urgent = True
        return
    # Only a window that was used may grow (RFC 7661, 4.1); in slow start half of it is enough (Linux).
    if flight + tcb.snd_mss > control.cwnd or (control.cwnd < control.ssthresh and 2 * flight > control.cwnd):
        control.acked(size, now, tcb.rtt.srtt)


def _fin_acknowledged(tcb: ControlBlock, now: int) -> None:
    if tcb.state == FIN_WAIT_1:
        tcb.move(Event.ACK_OF_FIN)
        if tcb.deaf:
            tcb.linger_at = now + tcb.config.fin_wait_2
    elif tcb.state == CLOSING:
        tcb.move(Event.ACK_OF_FIN)
        tcb.settle()
    elif tcb.state == LAST_ACK:
        tcb.finish(Event.ACK_OF_FIN)


def selectively(tcb: ControlBlock, blocks: tuple[tuple[int, int], ...], now: int) -> None:
    """SACK blocks came with an ACK: update the scoreboard, and see whether they mean a loss (RFC 6675, 5)."""
    una, nxt = tcb.snd_una, tcb.snd_nxt
    edges = []
    for left, right in blocks:
        left, right = tcb.unwrap(left, una), tcb.unwrap(right, una)
        if una <= left < right <= nxt:  # RFC 2018, 5: else stale, or a D-SACK (RFC 2883)
            edges.append((left, right))
    board = tcb.scoreboard
    newly, sent_at = board.mark_sacked(edges)
    if not newly:
        return
    if sent_at >= 0:
        tcb.rtt.sample(now - sent_at)
    if board.detect(tcb.snd_mss, tcb.config.dup_threshold):
        recover(tcb, now)


def duplicate(tcb: ControlBlock, now: int) -> None:
    """A duplicate ACK in the sense of RFC 5681, 2, from a peer without SACK."""
    board = tcb.scoreboard
    board.dup_acks += 1
    if board.recovering:
        return
    if board.dup_acks == tcb.config.dup_threshold and board.declare_head(tcb.snd_mss):
        recover(tcb, now)


def recover(tcb: ControlBlock, now: int) -> None:
    """A loss was found: enter fast recovery unless in one, or in that of a time-out (RFC 6675, 5.1)."""
    board = tcb.scoreboard
    if not board.recovering:
        tcb.fast_retransmits += 1
        tcb.congestion.lost(now, tcb.snd_nxt - tcb.snd_una)
        board.begin(tcb.snd_nxt, by_timeout=False)
        board.urgent = True
