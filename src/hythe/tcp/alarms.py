"""What happens when a connection's timer fires. Like an arriving segment, it only notes what is due; `emit` sends it."""

from __future__ import annotations

import errno
from typing import Final

from hythe.tcp import ecn, tail
from hythe.tcp.acknowledge import look
from hythe.tcp.acks import waited_in_vain
from hythe.tcp.block import ControlBlock
from hythe.tcp.patience import begin, end
from hythe.tcp.states import CLOSED, ESTABLISHED, FIN_WAIT_2, SYN_SENT, Event
from hythe.tcp.trace import BlackHole, Probe, TimedOut
from hythe.units import NEVER

#: Linux tcp_retries1 3 and tcp_base_mss 1024 (RFC 4821, 7.2: eff_pmtu's conservative start).
_BLACK_HOLE: Final = 3
MSS_BASE: Final = 1_024


def fire(tcb: ControlBlock, now: int) -> None:
    """Every timer of the connection that is due at `now`."""
    tcb.deadline = NEVER  # `emit`, which follows, sets it anew
    if tcb.ack_at <= now:
        tcb.ack_at = NEVER
        waited_in_vain(tcb)
    if tcb.user_at <= now:
        end(tcb)
    if tcb.rto_at <= now:
        tcb.rto_at = NEVER
        waited, answered = tcb.rtt.rto, not (tcb.tries or tcb.probes)
        if tcb.state < ESTABLISHED:
            _handshake_timed_out(tcb)
        elif tcb.snd_nxt > tcb.snd_una:
            _retransmission_timed_out(tcb, now)
        else:
            _probe(tcb, now)
        if answered and tcb.user_timeout and (tcb.tries or tcb.probes):
            begin(tcb, now - waited)
    if tcb.wake_at <= now:
        tcb.wake_at = NEVER
        if tcb.reo_at <= now and tcb.state >= ESTABLISHED:
            _late(tcb, now)
        elif tcb.reo_at != NEVER:
            tcb.wake_at = tcb.reo_at  # it was the pace's
    if tcb.keep_at <= now:
        _keep_alive(tcb, now)
    if tcb.linger_at <= now:
        tcb.linger_at = NEVER
        if tcb.state == FIN_WAIT_2:
            tcb.finish(Event.TIMEOUT)
        elif tcb.deaf and tcb.state != CLOSED:
            tcb.fail_loudly(errno.ETIMEDOUT)  # the owner said how long what it left behind may take
    tcb.note(0)


def _late(tcb: ControlBlock, now: int) -> None:
    """RACK's time is over (RFC 8985, 6.2 step 5). No ACK lets something out now: it is one segment, as if one had come."""
    board, mss = tcb.scoreboard, tcb.snd_mss
    before = board.recovering
    if look(tcb, now) and not before and board.recovering and tcb.prr is not None:
        pipe = board.pipe(tcb.snd_nxt - tcb.snd_una)
        tcb.congestion.cwnd = tcb.prr.window(pipe, tcb.congestion.ssthresh, mss, mss, safe=False)


def _handshake_timed_out(tcb: ControlBlock) -> None:
    """RFC 9293, 3.8.3: SYN has its own limit of retransmissions."""
    limit = tcb.config.syn_retries if tcb.state == SYN_SENT else tcb.config.synack_retries
    tcb.timeouts += 1
    tcb.tries += 1
    if tcb.tries > limit:
        tcb.fail(tcb.pending_error or errno.ETIMEDOUT)
        return
    tcb.rtt.back_off()
    tcb.retransmits += 1
    tcb.syn_due = True


