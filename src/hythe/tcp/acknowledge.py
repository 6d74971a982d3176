"""What an acknowledgment does to the sending half: RFC 9293 3.10.7.4 (fifth), RFC 8985, RFC 6675, RFC 6582.

An ACK that moves snd_una frees the send queue, gives a round-trip sample and opens the congestion window; one that does
not may be the sign of a loss. What is to be sent because of either is only noted here; `emit` sends it.
"""

from __future__ import annotations

from hythe.tcp import chrono, ecn, tail, undo
from hythe.tcp.block import CORKED, WRITABLE, ControlBlock
from hythe.tcp.congestion.prr import ProportionalReduction
from hythe.tcp.rack import Rack, detect, reordering_window
from hythe.tcp.states import CLOSING, FIN_WAIT_1, LAST_ACK, Event
from hythe.tcp.trace import RecoveryEnded, RecoveryEntered
from hythe.units import NEVER


def acknowledged(tcb: ControlBlock, ack: int, now: int, echo: int = 0, *, blocks: bool = False) -> int:
    """snd_una < `ack` <= snd_nxt. `echo` is the segment's TSecr, 0 without timestamps.

    With SACK `blocks` something else may have called for the ACK, so when the newest of what it acknowledges was sent, or
    -1, is returned instead of being taken for a round trip: `selectively` knows better.
    """
    una = tcb.snd_una
    nxt = tcb.snd_nxt
    board = tcb.scoreboard
    rtt = tcb.rtt
    sacked = board.sacked
    sent_at = board.acked(ack, now, rtt.least)
    tcb.snd_una = ack
    sendq = tcb.sendq
    end = sendq.end
    sendq.release(ack if ack < end else end)
    tcb.tries = tcb.probes = 0
    if tcb.corked:
        tcb.corked &= CORKED
    if sent_at >= 0:
        if not blocks:
            rtt.sample(now - sent_at)
    elif echo:
        _sample_echo(tcb, echo, now, blocks=blocks)
    # RFC 6298, 5.2 and 5.3; earlier for a tail loss probe (RFC 8985, 7.2).
    if nxt > ack:
        tcb.rto_at = now + rtt.pto
    else:
        tcb.rto_at = NEVER
        if ack >= end:
            chrono.end(tcb, now)
    if board.recovering or board.probe_end >= 0:
        _in_trouble(tcb, ack, now, echo)
    _open_window(tcb, ack - una, una, nxt, sacked, now)
    tcb.news |= WRITABLE
    if not tcb.queued:
        tcb.queued = True
        tcb.around.ready.append(tcb)
    if ack > end and tcb.fin_queued:
        _fin_acknowledged(tcb, now)
    return sent_at


def _sample_echo(tcb: ControlBlock, echo: int, now: int, *, blocks: bool) -> None:
    """Some of what is acknowledged was resent: only the timestamp can tell which sending this ACK answers.

    It is that of the last segment in order. So an ACK that something out of order or repeated has called for echoes an
    old one, which says how long an ACK has been lost and nothing of the path; a round trip of seconds would come of it.
    """
    if blocks and (echo - tcb.timestamp(tcb.scoreboard.newest_at)) & 0xFFFFFFFF > 0x7FFFFFFF:
        return
    tcb.sample_echo(echo, now)


def _in_trouble(tcb: ControlBlock, ack: int, now: int, echo: int) -> None:
    """An ACK that advances while a recovery or a tail loss probe goes on."""
    if tcb.rto_at != NEVER:
        tcb.rto_at = now + tcb.rtt.rto
    if tcb.scoreboard.recovering:
        undo.advanced(tcb, echo, now)
    if 0 <= tcb.scoreboard.probe_end <= ack:
        tail.answered(tcb, ack, now)


