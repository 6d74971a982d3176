"""What happens when a connection's timer fires. Like an arriving segment, it only notes what is due; `emit` sends it."""

from __future__ import annotations

import errno

from hythe.tcp.block import ControlBlock
from hythe.tcp.states import ESTABLISHED, FIN_WAIT_2, SYN_SENT, Event
from hythe.units import NEVER


def fire(tcb: ControlBlock, now: int) -> None:
    """Every timer of the connection that is due at `now`."""
    if tcb.ack_at <= now:
        tcb.ack_at = NEVER
        tcb.ack_now = True
    if tcb.rto_at <= now:
        tcb.rto_at = NEVER
        if tcb.state < ESTABLISHED:
            _handshake_timed_out(tcb)
        elif tcb.snd_nxt > tcb.snd_una:
            _retransmission_timed_out(tcb, now)
        else:
            _probe(tcb)
    if tcb.keep_at <= now:
        _keep_alive(tcb, now)
    if tcb.linger_at <= now:
        tcb.linger_at = NEVER
        if tcb.state == FIN_WAIT_2:
            tcb.finish(Event.TIMEOUT)
    tcb.note(0)


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
    tcb.timeouts += 1
    tcb.tries += 1
    if tcb.tries > (tcb.config.orphan_retries if tcb.deaf else tcb.config.retries):
        tcb.fail(tcb.pending_error or errno.ETIMEDOUT)
        return
    board = tcb.scoreboard
    if tcb.tries == 1:  # RFC 5681, 3.1: ssthresh is kept when the same segment times out again
        tcb.congestion.timed_out(now, tcb.snd_nxt - tcb.snd_una)
    else:
        tcb.congestion.cwnd = tcb.snd_mss
    board.declare_all()
    board.begin(tcb.snd_nxt, by_timeout=True)
    board.urgent = True
    tcb.rtt.back_off()


def _probe(tcb: ControlBlock) -> None:
    """The window is shut, or too small to fill: ask whether that is still so (RFC 9293, 3.8.6.1)."""
    if len(tcb.sendq) == 0 and not tcb.fin_queued:
        return
    tcb.probes += 1
    if tcb.deaf and tcb.probes > tcb.config.orphan_retries:
        tcb.fail(errno.ETIMEDOUT)
        return
    tcb.probe_due = True
    tcb.rtt.back_off()


def _keep_alive(tcb: ControlBlock, now: int) -> None:
    """RFC 9293, 3.8.4. Only a connection with nothing outstanding is asked; any segment counts as an answer."""
    config = tcb.config
    quiet = now - tcb.heard_at
    if tcb.snd_nxt > tcb.snd_una or len(tcb.sendq):
        tcb.keep_at = now + config.keepalive_idle
        return
    if quiet < config.keepalive_idle:
        tcb.tries = 0
        tcb.keep_at = tcb.heard_at + config.keepalive_idle
        return
    if tcb.tries >= config.keepalive_probes:
        tcb.fail(errno.ETIMEDOUT)
        return
    tcb.tries += 1
    tcb.probe_due = True
    tcb.keep_at = now + config.keepalive_interval