def _retransmission_timed_out(tcb: ControlBlock, now: int) -> None:
    """RFC 6298, 5.4-5.6 and RFC 6675, 5.1: all is lost, one segment goes, the time-out doubles."""
    if tail.due(tcb, now):
        return
    tcb.timeouts += 1
    tcb.tries += 1
    if _given_up(tcb, now):
        tcb.fail(tcb.pending_error or errno.ETIMEDOUT)
        return
    board = tcb.scoreboard
    if tcb.tries == 1 and not board.recovering:
        tcb.undo.begin(tcb.snd_una, board.resent, watching=tcb.config.frto)
    else:
        tcb.undo.watching = tcb.undo.waiting = False  # F-RTO is for the first of a row (RFC 5682, 2.1)
    # ssthresh falls once for a loss, not again when its repair times out too (RFC 5681, 3.1; Linux tcp_enter_loss).
    if tcb.tries == 1 and (board.by_timeout or not board.recovering):
        tcb.congestion.timed_out(now, tcb.snd_nxt - tcb.snd_una)
    else:
        tcb.congestion.timed_out_again()
    # RFC 8985, 6.3: what was sent less than a round trip ago may still arrive.
    board.declare_all(now - tcb.rtt.srtt if tcb.sack_on and tcb.config.rack else NEVER)
    board.begin(tcb.snd_nxt, by_timeout=True)
    board.urgent = True
    board.probe_end = -1
    ecn.reduced(tcb)
    if tcb.config.mtu_probing and tcb.tries >= _BLACK_HOLE and tcb.snd_mss > MSS_BASE:
        _suspect_black_hole(tcb, now)
    tcb.rtt.back_off()
    if tcb.trace is not None:
        tcb.trace(TimedOut(now, "RFC 6298, 5.4", tcb.tries, tcb.rtt.rto))


def _suspect_black_hole(tcb: ControlBlock, now: int) -> None:
    """Nothing of this size seems to arrive, and no router says why: RFC 4821, 7.7 (Linux tcp_mtu_probing 1)."""
    tcb.mss_path = MSS_BASE + (12 if tcb.ts_on else 0)
    tcb.set_mss(tcb.mss_peer)
    if tcb.trace is not None:
        tcb.trace(BlackHole(now, "RFC 4821, 7.7", tcb.snd_mss))


def _given_up(tcb: ControlBlock, now: int) -> bool:
    """R2 is reached (RFC 9293, 3.8.3). A peer that has shut its window on what was sent is alive, though (3.8.6)."""
    config = tcb.config
    if tcb.deaf:
        return tcb.tries > config.orphan_retries
    if not tcb.snd_wnd:
        return now - tcb.heard_at > 2 * config.rto_max
    if tcb.user_timeout:
        return False  # `user_at` ends it
    return tcb.tries > config.retries


def _probe(tcb: ControlBlock, now: int) -> None:
    """The window is shut, or too small to fill: ask whether that is still so (RFC 9293, 3.8.6.1)."""
    if tcb.sendq.end == tcb.snd_nxt and not tcb.fin_queued:
        return
    config = tcb.config
    _count_unanswered(tcb, now)
    # A peer that answers may keep the window shut as long as it likes (3.8.6.1, MUST-37); not if nobody waits for it.
    if tcb.unanswered > config.retries or (tcb.deaf and tcb.probes >= config.orphan_retries):
        tcb.fail(tcb.pending_error or errno.ETIMEDOUT)
        return
    tcb.probes += 1
    tcb.probe_due = True
    if tcb.trace is not None:
        tcb.trace(Probe(now, "RFC 9293, 3.8.6.1", "window"))


def _keep_alive(tcb: ControlBlock, now: int) -> None:
    """RFC 9293, 3.8.4. Only a connection with nothing outstanding is asked; any segment counts as an answer."""
    config = tcb.config
    if tcb.snd_nxt > tcb.snd_una or tcb.sendq.end > tcb.snd_nxt:
        tcb.keep_at = now + config.keepalive_idle
        return
    if now - tcb.heard_at < config.keepalive_idle:
        tcb.keep_at = tcb.heard_at + config.keepalive_idle
        return
    _count_unanswered(tcb, now)
    if tcb.user_timeout:  # it overrides the count, as in Linux
        over = tcb.unanswered > 1 and now - tcb.heard_at >= tcb.user_timeout
    else:
        over = tcb.unanswered > config.keepalive_probes
    if over:
        tcb.keep_at = NEVER
        tcb.fail_loudly(errno.ETIMEDOUT)
        return
    tcb.probe_due = True
    if tcb.trace is not None:
        tcb.trace(Probe(now, "RFC 9293, 3.8.4", "keep-alive"))
    tcb.keep_at = now + config.keepalive_interval


def _count_unanswered(tcb: ControlBlock, now: int) -> None:
    """Another probe is about to leave; were those before answered?"""
    tcb.unanswered = 1 if tcb.heard_at >= tcb.probed_at else tcb.unanswered + 1
    tcb.probed_at = now