def _open_window(tcb: ControlBlock, size: int, una: int, nxt: int, sacked: int, now: int) -> None:
    """Tell the congestion controller of `size` bytes acknowledged from `una` on; move an episode of recovery on.

    `sacked`: bytes that were SACKed, or presumed gone, before. What these tell of has left the network earlier.
    """
    board = tcb.scoreboard
    control = tcb.congestion
    board.dup_acks = 0
    if board.recovering:
        if not _recovering(tcb, size, now):
            return
    elif board.sacked and not tcb.sack_on:
        board.sacked = 0
    # Only a window that was used may grow (RFC 7661, 4.1): it held data back when what is acknowledged now was sent, or
    # it was full; in slow start half of it is enough, at any time in this round trip (Linux).
    flight = nxt - una
    cwnd = control.cwnd
    if flight > tcb.peak or una >= tcb.peak_until:
        tcb.peak = flight
        tcb.peak_until = nxt
    if una < tcb.limited or flight + tcb.snd_mss > cwnd or (cwnd < control.ssthresh and 2 * tcb.peak > cwnd):
        if control.hystart is not None:
            control.watch(tcb.rtt.latest, tcb.snd_una, nxt, now, bursts=tcb.pace_next < 0)
        control.acked(size - sacked + board.sacked, now, tcb.rtt.srtt)


def _recovering(tcb: ControlBlock, size: int, now: int) -> bool:
    """An ACK in an episode of recovery. True if the window may grow by it."""
    board = tcb.scoreboard
    if tcb.snd_una >= board.recovery_point:
        by_timeout = board.by_timeout
        if not by_timeout:
            tcb.congestion.recovered(now)
            if tcb.rack is not None:
                tcb.rack.recovered()
        board.end()
        if tcb.trace is not None:
            tcb.trace(RecoveryEnded(now, "RFC 6675, 5", tcb.congestion.cwnd))
        if not tcb.sack_on:
            board.sacked = 0
        if board.lost:  # what was sent during the episode has met a loss of its own
            recover(tcb, now, "a loss during recovery", "RFC 6675, 5.1")
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


def repeated(tcb: ControlBlock, blocks: tuple[tuple[int, int], ...], ack: int, now: int) -> bool:
    """Is the first SACK block a D-SACK: something arrived twice (RFC 2883, 4)? Then what we resent was needless."""
    left, right = (tcb.unwrap(edge, ack) for edge in blocks[0])
    if not tcb.iss < left < right <= tcb.snd_nxt:
        return False
    if right > ack:  # above the cumulative ACK it is one only if the second block covers it
        if len(blocks) < 2:
            return False
        outer_left, outer_right = (tcb.unwrap(edge, ack) for edge in blocks[1])
        if not outer_left <= left < right <= outer_right:
            return False
    board = tcb.scoreboard
    tcb.dsacks_received += 1
    if tcb.rack is None:
        tcb.rack = Rack()
    tcb.rack.repeated(ack, tcb.snd_nxt)
    if board.probe_resent and board.probe_end == right:
        board.probe_end = -1  # RFC 8985, 7.4.2: both the probe and what it repeated have arrived
    elif tcb.undo.repeated(left, right):
        undo.revert(tcb, now, "D-SACK", "RFC 3708, 3")
    return True


def selectively(
    tcb: ControlBlock, blocks: tuple[tuple[int, int], ...], now: int, before: int, sent_at: int, *, advanced: bool
) -> None:
    """An ACK from a peer with SACK that came with blocks or in trouble: update the scoreboard, see whether all is well.

    `before`: snd_una plus SACKed bytes before this ACK, so that what it delivered is known. `sent_at`: as `acknowledged`
    has returned it.
    """
    una, nxt = tcb.snd_una, tcb.snd_nxt
    edges = []
    for left, right in blocks:
        left, right = tcb.unwrap(left, una), tcb.unwrap(right, una)
        if una < left < right <= nxt:  # RFC 2018, 5: else stale, or a D-SACK
            edges.append((left, right))
    edges.sort()
    board = tcb.scoreboard
    newly, sacked_at = board.mark_sacked(edges, now, tcb.rtt.least)
    sent_at = max(sent_at, sacked_at)
    if sent_at >= 0:
        tcb.rtt.sample(now - sent_at)  # the newest of all that is news: it has called for the ACK
        if advanced and tcb.rto_at != NEVER:
            tcb.rto_at = min(tcb.rto_at, now + tcb.rtt.rto)
    if newly and not advanced:
        board.dup_acks += 1
        if tcb.congestion.hystart is not None:
            tcb.congestion.watch(tcb.rtt.latest, una, nxt, now, bursts=tcb.pace_next < 0)
    undo.answered(tcb, now)
    if tcb.config.rack:
        lost = look(tcb, now)
    elif newly:
        lost = _count(tcb, now)
    else:
        lost = 0
    delivered = una + board.sacked - before
    if board.recovering and not board.by_timeout and delivered > 0 and tcb.prr is not None:
        pipe = board.pipe(nxt - una)
        control = tcb.congestion
        safe = advanced and not lost
        control.cwnd = tcb.prr.window(pipe, control.ssthresh, delivered, tcb.snd_mss, safe=safe)
    tcb.note(0)


