"""What an acknowledgment does to the sending half: RFC 9293 3.10.7.4 (fifth), RFC 6675, RFC 6582.

An ACK that moves snd_una frees the send queue, gives a round-trip sample and opens the congestion window; one that does
not may be the sign of a loss. What is to be sent because of either is only noted here; `emit` sends it.
"""

from __future__ import annotations

from hythe.tcp.block import WRITABLE, ControlBlock
from hythe.tcp.states import CLOSING, FIN_WAIT_1, LAST_ACK, Event
from hythe.units import NEVER


def acknowledged(tcb: ControlBlock, ack: int, now: int, echo: int = 0) -> None:
    """snd_una < `ack` <= snd_nxt. `echo` is the segment's TSecr, 0 without timestamps."""
    una = tcb.snd_una
    nxt = tcb.snd_nxt
    sent_at = tcb.scoreboard.acked(ack)
    tcb.snd_una = ack
    sendq = tcb.sendq
    end = sendq.end
    sendq.release(ack if ack < end else end)
    tcb.tries = tcb.probes = 0
    rtt = tcb.rtt
    if sent_at >= 0:
        rtt.sample(now - sent_at)
    elif echo:
        tcb.sample_echo(echo, now)  # some of it was resent: only the timestamp can tell which sending this answers
    tcb.rto_at = now + rtt.rto if nxt > ack else NEVER  # RFC 6298, 5.2 and 5.3
    _open_window(tcb, ack - una, una, nxt, now)
    tcb.news |= WRITABLE
    if not tcb.queued:
        tcb.queued = True
        tcb.around.ready.append(tcb)
    if ack > end and tcb.fin_queued:
        _fin_acknowledged(tcb, now)


def _open_window(tcb: ControlBlock, size: int, una: int, nxt: int, now: int) -> None:
    """Tell the congestion controller of `size` bytes acknowledged from `una` on; move an episode of recovery on."""
    board = tcb.scoreboard
    control = tcb.congestion
    board.dup_acks = 0
    if board.recovering:
        if not _recovering(tcb, size, now):
            return
    elif board.sacked and not tcb.sack_on:
        board.sacked = 0
    # Only a window that was used may grow (RFC 7661, 4.1): it held data back when what is acknowledged now was sent, or
    # it was full; in slow start half of it is enough (Linux).
    flight = nxt - una
    cwnd = control.cwnd
    if una < tcb.limited or flight + tcb.snd_mss > cwnd or (cwnd < control.ssthresh and 2 * flight > cwnd):
        control.acked(size, now, tcb.rtt.srtt)


def _recovering(tcb: ControlBlock, size: int, now: int) -> bool:
    """An ACK in an episode of recovery. True if the window may grow by it."""
    board = tcb.scoreboard
    if tcb.snd_una >= board.recovery_point:
        by_timeout = board.by_timeout
        if not by_timeout:
            tcb.congestion.recovered(now)
        board.end()
        if not tcb.sack_on:
            board.sacked = 0
        if board.lost:  # what was sent during the episode has met a loss of its own
            recover(tcb, now)
            return False
        return by_timeout
    if not tcb.sack_on:
        if not board.by_timeout:
            board.declare_head(tcb.snd_mss)  # partial ACK: RFC 6582, 3.2 (3)
            board.urgent = True
        board.unpresume(size, tcb.snd_mss, tcb.snd_nxt - tcb.snd_una)
    return board.by_timeout  # slow start after a time-out: RFC 5681, 3.1


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


def selectively(tcb: ControlBlock, blocks: tuple[tuple[int, int], ...], now: int, *, advanced: bool) -> None:
    """SACK blocks came with an ACK: update the scoreboard, and see whether they mean a loss (RFC 6675, 5)."""
    una, nxt = tcb.snd_una, tcb.snd_nxt
    edges = []
    for left, right in blocks:
        left, right = tcb.unwrap(left, una), tcb.unwrap(right, una)
        if una < left < right <= nxt:  # RFC 2018, 5: else stale, or a D-SACK (RFC 2883)
            edges.append((left, right))
    board = tcb.scoreboard
    newly, sent_at = board.mark_sacked(edges)
    if not newly:
        return
    if sent_at >= 0:
        tcb.rtt.sample(now - sent_at)
    if not advanced:
        board.dup_acks += 1
    lost = board.detect(tcb.snd_mss, tcb.config.dup_threshold)
    if not lost and not board.recovering and board.dup_acks >= tcb.config.dup_threshold:
        lost = board.declare_head(tcb.snd_mss)  # small segments: not bytes but ACKs tell (RFC 6675, 5 (1))
    if lost:
        recover(tcb, now)
    tcb.note(0)


def duplicate(tcb: ControlBlock, now: int) -> None:
    """A duplicate ACK in the sense of RFC 5681, 2, from a peer without SACK."""
    board = tcb.scoreboard
    board.dup_acks += 1
    board.presume(tcb.snd_mss, tcb.snd_nxt - tcb.snd_una)
    # Up to the point of the last recovery they may be echoes of what was resent needlessly (RFC 6582, 3.2 (2)).
    if (
        board.dup_acks == tcb.config.dup_threshold
        and not board.recovering
        and tcb.snd_una > board.recovery_point
        and board.declare_head(tcb.snd_mss)
    ):
        recover(tcb, now)
    tcb.note(0)


def recover(tcb: ControlBlock, now: int) -> None:
    """A loss was found: enter fast recovery unless in one, or in that of a time-out (RFC 6675, 5.1)."""
    board = tcb.scoreboard
    if not board.recovering:
        tcb.fast_retransmits += 1
        tcb.congestion.lost(now, tcb.snd_nxt - tcb.snd_una)
        board.begin(tcb.snd_nxt, by_timeout=False)
        board.urgent = True