def look(tcb: ControlBlock, now: int) -> int:
    """RACK (RFC 8985, 6.2): recover what is late, come again for what may be soon. Returns the bytes found lost."""
    board = tcb.scoreboard
    tcb.reo_at = NEVER
    if board.newest_at < 0:
        return 0
    threshold = tcb.config.dup_threshold
    steps = tcb.rack.steps if tcb.rack is not None else 1
    window = reordering_window(board, tcb.rtt, threshold * tcb.snd_mss, threshold, steps)
    lost, tcb.reo_at, resent_at = detect(board, now, window, tcb.rtt.least >> 2)
    tcb.wake_at = min(tcb.wake_at, tcb.reo_at)
    if lost:
        recover(tcb, now, "time", "RFC 8985, 6.2")
        # Proportional reduction takes a round trip: what left before met the queue that the old rate had filled.
        if board.recovering and not board.by_timeout and tcb.prr is not None and resent_at > tcb.prr.since + tcb.rtt.srtt:
            _reduce_again(tcb, now)
    return lost


def _reduce_again(tcb: ControlBlock, now: int) -> None:
    """What left at the reduced rate was lost, too: so the rate is too high still (RFC 5681, 4.3)."""
    tcb.congestion.lost_again(now)
    tcb.prr = ProportionalReduction(tcb.snd_nxt - tcb.snd_una - tcb.scoreboard.sacked, now)
    ecn.reduced(tcb)
    if tcb.trace is not None:
        point, ssthresh = tcb.scoreboard.recovery_point, tcb.congestion.ssthresh
        tcb.trace(RecoveryEntered(now, "RFC 5681, 4.3", "a lost retransmission", point, ssthresh))


def _count(tcb: ControlBlock, now: int) -> int:
    """RFC 6675, 5 (1): by what is SACKed above it. Returns the bytes found lost."""
    board = tcb.scoreboard
    lost = board.detect(tcb.snd_mss, tcb.config.dup_threshold)
    if not lost and not board.recovering and board.dup_acks >= tcb.config.dup_threshold:
        lost = board.declare_head(tcb.snd_mss)  # small segments: not bytes but ACKs tell
    if lost:
        recover(tcb, now, "SACK", "RFC 6675, 5")
    return lost


def duplicate(tcb: ControlBlock, now: int) -> None:
    """A duplicate ACK in the sense of RFC 5681, 2, from a peer without SACK.

    What it says has left the network makes room for a segment of new data: limited transmit (RFC 3042, 2) for the first two.
    """
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
        recover(tcb, now, "duplicate ACKs", "RFC 6582, 3.2")
    if tcb.undo.waiting:
        tcb.undo.watching = tcb.undo.waiting = False  # RFC 5682, 2.1 (3a): the loss was real
    tcb.note(0)


def recover(tcb: ControlBlock, now: int, reason: str, section: str) -> None:
    """A loss was found: enter fast recovery unless in one, or in that of a time-out (RFC 6675, 5.1)."""
    board = tcb.scoreboard
    if board.recovering:
        return
    tcb.fast_retransmits += 1
    flight = tcb.snd_nxt - tcb.snd_una
    tcb.congestion.lost(now, flight)
    tcb.prr = ProportionalReduction(flight - board.sacked, now)
    tcb.undo.begin(tcb.snd_una, board.resent, watching=False)
    board.begin(tcb.snd_nxt, by_timeout=False)
    board.urgent = True
    board.probe_end = -1
    ecn.reduced(tcb)
    tcb.rto_at = now + tcb.rtt.rto
    if tcb.trace is not None:
        tcb.trace(RecoveryEntered(now, section, reason, board.recovery_point, tcb.congestion.ssthresh))
